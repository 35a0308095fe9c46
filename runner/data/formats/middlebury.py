"""Middlebury stereo, 2014 and 2021: disparity of structured light, with a calibration.

Layout: SCENE/im0.png with SCENE/disp0.pfm and SCENE/calib.txt (its cam0, doffs and baseline)
Scale: metres = baseline * f / (disparity + doffs) / 1000 (float PFM in pixels, last row first; baseline in millimetres)
Invalid: inf, and a disparity + doffs that is not above 0
Scene: the folder
Source: https://vision.middlebury.edu/stereo/data/scenes2014/ (Scharstein et al. 2014)
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from runner.data.formats.decode import depth_map, pfm
from runner.data.formats.files import FrameFiles, Reader, colour_file, matching_files
from runner.data.formats.text import text_of
from runner.data.frames import DataError


def find_frames(folder: Path) -> list[FrameFiles]:
    frames = []
    for path, _ in matching_files(folder, r"disp0\.pfm"):
        scene = path.parent.relative_to(folder).as_posix()
        frames.append(FrameFiles(colour_file(path.with_name("im0")), path, scene, (path.with_name("calib.txt"),)))
    return frames


def calibration(path: Path) -> tuple[float, float, float]:
    """Focal length in pixels, doffs in pixels, baseline in millimetres."""
    text = text_of(path)
    found = [re.search(rf"^{key}\s*=\s*\[?\s*([^\s;\]]+)", text, re.MULTILINE) for key in ("cam0", "doffs", "baseline")]
    try:
        focal, doffs, baseline = (float(match[1]) if match else math.nan for match in found)
    except ValueError:
        focal = doffs = baseline = math.nan
    if not (math.isfinite(focal + doffs + baseline) and focal > 0 and baseline > 0):
        raise DataError(f"{path}: lines cam0=[f 0 cx; ...], doffs=... and baseline=..., in numbers, are needed")
    return focal, doffs, baseline


def metres(frame: FrameFiles, scale: float) -> np.ndarray:
    focal, doffs, baseline = calibration(frame.extra[0])
    disparity = pfm(frame.depth).astype(np.float64) + doffs
    valid = np.isfinite(disparity) & (disparity > 0)
    return depth_map(frame.depth, np.where(valid, baseline * focal / np.where(valid, disparity, 1) / scale, 0))


READER = Reader(__doc__, find_frames, metres, 1000.0)
