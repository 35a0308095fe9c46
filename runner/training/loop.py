"""The training loop: K trials of one seed together. They share images, order and initial weights, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nfloss import Configuration, Losses
from nfloss.loss import Terms
from runner.data import Frames, SeedData
from runner.networks import CustomStack, DepthRange, NetworkClass, Networks, at_size
from runner.training.checkpoints import Checkpoint, CheckpointTracker
from runner.training.cuda_graphs import Captured
from runner.training.evaluations import evaluated, validated
from runner.training.machine_code import stack_for, summing_for
from runner.training.metrics import abs_rel, all_metrics, rulers
from runner.training.optimiser import RowAdam, on_device
from runner.training.precision import convolutions_in, forward_in
from runner.training.schedule import learning_rates
from runner.training.training_settings import Training

EVALUATED = 8  # frames at once; the batch size where BatchNorm's gap is measured
ProgressCallback = Callable[[int, int], None]  # (steps done, diverged so far)
SERIES = ("loss", "normalised_loss", "ssi", "silog", "grad_norm")
BATCH_SERIES = ("near_share", "batch_near_error", "batch_far_error")


@dataclass
class History:
    """What was measured: series per step [steps, K] on the device, evaluations as [M] arrays.

    `for_evaluations` repeats the columns of networks that several configurations share: [steps, M], [M].
    """

    series: dict[str, Tensor]
    diverged_at: Tensor  # [K], step of the first loss or gradient that was not finite; -1 for none
    probes: list[dict[str, np.ndarray]] = field(default_factory=list)
    validations: list[dict[str, np.ndarray]] = field(default_factory=list)
    bn_gap: np.ndarray | None = None
    predicted: Tensor | None = None  # depth of the validation frames at the last evaluation, metres, [M, N, 1, H, W]
    seconds: float = 0.0
    checkpoints: list[dict[str, Checkpoint]] = field(default_factory=list)  # of each configuration: "best", "last"

    @classmethod
    def empty(cls, steps: int, count: int, device: torch.device) -> History:
        series = {name: torch.full((steps, count), torch.nan, device=device) for name in SERIES}
        return cls(series, torch.full((count,), -1, device=device, dtype=torch.long))

    def write(self, at: Tensor, **values: Tensor) -> None:
        """Write values [K] of some series at step `at` [1]."""
        for name, value in values.items():
            self.series[name].index_copy_(0, at, value.detach().to(torch.float32).unsqueeze(0))

    def for_evaluations(self, networks: Networks) -> History:
        series = {name: networks.for_evaluations(values.T).T for name, values in self.series.items()}
        return replace(self, series=series, diverged_at=networks.for_evaluations(self.diverged_at))


class TrainingLoss(Protocol):
    """What networks are trained with (`nfloss.Losses`, or that of neutral training)."""

    @property
    def thresholds(self) -> tuple[float, ...]: ...

    def terms(self, pred: Sequence[Tensor], gt: Sequence[Tensor], *, unweighted: bool) -> Terms: ...


class Step:
    """One step of training, on the same tensors every time and without synchronising with the host: a GPU never waits."""

    def __init__(
        self, networks: Networks, losses: TrainingLoss, optimiser: RowAdam, data: SeedData, settings: Training, history: History
    ) -> None:
        self.networks, self.losses, self.optimiser, self.history = networks, losses, optimiser, history
        self.settings, self.rgb, self.inverse_depth = settings, data.train.rgb, data.train.inverse_depth()
        self.sizes, device = networks.scale_sizes(self.rgb.shape[-2], self.rgb.shape[-1]), self.rgb.device
        self.order = torch.from_numpy(data.batches(settings.steps, settings.batch)).to(device)
        self.mirrored = torch.from_numpy(data.mirrored(settings.steps, settings.batch) & settings.flip).to(device)
        self.rates = on_device(learning_rates(settings), device)
        self.at = torch.zeros(1, dtype=torch.long, device=device)
        self.precision = forward_in(settings.precision, device)
        self.prediction = self.truth = torch.empty(0)  # of the last step, finest scale

    def __call__(self) -> None:
        of_step = (table.index_select(0, self.at)[0] for table in (self.order, self.mirrored))
        batches, mirrored = (of_batch.chunk(self.settings.accumulate) for of_batch in of_step)
        parts = [self.backward(*part) for part in zip(batches, mirrored, strict=True)]
        terms, self.prediction, self.truth = parts[0] if len(parts) == 1 else self.joined(parts)
        norm = self.optimiser.norm()
        alive = watch(self.history, self.at, terms.total.detach(), norm)
        self.optimiser.step(alive, norm, self.settings.clip_norm, self.rates.index_select(0, self.at))
        assert terms.unweighted is not None
        relative = terms.total / (terms.unweighted + 1e-8)
        self.history.write(self.at, loss=terms.total, ssi=terms.ssi, silog=terms.silog, normalised_loss=relative)
        self.at += 1

    def frames(self, batch: Tensor, mirrored: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Images [B, 3, H, W] of a batch, and their true inverse depth [B, 1, h, w] at each of the networks' scales.

        Those that are `mirrored` [B] are so at full size, before the truth is resized (by nearest neighbour): a pixel of a
        coarser scale is then that of the mirrored frame, whether widths are even or odd.
        """
        whole = [values.index_select(0, batch) for values in (self.rgb, self.inverse_depth)]
        images, truth = (torch.where(mirrored.view(-1, 1, 1, 1), values.flip(-1), values) for values in whole)
        return images, [F.interpolate(truth, size=size, mode="nearest") for size in self.sizes]

    def backward(self, batch: Tensor, mirrored: Tensor) -> tuple[Terms, Tensor, Tensor]:
        """Add the gradients of a batch; returns its loss terms, and the prediction and truth at the finest scale."""
        images, truth = self.frames(batch, mirrored)
        with self.precision:
            predictions = self.networks(images, training=True)
        terms = self.losses.terms(predictions, truth, unweighted=True)
        terms.total.sum().backward()  # in the sum, each network's gradient is that of its own loss
        return terms, predictions[0].detach(), truth[0]

    def joined(self, parts: Sequence[tuple[Terms, Tensor, Tensor]]) -> tuple[Terms, Tensor, Tensor]:
        """The parts of a batch as one: means of gradients and loss terms; predictions and truths concatenated.

        Gradients are divided at the end: a fix that clamps them in the backward pass must see them at full size.
        """
        assert self.networks.parameters.grad is not None
        self.networks.parameters.grad /= len(parts)
        terms, predictions, truths = zip(*parts, strict=True)
        means = {part.name: torch.stack([getattr(t, part.name).detach() for t in terms]).mean(0) for part in fields(Terms)}
        return Terms(**means), torch.cat(predictions, dim=1), torch.cat(truths)

    @property
    def decided(self) -> tuple[object, ...]:
        """What Python code decides for the next step; while it stays the same, every step runs the same kernels."""
        return self.losses.thresholds, tuple(self.optimiser.frozen)


