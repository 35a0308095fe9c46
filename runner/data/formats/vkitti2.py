"""Virtual KITTI 2: rendered depth of five drives.

Layout: SceneNN/VARIANT/frames/depth/Camera_0/depth_N.png with .../frames/rgb/Camera_0/rgb_N.jpg
Scale: metres = value / 100 (16-bit PNG, centimetres)
Invalid: 65535, which is the sky and all that is farther than 655.34 m; and 0
Scene: SceneNN, with all its weathers and cameras
Source: https://europe.naverlabs.com/proxy-virtual-worlds-vkitti-2/ (Cabon et al. 2020, arXiv:2001.10773)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from runner.data.formats.decode import png16
from runner.data.formats.files import Reader, Shot, files, partner

FAR = 65535


def find(folder: Path) -> list[Shot]:
    return [
        Shot(partner(depth.parents[2] / "rgb" / match[2] / f"rgb_{match[3]}"), depth, match[1])
        for depth, match in files(folder, r"(Scene\d+)/[^/]+/frames/depth/(Camera_\d)/depth_(\d+)\.png")
    ]


def metres(shot: Shot, scale: float) -> np.ndarray:
    values = png16(shot.depth)
    return np.where(values == FAR, 0, values / scale).astype(np.float32)


READER = Reader(__doc__, find, metres, 100.0)
