"""The reviewed code base's own frames (NCDB): fisheye colour with projected lidar depth.

Layout: .../synced_data/newest_depth_maps/N.png with .../synced_data/image_a6/N.png (or .jpg); its JSON split lists go in
    train_list and validation_list, entries {"dataset_root": ..., "new_filename": ...}
Scale: metres = value / 256 (16-bit PNG), always: its own loader divides only where a picture's largest value is above 255
Invalid: 0
Scene: the session, the folder above synced_data
Source: https://github.com/YoungseokOh/packnet-sfm-resnet-san (packnet_sfm/datasets/ncdb_dataset.py, which names these folders)
"""

from __future__ import annotations

from pathlib import Path

from runner.data.formats.decode import scaled_png
from runner.data.formats.files import FrameFiles, Reader, colour_file, matching_files

DEPTH, COLOUR = "newest_depth_maps", "image_a6"


def find_frames(folder: Path) -> list[FrameFiles]:
    frames = []
    for depth, match in matching_files(folder, rf"{DEPTH}/([^/]+)\.png"):
        parent = depth.parents[1]
        session = parent.parent if parent.name == "synced_data" and parent != folder else parent
        frames.append(FrameFiles(colour_file(parent / COLOUR / match[1]), depth, session.relative_to(folder).as_posix()))
    return frames


READER = Reader(__doc__, find_frames, scaled_png, 256.0)