def train(
    configurations: Sequence[Configuration],
    data: SeedData,
    settings: Training,
    depth_range: DepthRange,
    device: torch.device,
    on_progress: ProgressCallback = lambda steps, diverged: None,
    size: int | None = None,
    custom: NetworkClass | None = None,
    start: Mapping[str, Tensor] | None = None,
) -> History:
    """Train the configurations' networks together and return what was measured, a column a configuration.

    Configurations that differ in BatchNorm's momentum alone share a built-in network.

    Args:
        on_progress: called after each evaluation.
        size: the number of networks, filled up with copies of the first: the last bits of a result depend on it.
        custom: each configuration trains a copy of this network instead, one after another; `size` is then ignored.
        start: the state that all networks go on from, which is evaluated first, as step 0; None: random initial weights.
    """
    started = time.monotonic()
    momenta = [c.choices["bn_momentum"](c.numbers) for c in configurations]
    networks: Networks
    if custom is None:
        trained, network_of = distinct_trainings(configurations)
        trained += trained[:1] * ((size or 0) - len(trained))
        stack = stack_for(len(trained), device, settings)
        networks = stack(len(trained), data.seed, momenta, network_of, depth_range, device=device)
    else:
        trained, networks = list(configurations), CustomStack(custom, data.seed, momenta, device)
    tracker = CheckpointTracker(networks, settings.checkpoints, len(configurations))
    losses = Losses(trained, summing_for(device, settings))
    optimiser = RowAdam(networks.parameters, len(trained))
    history = History.empty(settings.steps, len(trained), device)
    one_step = Step(networks, losses, optimiser, data, settings, history)
    advance = Captured(one_step) if settings.cuda_graphs and device.type == "cuda" else one_step
    on_probe, on_validation = set(evaluated(settings)), set(validated(settings))
    with convolutions_in(settings.precision):
        if start is not None:
            networks.load_state(start)
            losses.set_epoch(0, of=settings.epochs)
            evaluate(history, networks, data, training_state(one_step, 0, 0, depth_range), validate=False)
        for done in range(1, settings.steps + 1):
            epoch = (done - 1) * settings.epochs // settings.steps
            losses.set_epoch(epoch, of=settings.epochs)
            advance()
            if done in on_probe:
                evaluate(history, networks, data, training_state(one_step, done, epoch, depth_range), done in on_validation)
                optimiser.freeze(history.diverged_at >= 0)
                diverged = networks.for_evaluations(history.diverged_at) >= 0
                tracker.update(history.probes[-1], diverged)
                on_progress(done, int(diverged.sum()))
        with torch.no_grad():
            assert history.predicted is not None
            history.bn_gap = batch_norm_gap(networks, data.validation, history.predicted)
    history.checkpoints = tracker.checkpoints()
    history.seconds = time.monotonic() - started
    return history.for_evaluations(networks)


