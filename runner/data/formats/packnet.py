"""PackNet-SfM's cached depth (DGP, DDAD): lidar projected into each camera, one npz a frame.

Layout: SCENE/depth/SENSOR/CAMERA/NAME.npz with SCENE/rgb/CAMERA/NAME.png, or SCENE/depth/CAMERA/NAME.npz
Scale: metres as stored (npz, key `depth`)
Invalid: 0, and what is not a number above 0
Scene: the folder that holds rgb and depth
Source: https://github.com/TRI-ML/packnet-sfm (packnet_sfm/datasets/dgp_dataset.py; Guizilini et al. 2020, arXiv:1905.02693)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from runner.data.formats.decode import npz, plane
from runner.data.formats.files import Reader, Shot, files, partner

KEY = "depth"


def find(folder: Path) -> list[Shot]:
    shots = []
    for depth, match in files(folder, r"depth/((?:[^/]+/)*)([^/]+)\.npz"):
        below = Path(match[1], match[2])
        scene = depth.parents[len(below.parts)]
        places = [below, Path(*below.parts[1:])] if len(below.parts) > 1 else [below]
        colour = partner(*(scene / "rgb" / place for place in reversed(places)))
        shots.append(Shot(colour, depth, scene.relative_to(folder).as_posix()))
    return shots


def metres(shot: Shot, scale: float) -> np.ndarray:
    return plane(shot.depth, npz(shot.depth, KEY)) / np.float32(scale)


READER = Reader(__doc__, find, metres, 1.0)
