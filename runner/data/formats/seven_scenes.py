"""7-Scenes: Kinect depth of seven rooms.

Layout: SCENE/seq-NN/frame-NNNNNN.depth.png with frame-NNNNNN.color.png
Scale: metres = value / 1000 (16-bit PNG, millimetres)
Invalid: 0 and 65535
Scene: the folder above seq-NN (all sequences of it are one room), else the frame's own
Source: https://www.microsoft.com/en-us/research/project/rgb-d-dataset-7-scenes/ (Shotton et al. 2013)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from runner.data.formats.decode import png16
from runner.data.formats.files import Reader, Shot, files, partner

NOTHING = 65535


def find(folder: Path) -> list[Shot]:
    return [
        Shot(partner(depth.with_name(f"{match[1]}.color")), depth, scene(folder, depth.parent))
        for depth, match in files(folder, r"(frame-\d+)\.depth\.png")
    ]


def scene(folder: Path, home: Path) -> str:
    room = home.parent if home.name.startswith("seq-") and home != folder else home
    return room.relative_to(folder).as_posix()


def metres(shot: Shot, scale: float) -> np.ndarray:
    values = png16(shot.depth)
    return np.where(values == NOTHING, 0, values / scale).astype(np.float32)


READER = Reader(__doc__, find, metres, 1000.0)
