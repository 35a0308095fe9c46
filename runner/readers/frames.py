"""From shots to frames of one size, and to the data of one seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from runner.data import DataError, Frames
from runner.data.dataset import SeedData
from runner.data.folder import FARTHEST_SENSIBLE, NEAREST_SENSIBLE, read_colour
from runner.data.formats import READERS
from runner.data.formats.files import Shot
from runner.data.settings import Data
from runner.data.splits import all_shots, home, split


def read_seed_data(data: Data, seed: int, device: torch.device) -> SeedData:
    """As `runner.data.dataset.make_seed_data`, of any format: only the frames that a seed uses are read."""
    train, held_out = split(data, all_shots(data), seed)
    order = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(seed)).tolist()
    probe = min(data.probe, len(held_out) // 2)
    parts = (train, [held_out[i] for i in order[:probe]], [held_out[i] for i in order[probe : probe + data.validation]])
    return SeedData(seed, *(read_shots(data, part).to(device) for part in parts))


def read_shots(data: Data, shots: Sequence[Shot]) -> Frames:
    """Frames at data.height x data.width: colour by area average, depth by nearest neighbour."""
    reader = READERS[data.format]
    scale = reader.scale if reader.scale is not None else data.depth_scale
    assert scale is not None
    rgb = np.stack([read_colour(shot.colour, data.height, data.width) for shot in shots])
    depth = np.stack([nearest(reader.metres(shot, scale), data.height, data.width) for shot in shots])
    check_sense(data, depth, scale)
    return Frames(torch.from_numpy(rgb).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(depth)[:, None])


def nearest(depth: np.ndarray, height: int, width: int) -> np.ndarray:
    """[height, width]: the pixels at the middles of the new ones."""
    rows = (np.arange(height) + 0.5) * depth.shape[0] / height
    columns = (np.arange(width) + 0.5) * depth.shape[1] / width
    return depth[np.ix_(rows.astype(int), columns.astype(int))]


def check_sense(data: Data, depth: np.ndarray, scale: float) -> None:
    """Refuse what no camera sees, with the arithmetic."""
    valid = depth[depth > 0]
    if not valid.size:
        raise DataError(f"{home(data)}: no valid depth in {len(depth)} frames of format {data.format}")
    near, far = float(valid.min()), float(valid.max())
    if far < NEAREST_SENSIBLE or near > FARTHEST_SENSIBLE:
        sum_ = f"{near * scale:g} to {far * scale:g} / {scale:g} = {near:.3g} to {far:.3g} m"
        raise DataError(f"{home(data)}: {sum_}; that is no scene, is format {data.format} with {scale:g} to a metre right?")
