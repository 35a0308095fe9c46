"""From an experiment's data section to the frames of one seed: training, probe and validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from runner.data.formats import READERS
from runner.data.formats.files import Shot
from runner.data.formats.pictures import read_colour
from runner.data.frames import DataError, Frames
from runner.data.settings import Data
from runner.data.splits import all_shots, home, split
from runner.data.synthetic.scenes import scenes
from runner.networks.protocol import Networks

NEAREST_SENSIBLE, FARTHEST_SENSIBLE = 0.01, 1000.0  # metres


@dataclass(frozen=True)
class SeedData:
    """What a seed's trials share: training, probe and validation frames on the device, and the order of the batches."""

    seed: int
    train: Frames
    probe: Frames
    validation: Frames

    def pyramid(self, networks: Networks) -> list[Tensor]:
        """The training set's true inverse depth at each of the networks' scales, by nearest neighbour: [N, 1, h, w] each."""
        finest = self.train.inverse_depth()
        sizes = networks.scale_sizes(finest.shape[-2], finest.shape[-1])
        return [F.interpolate(finest, size=size, mode="nearest") for size in sizes]

    def batches(self, steps: int, batch: int) -> np.ndarray:
        """[steps, batch] indices: one pass over the shuffled images after another."""
        rng, count = np.random.default_rng([self.seed, 0xB47C]), len(self.train)
        passes = [rng.permutation(count) for _ in range(-(-steps * batch // count))]
        return np.concatenate(passes)[: steps * batch].reshape(steps, batch)

    def to(self, device: torch.device) -> SeedData:
        """The same on a device."""
        return SeedData(self.seed, *(part.to(device) for part in (self.train, self.probe, self.validation)))


def make_seed_data(data: Data, seed: int) -> SeedData:
    """Draw or read the frames of a seed, on the CPU.

    Scenes: the seed has its own for training, probe and validation. A folder: split by lists, by its folders or by the seed
    (`runner.data.splits`); the seed deals out what is held out into probe and validation, and only frames in use are read.
    """
    if data.folder is None:
        counts = (data.train, data.probe, data.validation)
        frames = scenes(seed, sum(counts), data.height, data.width, lidar=data.lidar)
        return SeedData(seed, *(frames.select(part) for part in torch.arange(sum(counts)).split(counts)))
    train, held_out = split(data, all_shots(data), seed)
    order = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(seed)).tolist()
    probe = min(data.probe, len(held_out) // 2)
    parts = (train, [held_out[i] for i in order[:probe]], [held_out[i] for i in order[probe : probe + data.validation]])
    return SeedData(seed, *(read_shots(data, part) for part in parts))


def read_shots(data: Data, shots: Sequence[Shot]) -> Frames:
    """Frames at data.height x data.width: colour by area average, depth by nearest neighbour.

    Raises:
        DataError: a file that cannot be read, or depth that no camera sees.
    """
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
        sum_ = f"values {near * scale:g} to {far * scale:g} / {scale:g} = {near:.3g} to {far:.3g} m"
        doubt = "depth_scale" if READERS[data.format].scale is None else f"format {data.format} with {scale:g} to a metre"
        raise DataError(f"{home(data)}: {sum_}; that is no scene, is {doubt} right?")
