"""Hypersim: rendered rooms; what is stored as depth is the distance to the camera's centre.

Layout: SCENE/images/scene_cam_NN_geometry_hdf5/frame.NNNN.depth_meters.hdf5 with
    SCENE/images/scene_cam_NN_final_preview/frame.NNNN.tonemap.jpg (or .color.jpg)
Scale: metres = distance * f / sqrt(x^2 + y^2 + f^2), f = 886.81 pixels at a width of 1024, x and y in pixels from the
    picture's centre (HDF5, data set `dataset`)
Invalid: NaN, and what is not a number above 0
Scene: ai_VVV_NNN
Source: https://github.com/apple/ml-hypersim (readme, and issue 9 on planar depth; Roberts et al. 2021)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from runner.data.formats.decode import depth_map, hdf5
from runner.data.formats.files import FrameFiles, Reader, colour_file, matching_files
from runner.data.frames import DataError

FOCAL, WIDTH, HEIGHT = 886.81, 1024, 768
DEPTH = r"([^/]+)/images/(scene_cam_\d+)_geometry_hdf5/(frame\.\d+)\.depth_meters\.hdf5"


def find_frames(folder: Path) -> list[FrameFiles]:
    frames = []
    for depth, match in matching_files(folder, DEPTH):
        previews = depth.parents[1] / f"{match[2]}_final_preview"
        colour = colour_file(*(previews / f"{match[3]}.{kind}" for kind in ("tonemap", "color")))
        frames.append(FrameFiles(colour, depth, match[1]))
    return frames


def metres(frame: FrameFiles, scale: float) -> np.ndarray:
    distance = depth_map(frame.depth, hdf5(frame.depth, "dataset"))
    height, width = distance.shape
    if height * WIDTH != width * HEIGHT:
        raise DataError(f"{frame.depth}: {width} x {height}; the focal length is that of {WIDTH} x {HEIGHT}, so 4:3 is needed")
    focal = FOCAL * width / WIDTH
    rows, columns = np.ogrid[:height, :width]
    y, x = rows - (height - 1) / 2, columns - (width - 1) / 2
    return (distance * focal / np.sqrt(x**2 + y**2 + focal**2) / scale).astype(np.float32)


READER = Reader(__doc__, find_frames, metres, 1.0)
