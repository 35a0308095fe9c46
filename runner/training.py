"""One readable loop: K trials of one seed together. They share images, order and initial weights, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nfloss import Configuration, Losses
from runner.data import Frames
from runner.experiment import Training
from runner.models import SCALES, DepthRange, StackedNetworks
from runner.rulers import abs_rel, all_metrics

Heartbeat = Callable[[int, int], None]  # (steps done, diverged so far)


@dataclass(frozen=True)
class SeedData:
    """What a seed's trials share: training, probe and validation frames on the device, and the order of the batches."""

    seed: int
    train: Frames
    probe: Frames
    validation: Frames

    def pyramid(self) -> list[Tensor]:
        """The training set's true inverse depth at each scale, by nearest neighbour: [N, 1, h, w] each."""
        finest = self.train.inverse_depth()
        height, width = finest.shape[-2:]
        sizes = [(height >> scale, width >> scale) for scale in range(SCALES)]
        return [F.interpolate(finest, size=size, mode="nearest") for size in sizes]

    def batches(self, steps: int, batch: int) -> np.ndarray:
        """[steps, batch] indices: one pass over the shuffled images after another."""
        rng, count = np.random.default_rng([self.seed, 0xB47C]), len(self.train)
        passes = [rng.permutation(count) for _ in range(-(-steps * batch // count))]
        return np.concatenate(passes)[: steps * batch].reshape(steps, batch)


SERIES = ("loss", "normalised_loss", "ssi", "silog", "grad_norm")


@dataclass
class History:
    """What the loop wrote down: series per step [steps, K] on the device, measurements per probe as [K] arrays."""

    series: dict[str, Tensor]
    diverged_at: Tensor  # [K], step of the first loss or gradient that was not finite; -1 for none
    probes: list[dict[str, np.ndarray]] = field(default_factory=list)
    validations: list[dict[str, np.ndarray]] = field(default_factory=list)
    bn_gap: np.ndarray | None = None
    seconds: float = 0.0

    @classmethod
    def empty(cls, steps: int, count: int, device: torch.device) -> History:
        series = {name: torch.full((steps, count), torch.nan, device=device) for name in SERIES}
        return cls(series, torch.full((count,), -1, device=device, dtype=torch.long))

    def note(self, step: int, **values: Tensor) -> None:
        """Write one step of some series, [K] each."""
        for name, value in values.items():
            self.series[name][step] = value.detach()

    def first(self, count: int) -> History:
        """The history of the first networks alone; what padded the group is left out."""

        def cut(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {name: value[:count] if value.ndim else value for name, value in values.items()}

        return replace(
            self,
            series={name: values[:, :count] for name, values in self.series.items()},
            diverged_at=self.diverged_at[:count],
            probes=[cut(probe) for probe in self.probes],
            validations=[cut(validation) for validation in self.validations],
            bn_gap=None if self.bn_gap is None else self.bn_gap[:count],
        )


def train(
    configurations: Sequence[Configuration],
    data: SeedData,
    settings: Training,
    depth_range: DepthRange,
    device: torch.device,
    heartbeat: Heartbeat = lambda steps, diverged: None,
) -> History:
    """Train one network per configuration and return what was measured."""
    started = time.monotonic()
    momenta = [c.words["bn_momentum"](c.numbers) for c in configurations]
    networks = StackedNetworks(len(configurations), data.seed, momenta, depth_range, device=device)
    losses, optimiser = Losses(configurations), RowAdam(networks.parameters, settings.learning_rate)
    history = History.empty(settings.steps, len(configurations), device)
    pyramid, order = data.pyramid(), torch.from_numpy(data.batches(settings.steps, settings.batch)).to(device)
    for step in range(settings.steps):
        epoch = step * settings.epochs // settings.steps
        losses.set_epoch(epoch, of=settings.epochs)
        images, truth = data.train.rgb[order[step]], [scale[order[step]] for scale in pyramid]
        predictions = networks(images, training=True)
        terms = losses.terms(predictions, truth, unweighted=True)
        terms.total.sum().backward()  # a sum: each network's gradient is its own loss's
        alive = watch(history, step, terms.total.detach(), networks.parameters.grad)
        optimiser.step(alive, settings.clip_norm)
        assert terms.unweighted is not None
        relative = terms.total.detach() / (terms.unweighted + 1e-8)
        history.note(step, loss=terms.total, ssi=terms.ssi, silog=terms.silog, normalised_loss=relative)
        if (step + 1) % settings.evaluate_every == 0 or step + 1 == settings.steps:
            last_tenth = step + 1 > settings.steps * 0.9
            batch = batch_errors(predictions[0].detach(), truth[0], depth_range)
            measure(history, networks, data, step, epoch, losses, batch, last_tenth)
            optimiser.freeze(history.diverged_at >= 0)
            heartbeat(step + 1, int((history.diverged_at >= 0).sum()))
    history.bn_gap = batch_norm_gap(networks, data.validation)
    history.seconds = time.monotonic() - started
    return history


def watch(history: History, step: int, total: Tensor, gradient: Tensor | None) -> Tensor:
    """Note gradient norms and first divergences; True [K] for the networks that still train. No synchronisation."""
    assert gradient is not None
    norm = gradient.norm(dim=1)
    history.note(step, grad_norm=norm)
    broken = ~(torch.isfinite(total) & torch.isfinite(norm)) & (history.diverged_at < 0)
    history.diverged_at = torch.where(broken, step, history.diverged_at)
    return history.diverged_at < 0


class RowAdam:
    """Adam on the rows of one matrix [K, D], a parameter each: clipped by its own norm, frozen by its own divergence."""

    def __init__(self, parameters: Tensor, learning_rate: float) -> None:
        self.parameters = parameters
        self.rows = [row.detach().requires_grad_() for row in parameters.detach().unbind(0)]
        self.frozen = [False] * len(self.rows)
        self.adam = torch.optim.Adam(self.rows, lr=learning_rate, fused=True)

    def step(self, alive: Tensor, clip_norm: float) -> None:
        """One step for the rows alive; a dead row's gradient is replaced by zeros until `freeze` leaves it out altogether."""
        gradient = self.parameters.grad
        assert gradient is not None
        scale = (clip_norm / (gradient.norm(dim=1) + 1e-6)).clamp(max=1.0)  # as torch.nn.utils.clip_grad_norm_
        safe = torch.where(alive.unsqueeze(1), gradient * scale.unsqueeze(1), 0.0)
        for row, frozen, row_gradient in zip(self.rows, self.frozen, safe.unbind(0), strict=True):
            row.grad = None if frozen else row_gradient
        self.adam.step()
        self.parameters.grad = None

    def freeze(self, dead: Tensor) -> None:
        """From now on leave these rows as they are."""
        self.frozen = [bool(d) for d in dead.tolist()]


@torch.no_grad()
def measure(
    history: History,
    networks: StackedNetworks,
    data: SeedData,
    step: int,
    epoch: int,
    losses: Losses,
    batch: dict[str, np.ndarray],
    validate: bool,
) -> None:
    """Evaluate on the probe, and on the validation set where asked."""
    errors = abs_rel(predicted_depth(networks, data.probe), data.probe.depth)
    probe = {f"probe_{which}_abs_rel": value.cpu().numpy() for which, value in errors.items()}
    threshold = np.array(losses.thresholds)
    history.probes.append({"step": np.array(step + 1), "epoch": np.array(epoch), "threshold": threshold, **probe, **batch})
    if validate:
        values = all_metrics(predicted_depth(networks, data.validation), data.validation.depth)
        history.validations.append({name: value.cpu().numpy() for name, value in values.items()})


def predicted_depth(networks: StackedNetworks, frames: Frames, chunk: int = 32, training: bool = False) -> Tensor:
    """Depth in metres [K, N, 1, H, W], the running statistics used and left alone."""
    pieces = frames.rgb.split(chunk)
    depths = [1.0 / networks(rgb, training=training, update_statistics=False)[0] for rgb in pieces]
    return torch.cat(depths, dim=1)


def batch_errors(prediction: Tensor, truth: Tensor, depth_range: DepthRange) -> dict[str, np.ndarray]:
    """Fix 7-1's series on the training batch: near share, and mean |error| in metres near and far."""
    depth = torch.where(truth > 0, 1.0 / truth.clamp(min=1.0 / depth_range.farthest), 0.0)
    error = (1.0 / prediction - depth).abs().flatten(1)
    valid, near = (truth > 0).flatten(), ((depth > 0) & (depth < 1.0)).flatten()
    far = valid & ~near
    near_error = (error * near).sum(1) / near.sum()
    far_error = (error * far).sum(1) / far.sum()
    return {
        "near_share": (near.sum() / valid.sum()).cpu().numpy(),
        "batch_near_error": near_error.cpu().numpy(),
        "batch_far_error": far_error.cpu().numpy(),
    }


@torch.no_grad()
def batch_norm_gap(networks: StackedNetworks, validation: Frames) -> np.ndarray:
    """Validation near AbsRel with running statistics / with batch statistics (batches of 8), [K]."""
    running = abs_rel(predicted_depth(networks, validation), validation.depth)["near"]
    batch = abs_rel(predicted_depth(networks, validation, chunk=8, training=True), validation.depth)["near"]
    return (running / batch).cpu().numpy()
