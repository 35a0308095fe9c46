"""7-Scenes: Kinect depth of seven rooms.

Layout: SCENE/seq-NN/frame-NNNNNN.depth.png with frame-NNNNNN.color.png
Scale: metres = value / 1000 (16-bit PNG, millimetres)
Invalid: 0 and 65535
Scene: the folder above seq-NN (all sequences of it are one room), else the frame's own
Source: https://www.microsoft.com/en-us/research/project/rgb-d-dataset-7-scenes/ (Shotton et al. 2013)
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from runner.data.formats.decode import scaled_png
from runner.data.formats.files import FrameFiles, Reader, colour_file, matching_files

INVALID = 65535


def find_frames(folder: Path) -> list[FrameFiles]:
    return [
        FrameFiles(colour_file(depth.with_name(f"{match[1]}.color")), depth, scene(folder, depth.parent))
        for depth, match in matching_files(folder, r"(frame-\d+)\.depth\.png")
    ]


def scene(folder: Path, parent: Path) -> str:
    room = parent.parent if parent.name.startswith("seq-") and parent != folder else parent
    return room.relative_to(folder).as_posix()


READER = Reader(__doc__, find_frames, partial(scaled_png, invalid=INVALID), 1000.0)
