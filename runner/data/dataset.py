"""From an experiment's data section to the frames of one seed: training, probe and validation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from runner.data import DataError, Frames, read_splits, scenes
from runner.data.settings import Data
from runner.networks.protocol import Networks


def make_seed_data(data: Data, seed: int, device: torch.device) -> SeedData:
    """The frames of a seed on the device. Scenes: its own for training, probe and validation each. A folder with
    train/ trains every seed on the same frames; one without is dealt out by the seed. So are probe and validation frames."""
    if data.folder is None:
        train, probe, validation = scene_frames(data, seed)
    else:
        train, probe, validation = folder_frames(data, seed)
    return SeedData(seed, train.to(device), probe.to(device), validation.to(device))


def scene_frames(data: Data, seed: int) -> tuple[Frames, Frames, Frames]:
    count = data.train + data.probe + data.validation
    frames = scenes(seed, count, data.height, data.width, lidar=data.lidar)
    return tuple(frames.select(part) for part in torch.arange(count).split([data.train, data.probe, data.validation]))  # type: ignore[return-value]


def folder_frames(data: Data, seed: int) -> tuple[Frames, Frames, Frames]:
    assert data.folder is not None and data.depth_scale is not None
    train, held_out = read_splits(Path(data.folder), data.depth_scale, data.height, data.width, seed=seed)
    if len(held_out) < 2:
        raise DataError(f"{data.folder}: {len(held_out)} validation frames; at least 2 are needed, for probe and validation")
    order = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(seed))
    probe = min(data.probe, len(held_out) // 2)
    return train, held_out.select(order[:probe]), held_out.select(order[probe : probe + data.validation])


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