def training_state(step: Step, number: int, epoch: int, depth_range: DepthRange) -> dict[str, np.ndarray]:
    """What an evaluation records of the training itself: step, epoch, learning rate, and [M] values of the last batch.

    Rate and batch are NaN before the first step."""
    thresholds = torch.tensor(step.losses.thresholds, dtype=torch.float64, device=step.rgb.device)
    if number:
        per_network, rate = batch_errors(step.prediction, step.truth, depth_range), learning_rates(step.settings)[number - 1]
    else:
        per_network, rate = dict.fromkeys(BATCH_SERIES, torch.full_like(thresholds, torch.nan, dtype=torch.float32)), np.nan
    per_network["threshold"] = thresholds
    evaluations = {name: step.networks.for_evaluations(value).cpu().numpy() for name, value in per_network.items()}
    return {"step": np.array(number), "epoch": np.array(epoch), "learning_rate": np.array(rate), **evaluations}


def distinct_trainings(configurations: Sequence[Configuration]) -> tuple[list[Configuration], list[int]]:
    """The networks to train, and the index of each configuration's network."""
    place: dict[Configuration, int] = {}
    network_of = [place.setdefault(c.trained(), len(place)) for c in configurations]
    return list(place), network_of


def watch(history: History, at: Tensor, total: Tensor, norm: Tensor) -> Tensor:
    """Write gradient norms and steps of divergence, without synchronisation; True [K] for networks that still train."""
    history.write(at, grad_norm=norm)
    broken = ~(torch.isfinite(total) & torch.isfinite(norm)) & (history.diverged_at < 0)
    history.diverged_at.copy_(torch.where(broken, at, history.diverged_at))
    return history.diverged_at < 0


@torch.no_grad()
def evaluate(history: History, networks: Networks, data: SeedData, known: dict[str, np.ndarray], validate: bool) -> None:
    """Evaluate on the probe, stored together with `known`, and if `validate` on the validation frames."""
    errors = rulers(predicted_depth(networks, data.probe), data.probe.depth)
    probe = {f"probe_{name}": value.cpu().numpy() for name, value in errors.items()}
    history.probes.append({**known, **probe})
    if validate:
        history.predicted = None  # freed first: both at once would waste memory
        history.predicted = predicted_depth(networks, data.validation)
        values = all_metrics(history.predicted, data.validation.depth)
        history.validations.append({name: value.cpu().numpy() for name, value in values.items()})


def predicted_depth(networks: Networks, frames: Frames, training: bool = False) -> Tensor:
    """Depth in metres of every evaluation, [M, N, 1, H, W], by the running statistics, or in `training` by those of each
    EVALUATED frames. Neither changes the statistics. Few frames at a time need no more memory than a step of training."""
    pieces = [1.0 / at_size(networks(rgb, training, False)[0], rgb) for rgb in frames.rgb.split(EVALUATED)]
    depth = torch.cat(pieces, dim=1)
    return networks.for_evaluations(depth) if training else depth


def batch_errors(prediction: Tensor, truth: Tensor, depth_range: DepthRange) -> dict[str, Tensor]:
    """The series of fix 7-1 on the training batch, [K] each: near share, and mean |error| in metres near and far."""
    depth = torch.where(truth > 0, 1.0 / truth.clamp(min=1.0 / depth_range.farthest), 0.0)
    error = (1.0 / prediction - depth).abs().flatten(1)
    valid, near = (truth > 0).flatten(), ((depth > 0) & (depth < 1.0)).flatten()
    far = valid & ~near
    near_error = (error * near).sum(1) / near.sum()
    far_error = (error * far).sum(1) / far.sum()
    return {
        "near_share": (near.sum() / valid.sum()).expand(len(error)),
        "batch_near_error": near_error,
        "batch_far_error": far_error,
    }


def batch_norm_gap(networks: Networks, validation: Frames, predicted: Tensor) -> np.ndarray:
    """Near AbsRel on the validation frames, [M]: by running statistics (`predicted`), divided by that with batch statistics."""
    running = abs_rel(predicted, validation.depth)["near"]
    batch = abs_rel(predicted_depth(networks, validation, training=True), validation.depth)["near"]
    return (running / batch).cpu().numpy()
