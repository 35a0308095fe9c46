"""ScanNet, as its exporter writes a scan: structured-light depth of rooms.

Layout: SCAN/depth/N.png with SCAN/color/N.jpg
Scale: metres = value / 1000 (16-bit PNG, millimetres)
Invalid: 0
Scene: the room (scene0000_00 and scene0000_01 are scans of one)
Source: https://github.com/ScanNet/ScanNet (readme and SensReader; Dai et al. 2017)
"""

from __future__ import annotations

import re
from pathlib import Path

from runner.data.formats.decode import scaled_png
from runner.data.formats.files import FrameFiles, Reader, colour_file, matching_files


def find_frames(folder: Path) -> list[FrameFiles]:
    return [
        FrameFiles(colour_file(depth.parents[1] / "color" / match[2]), depth, re.sub(r"(?<=^scene\d{4})_\d\d$", "", match[1]))
        for depth, match in matching_files(folder, r"([^/]+)/depth/(\d+)\.png")
    ]


READER = Reader(__doc__, find_frames, scaled_png, 1000.0)
