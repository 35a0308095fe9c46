"""Learning rates and batches as a user would write them, with PyTorch's own schedulers: training is compared with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    SequentialLR,
)

from nfloss import Configuration, Losses
from runner.data import Frames, SeedData
from runner.networks import Networks
from runner.training import Training
from runner.training.loop import History, Step
from runner.training.optimiser import RowAdam


def scheduler(optimiser: Optimizer, settings: Training) -> LRScheduler:
    """The schedule of the settings, for an optimiser with their peak rate."""
    steps, warm = settings.steps, round(settings.warmup * settings.steps)
    rise = LinearLR(optimiser, 1 / (warm + 1), total_iters=warm)
    if settings.schedule == "cosine":
        return SequentialLR(optimiser, [rise, CosineAnnealingLR(optimiser, steps - warm)], [warm])
    drops = [-(-60 * steps // 100), -(-85 * steps // 100)] if settings.schedule == "step" else []
    return ChainedScheduler([rise, MultiStepLR(optimiser, drops, gamma=0.1)], optimiser)


def batches(data: SeedData, settings: Training) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and true inverse depth of each batch at full size, frame by frame, some with their columns reversed."""
    order = data.batches(settings.steps, settings.batch).tolist()
    mirrored = data.mirrored(settings.steps, settings.batch).tolist()
    truth, last = data.train.inverse_depth(), data.train.rgb.shape[-1] - 1
    backwards = [last - column for column in range(last + 1)]
    for batch, turned in zip(order, mirrored, strict=True):
        chosen = [(i, backwards if settings.flip and one else slice(None)) for i, one in zip(batch, turned, strict=True)]
        images, inverse = (
            torch.stack([values[i][..., columns] for i, columns in chosen]) for values in (data.train.rgb, truth)
        )
        yield images, inverse


def take_steps(networks: Networks, configurations: Sequence[Configuration], data: SeedData, settings: Training) -> Step:
    """Train networks by the steps of training, an epoch at each; returns the step, after the last."""
    losses, history = Losses(configurations), History.empty(settings.steps, len(configurations), data.train.rgb.device)
    step = Step(networks, losses, RowAdam(networks.parameters, len(configurations)), data, settings, history)
    for number in range(settings.steps):
        losses.set_epoch(number, of=settings.steps)
        step()
    return step


def in_float64(data: SeedData) -> SeedData:
    parts = {name: getattr(data, name) for name in ("train", "probe", "validation")}
    return replace(data, **{name: Frames(part.rgb.double(), part.depth.double()) for name, part in parts.items()})
