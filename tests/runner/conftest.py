"""Small frames and settings that train in a second."""

import pytest
import torch

from runner.data import Frames, SeedData
from runner.training import Training

collect_ignore = ["pretend_device.py"]  # whose import changes the process: no doctests are looked for in it


def small_frames(count: int, seed: int, height: int = 16, width: int = 16) -> Frames:
    """Colour that tells depth: brightness falls with it. Some pixels are invalid."""
    generator = torch.Generator().manual_seed(seed)
    plane = torch.linspace(0.3, 3.0, height).view(1, 1, height, 1).expand(count, 1, height, width)
    depth = plane * (0.5 + torch.rand(count, 1, 1, 1, generator=generator))
    rgb = (1.0 / (1.0 + depth)).expand(count, 3, height, width) + 0.02 * torch.rand(
        count, 3, height, width, generator=generator
    )
    holes = torch.rand(depth.shape, generator=generator) < 0.1
    return Frames(rgb.contiguous(), torch.where(holes, 0.0, depth))


@pytest.fixture
def small_data() -> SeedData:
    return SeedData(3, small_frames(24, 1), small_frames(6, 2), small_frames(8, 3))


@pytest.fixture
def brief() -> Training:
    return Training(steps=20, batch=4, learning_rate=3e-3, evaluate_every=5)


@pytest.fixture
def real_size() -> SeedData:
    """32x48: BatchNorm averages enough values for round-off to stay round-off."""
    return SeedData(3, *(small_frames(count, seed, 32, 48) for seed, count in enumerate((48, 8, 8), start=1)))
