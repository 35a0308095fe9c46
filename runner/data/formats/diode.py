"""DIODE: laser-scanned depth, indoors and outdoors.

Layout: .../scene_NNNNN/scan_NNNNN/NAME.png with NAME_depth.npy and NAME_depth_mask.npy
Scale: metres as stored (npy of floats)
Invalid: where the mask is 0, and what is not a number above 0
Scene: the scene_NNNNN folder
Source: https://diode-dataset.org/ and https://github.com/diode-dataset/diode-devkit (Vasiljevic et al. 2019, arXiv:1908.00463)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from runner.data.formats.decode import depth_map, npy
from runner.data.formats.files import FrameFiles, Reader, colour_file, matching_files
from runner.data.frames import DataError


def find_frames(folder: Path) -> list[FrameFiles]:
    return [
        FrameFiles(
            colour_file(depth.with_name(match[1])), depth, scene(folder, depth), (depth.with_stem(f"{depth.stem}_mask"),)
        )
        for depth, match in matching_files(folder, r"([^/]+)_depth\.npy")
    ]


def scene(folder: Path, depth: Path) -> str:
    parts = depth.relative_to(folder).parts[:-1]
    last = max((at for at, part in enumerate(parts) if part.startswith("scene_")), default=len(parts) - 1)
    return "/".join(parts[: last + 1])


def metres(frame: FrameFiles, scale: float) -> np.ndarray:
    depth, mask = depth_map(frame.depth, npy(frame.depth)), depth_map(frame.extra[0], npy(frame.extra[0]))
    if depth.shape != mask.shape:
        raise DataError(f"{frame.extra[0]}: {mask.shape}, but the depth is {depth.shape}")
    return np.where(mask > 0, depth / np.float32(scale), 0).astype(np.float32)


READER = Reader(__doc__, find_frames, metres, 1.0)
