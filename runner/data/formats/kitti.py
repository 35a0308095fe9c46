"""KITTI, depth prediction and completion: lidar depth of drives.

Layout: the annotated depth SPLIT/DRIVE/proj_depth/groundtruth/image_02/N.png (and image_03) with raw colour at
    DATE/DRIVE/image_02/data/N.png or beside it at SPLIT/DRIVE/image_02/data/N.png; or the selection's
    groundtruth_depth/DRIVE_groundtruth_depth_N_image_02.png with image/DRIVE_image_N_image_02.png
Scale: metres = value / 256 (16-bit PNG)
Invalid: 0
Scene: the drive
Source: https://www.cvlibs.net/datasets/kitti/eval_depth.php (development kit's readme; Uhrig et al. 2017, arXiv:1708.06500)
"""

from __future__ import annotations

from pathlib import Path

from runner.data.formats.decode import scaled_png
from runner.data.formats.files import FrameFiles, Reader, colour_file, matching_files

ANNOTATED = r"([^/]+)/proj_depth/groundtruth/(image_0\d)/(\d+)\.png"
SELECTED = r"groundtruth_depth/([^/]+)_groundtruth_depth_(\d+)_(image_0\d)\.png"


def find_frames(folder: Path) -> list[FrameFiles]:
    frames = []
    for depth, match in matching_files(folder, ANNOTATED):
        drive, camera, number = match.groups()
        inner = Path(drive, camera, "data", number)
        frames.append(FrameFiles(colour_file(folder / drive[:10] / inner, depth.parents[4] / inner), depth, drive))
    for depth, match in matching_files(folder, SELECTED):
        drive, number, camera = match.groups()
        frames.append(FrameFiles(colour_file(depth.parents[1] / "image" / f"{drive}_image_{number}_{camera}"), depth, drive))
    return frames


READER = Reader(__doc__, find_frames, scaled_png, 256.0)
