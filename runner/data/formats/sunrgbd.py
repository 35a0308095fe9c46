"""SUN RGB-D: depth of four sensors, indoors, stored bit-rotated.

Layout: FRAME/depth/NAME.png with the one picture of FRAME/image/ (the measured depth; not depth_bfx, which is filled in)
Scale: metres = ((value >> 3) | (value << 13)) / 1000 (16-bit PNG, millimetres turned left by three bits)
Invalid: 0
Scene: below sun3ddata the place; elsewhere the frame, because the folders do not say which frames share a room: give lists
Source: https://rgbd.cs.princeton.edu/ (SUNRGBDtoolbox, read3dPoints.m, but without its cut at 8 m; Song et al. 2015)
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from runner.data.formats.decode import png16
from runner.data.formats.files import PICTURE_ENDINGS, FrameFiles, Reader, matching_files
from runner.data.frames import DataError

# Metres. Plain millimetres that were never rotated nearly all come out beyond this: their lowest three bits become the highest.
LIMIT = 8.192


def find_frames(folder: Path) -> list[FrameFiles]:
    pictures: dict[Path, list[Path]] = {}
    for path, _ in matching_files(folder, r"image/[^/]+"):
        if path.suffix.lower() in PICTURE_ENDINGS:
            pictures.setdefault(path.parents[1], []).append(path)
    frames, seen = [], set[Path]()
    for depth, _ in matching_files(folder, r"depth/[^/]+\.png"):
        frame = depth.parents[1]
        if frame in seen or len(pictures.get(frame, ())) != 1:
            raise DataError(f"{frame}: one picture in image/ and one in depth/ are needed")
        seen.add(frame)
        place = re.search(r"sun3ddata/([^/]+)/", f"{frame.relative_to(folder).as_posix()}/")
        frames.append(FrameFiles(pictures[frame][0], depth, place[1] if place else frame.relative_to(folder).as_posix()))
    return frames


def metres(frame: FrameFiles, scale: float) -> np.ndarray:
    stored = png16(frame.depth)
    depth = ((stored >> 3) | (stored << 13)) / scale
    beyond, valid = int((depth >= LIMIT).sum()), int((depth > 0).sum())
    if 2 * beyond > valid:
        raise DataError(f"{frame.depth}: {beyond} of {valid} pixels beyond {LIMIT} m once rotated back: not bit-rotated depth?")
    return depth.astype(np.float32)


READER = Reader(__doc__, find_frames, metres, 1000.0)
