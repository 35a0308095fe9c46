"""Readers: which files a format has, and how they become metres. Each format is a module here with a READER."""

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
from runner.data.formats.files import Reader

#: By the name in `data.format`.
READER_MODULES = {
    "folder": folder, "kitti": kitti, "nyu": nyu, "scannet": scannet, "tum": tum, "icl": icl, "7scenes": seven_scenes,
    "sunrgbd": sunrgbd, "diode": diode, "middlebury": middlebury, "packnet": packnet, "vkitti2": vkitti2, "hypersim": hypersim,
    "ncdb": ncdb,
}  # fmt: skip
READERS: dict[str, Reader] = {name: module.READER for name, module in READER_MODULES.items()}

__all__ = ["READERS", "READER_MODULES", "Reader"]
