"""Readers: what each format's files are, and how they become metres. A format is a module here with a READER."""

from __future__ import annotations

from runner.data.formats import (
    diode,
    folder,
    hypersim,
    icl,
    kitti,
    middlebury,
    ncdb,
    nyu,
    packnet,
    scannet,
    seven_scenes,
    sunrgbd,
    tum,
    vkitti2,
)
from runner.data.formats.files import Reader, Shot

#: By the name that `data.format` takes.
MODULES = {
    "folder": folder,
    "kitti": kitti,
    "nyu": nyu,
    "scannet": scannet,
    "tum": tum,
    "icl": icl,
    "7scenes": seven_scenes,
    "sunrgbd": sunrgbd,
    "diode": diode,
    "middlebury": middlebury,
    "packnet": packnet,
    "vkitti2": vkitti2,
    "hypersim": hypersim,
    "ncdb": ncdb,
}
READERS: dict[str, Reader] = {name: module.READER for name, module in MODULES.items()}

__all__ = ["MODULES", "READERS", "Reader", "Shot"]
