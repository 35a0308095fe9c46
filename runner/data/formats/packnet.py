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

from runner.data.formats.decode import depth_map, npz
from runner.data.formats.files import FrameFiles, Reader, colour_file, matching_files

KEY = "depth"


def find_frames(folder: Path) -> list[FrameFiles]:
    frames = []
    for depth, match in matching_files(folder, r"depth/((?:[^/]+/)*)([^/]+)\.npz"):
        below = Path(match[1], match[2])
        scene = depth.parents[len(below.parts)]
        places = [below, Path(*below.parts[1:])] if len(below.parts) > 1 else [below]
        colour = colour_file(*(scene / "rgb" / place for place in reversed(places)))
        frames.append(FrameFiles(colour, depth, scene.relative_to(folder).as_posix()))
    return frames


def metres(frame: FrameFiles, scale: float) -> np.ndarray:
    return depth_map(frame.depth, npz(frame.depth, KEY)) / np.float32(scale)


READER = Reader(__doc__, find_frames, metres, 1.0)
