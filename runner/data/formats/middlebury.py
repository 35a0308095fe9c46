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

from runner.data.formats.decode import pfm, plane
from runner.data.formats.files import Reader, Shot, files, partner
from runner.data.formats.text import text_of
from runner.data.frames import DataError


def find(folder: Path) -> list[Shot]:
    return [
        Shot(partner(path.with_name("im0")), path, path.parent.relative_to(folder).as_posix(), (path.with_name("calib.txt"),))
        for path, _ in files(folder, r"disp0\.pfm")
    ]


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


def metres(shot: Shot, scale: float) -> np.ndarray:
    focal, doffs, baseline = calibration(shot.beside[0])
    disparity = pfm(shot.depth).astype(np.float64) + doffs
    valid = np.isfinite(disparity) & (disparity > 0)
    return plane(shot.depth, np.where(valid, baseline * focal / np.where(valid, disparity, 1) / scale, 0))


READER = Reader(__doc__, find, metres, 1000.0)
