"""NYU Depth V2, as synchronised pictures: Kinect depth of rooms.

Layout: SCENE/sync_depth_N.png with SCENE/rgb_N.jpg (or .png), as the BTS authors' `sync` and `official_splits` folders have it
Scale: metres = value / 1000 (16-bit PNG, millimetres)
Invalid: 0
Scene: the folder without the letter of its part (basement_0001a and basement_0001b are one)
Source: https://github.com/cleinc/bts (its nyu data); https://cs.nyu.edu/~fergus/datasets/nyu_depth_v2.html (Silberman et al.
    2012)
"""

from __future__ import annotations

import re
from pathlib import Path

from runner.data.formats.decode import scaled_png
from runner.data.formats.files import FrameFiles, Reader, colour_file, matching_files


def find_frames(folder: Path) -> list[FrameFiles]:
    return [
        FrameFiles(colour_file(depth.with_name(f"rgb_{match[2]}")), depth, re.sub(r"(?<=\d)[a-z]$", "", match[1]))
        for depth, match in matching_files(folder, r"([^/]+)/sync_depth_(\d+)\.png")
    ]


READER = Reader(__doc__, find_frames, scaled_png, 1000.0)
