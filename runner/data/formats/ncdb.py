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

from runner.data.formats.decode import scaled
from runner.data.formats.files import Reader, Shot, files, partner

DEPTH, COLOUR = "newest_depth_maps", "image_a6"


def find(folder: Path) -> list[Shot]:
    shots = []
    for depth, match in files(folder, rf"{DEPTH}/([^/]+)\.png"):
        home = depth.parents[1]
        session = home.parent if home.name == "synced_data" and home != folder else home
        shots.append(Shot(partner(home / COLOUR / match[1]), depth, session.relative_to(folder).as_posix()))
    return shots


READER = Reader(__doc__, find, scaled, 256.0)
