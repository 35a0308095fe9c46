"""Neutral training (`training.start: neutral`): the network of a seed from which all its configurations go on.

Plain L1 in ln depth, without near weight and without any fix, trained long on images of its own. Its step is that of every
training; what differs is the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import torch
from torch import Tensor

from nfloss.loss import Terms
from runner.data import SeedData
from runner.networks import CustomStack, DepthRange, NetworkClass, Networks
from runner.training.loop import History, ProgressCallback, Step
from runner.training.machine_code import stack_for
from runner.training.optimiser import RowAdam
from runner.training.precision import convolutions_in
from runner.training.training_settings import Training

MOMENTUM = 0.1  # BatchNorm's; of a configuration with another, the running statistics go on with its own
#: Whatever the experiment says of these.
NEUTRAL = {"accumulate": 1, "schedule": "cosine", "warmup": 0.05, "flip": True}
REPORTED = 50  # steps between two reports of progress


@dataclass(frozen=True)
class StartNetwork:
    """A network after its neutral training: its complete state, on the CPU.

    Between processes it goes as bytes, not as tensors in shared memory, of which containers have little.

    diverged_step: of the first loss or gradient that was not finite; None where there was none
    """

    seed: int
    state: dict[str, Tensor]
    diverged_step: int | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        buffer = BytesIO()
        torch.save(self.state, buffer)
        return of_bytes, (self.seed, buffer.getvalue(), self.diverged_step)


def of_bytes(seed: int, state: bytes, diverged_step: int | None) -> StartNetwork:
    """A start network as it arrives in another process."""
    return StartNetwork(seed, torch.load(BytesIO(state), weights_only=True), diverged_step)


class LogDepthLoss:
    """Mean |ln predicted - ln true depth| over the valid pixels of a batch, the mean of all scales; 0 without valid pixels."""

    thresholds: tuple[float, ...] = ()

    def terms(self, pred: Sequence[Tensor], gt: Sequence[Tensor], unweighted: bool = False) -> Terms:
        """Of K networks, [K]. `pred` [K, B, 1, h, w], `gt` [B, 1, h, w]: inverse depth of each scale, 1/m, 0 where invalid."""
        scales = []
        for predicted, true in zip(pred, gt, strict=True):
            valid = true > 0
            error = (predicted.log() - torch.where(valid, true, 1.0).log()).abs()
            scales.append(torch.where(valid, error, 0.0).flatten(1).sum(1) / valid.sum().clamp(min=1))
        total = torch.stack(scales).mean(0)
        return Terms(total, total, total, total.detach())


def train_neutral(
    seeds: Sequence[int],
    data: SeedData,
    settings: Training,
    depth_range: DepthRange,
    device: torch.device,
    on_progress: ProgressCallback = lambda steps, diverged: None,
    custom: NetworkClass | None = None,
) -> list[StartNetwork]:
    """Train the start networks of some seeds together: they share images and order, and differ in their initial weights.

    Args:
        data: whose training frames are used, in the order of its seed.
        settings: of the experiment; `start_steps`, `start_batch` and `start_rate` take the place of its own.
        on_progress: called every few steps.
        custom: this network instead of the built-in one; of one seed only.
    """
    neutral = neutral_settings(settings)
    networks, count = initial_networks(seeds, settings, depth_range, device, custom), len(seeds)
    history, optimiser = History.empty(neutral.steps, count, device), RowAdam(networks.parameters, count)
    advance = Step(networks, LogDepthLoss(), optimiser, data, neutral, history)
    with convolutions_in(neutral.precision):
        for done in range(1, neutral.steps + 1):
            advance()
            if done % REPORTED == 0 or done == neutral.steps:
                on_progress(done, int((history.diverged_at >= 0).sum()))
    steps = history.diverged_at.tolist()
    return [StartNetwork(seed, networks.state(k), steps[k] if steps[k] >= 0 else None) for k, seed in enumerate(seeds)]


def neutral_settings(settings: Training) -> Training:
    """The settings of a neutral training in an experiment with these."""
    own = {"steps": settings.start_steps, "batch": settings.start_batch, "learning_rate": settings.start_rate}
    return settings.model_copy(update={**own, **NEUTRAL})


def initial_networks(
    seeds: Sequence[int], settings: Training, depth_range: DepthRange, device: torch.device, custom: NetworkClass | None
) -> Networks:
    """A network for each seed, with its random initial weights."""
    if custom is not None:
        (seed,) = seeds
        return CustomStack(custom, seed, [MOMENTUM], device)
    stack = stack_for(len(seeds), device, settings)
    return stack(len(seeds), seeds, [MOMENTUM] * len(seeds), depth_range=depth_range, device=device)
