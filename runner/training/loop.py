"""One readable loop: K trials of one seed together. They share images, order and initial weights, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch
from torch import Tensor

from nfloss import Configuration, Losses
from nfloss.loss import Terms
from runner.data import Frames
from runner.data.dataset import SeedData
from runner.networks.custom import NetworkClass
from runner.networks.custom_stack import OwnNetworks
from runner.networks.protocol import Networks, at_size
from runner.networks.stacked import DepthRange
from runner.training.checkpoints import Checkpoint, Keeper
from runner.training.cuda_graphs import Captured
from runner.training.machine_code import stack_for, summing_for
from runner.training.metrics import abs_rel, all_metrics
from runner.training.optimiser import RowAdam
from runner.training.precision import convolutions_in, forward_in
from runner.training.settings import Training

EVALUATED = 8  # frames at once, a batch to BatchNorm where its gap is measured
Heartbeat = Callable[[int, int], None]  # (steps done, diverged so far)


SERIES = ("loss", "normalised_loss", "ssi", "silog", "grad_norm")


@dataclass
class History:
    """What the loop wrote down: series per step [steps, K] on the device, measurements per probe as [M] arrays.

    `read_by` turns the networks' columns into those of the configurations that read them: [steps, M], [M].
    """

    series: dict[str, Tensor]
    diverged_at: Tensor  # [K], step of the first loss or gradient that was not finite; -1 for none
    probes: list[dict[str, np.ndarray]] = field(default_factory=list)
    validations: list[dict[str, np.ndarray]] = field(default_factory=list)
    bn_gap: np.ndarray | None = None
    predicted: Tensor | None = None  # depth of the validation frames when last looked at, metres, [M, N, 1, H, W]
    seconds: float = 0.0
    checkpoints: list[dict[str, Checkpoint]] = field(default_factory=list)  # of each configuration, "best" and "last"

    @classmethod
    def empty(cls, steps: int, count: int, device: torch.device) -> History:
        series = {name: torch.full((steps, count), torch.nan, device=device) for name in SERIES}
        return cls(series, torch.full((count,), -1, device=device, dtype=torch.long))

    def note(self, at: Tensor, **values: Tensor) -> None:
        """Write the step `at` [1] of some series, [K] each."""
        for name, value in values.items():
            self.series[name].index_copy_(0, at, value.detach().to(torch.float32).unsqueeze(0))

    def read_by(self, networks: Networks) -> History:
        series = {name: networks.read(values.T).T for name, values in self.series.items()}
        return replace(self, series=series, diverged_at=networks.read(self.diverged_at))


class Step:
    """One step of training: the same tensors in and out every time, and no word to the host, so that a GPU never waits."""

    def __init__(
        self,
        networks: Networks,
        losses: Losses,
        optimiser: RowAdam,
        data: SeedData,
        settings: Training,
        history: History,
    ) -> None:
        self.networks, self.losses, self.optimiser, self.history = networks, losses, optimiser, history
        self.settings, self.rgb, self.pyramid = settings, data.train.rgb, data.pyramid(networks)
        device = self.rgb.device
        self.order = torch.from_numpy(data.batches(settings.steps, settings.batch)).to(device)
        self.at = torch.zeros(1, dtype=torch.long, device=device)
        self.precision = forward_in(settings.precision, device)
        self.prediction = self.truth = torch.empty(0)  # of the last step, at the finest scale

    def __call__(self) -> None:
        batch = self.order.index_select(0, self.at)[0]
        parts = [self.backward(part) for part in batch.split(-(-len(batch) // self.settings.accumulate))]
        terms, self.prediction, self.truth = parts[0] if len(parts) == 1 else self.joined(parts)
        norm = self.optimiser.norm()
        alive = watch(self.history, self.at, terms.total.detach(), norm)
        self.optimiser.step(alive, norm, self.settings.clip_norm)
        assert terms.unweighted is not None
        relative = terms.total / (terms.unweighted + 1e-8)
        self.history.note(self.at, loss=terms.total, ssi=terms.ssi, silog=terms.silog, normalised_loss=relative)
        self.at += 1

    def backward(self, batch: Tensor) -> tuple[Terms, Tensor, Tensor]:
        """Add a batch's gradients; gives its terms, and the finest scale's prediction and truth."""
        images, truth = self.rgb.index_select(0, batch), [scale.index_select(0, batch) for scale in self.pyramid]
        with self.precision:
            predictions = self.networks(images, training=True)
        terms = self.losses.terms(predictions, truth, unweighted=True)
        terms.total.sum().backward()  # a sum: each network's gradient is its own loss's
        return terms, predictions[0].detach(), truth[0]

    def joined(self, parts: Sequence[tuple[Terms, Tensor, Tensor]]) -> tuple[Terms, Tensor, Tensor]:
        """Micro-batches as one: the means of gradients and terms, predictions and truths one after another.

        Gradients are divided here and not on their way, where a fix that clamps them would see them smaller.
        """
        assert self.networks.parameters.grad is not None
        self.networks.parameters.grad /= len(parts)
        terms, predictions, truths = zip(*parts, strict=True)
        means = {part.name: torch.stack([getattr(t, part.name).detach() for t in terms]).mean(0) for part in fields(Terms)}
        return Terms(**means), torch.cat(predictions, dim=1), torch.cat(truths)

    @property
    def decided(self) -> tuple[object, ...]:
        """What Python has decided for the next step; while this stays, every step runs the same kernels."""
        return self.losses.thresholds, tuple(self.optimiser.frozen)


def train(
    configurations: Sequence[Configuration],
    data: SeedData,
    settings: Training,
    depth_range: DepthRange,
    device: torch.device,
    heartbeat: Heartbeat = lambda steps, diverged: None,
    size: int | None = None,
    own: NetworkClass | None = None,
) -> History:
    """Train the configurations' networks together and return what was measured, a column each.

    Configurations that differ in BatchNorm's momentum alone share a network. With `size`, that many networks are trained,
    the first one's copies making up the number: the last bits of a result depend on how many are trained together.
    The user's `own` networks are trained one each, run one after another; `size` does not matter to them.
    """
    started = time.monotonic()
    momenta = [c.choices["bn_momentum"](c.numbers) for c in configurations]
    networks: Networks
    if own is None:
        trained, network_of = distinct_trainings(configurations)
        trained += trained[:1] * ((size or 0) - len(trained))
        stack = stack_for(len(trained), device, settings)
        networks = stack(len(trained), data.seed, momenta, network_of, depth_range, device=device)
    else:
        trained, networks = list(configurations), OwnNetworks(own, data.seed, momenta, device)
    keeper = Keeper(networks, settings.checkpoints, len(configurations))
    losses = Losses(trained, summing_for(device, settings))
    optimiser = RowAdam(networks.parameters, settings.learning_rate, len(trained))
    history = History.empty(settings.steps, len(trained), device)
    one_step = Step(networks, losses, optimiser, data, settings, history)
    advance = Captured(one_step) if settings.cuda_graphs and device.type == "cuda" else one_step
    with convolutions_in(settings.precision):
        for step in range(settings.steps):
            epoch = step * settings.epochs // settings.steps
            losses.set_epoch(epoch, of=settings.epochs)
            advance()
            if (step + 1) % settings.evaluate_every == 0 or step + 1 == settings.steps:
                last_tenth = step + 1 > settings.steps * 0.9
                measure(history, networks, data, training_state(one_step, step + 1, epoch, depth_range), last_tenth)
                optimiser.freeze(history.diverged_at >= 0)
                diverged = networks.read(history.diverged_at) >= 0
                keeper.look(history.probes[-1], diverged)
                heartbeat(step + 1, int(diverged.sum()))
        with torch.no_grad():
            assert history.predicted is not None
            history.bn_gap = batch_norm_gap(networks, data.validation, history.predicted)
    history.checkpoints = keeper.kept()
    history.seconds = time.monotonic() - started
    return history.read_by(networks)


def training_state(step: Step, number: int, epoch: int, depth_range: DepthRange) -> dict[str, np.ndarray]:
    """What a probe notes of the training itself, [M] each but for the step and epoch."""
    of_networks = batch_errors(step.prediction, step.truth, depth_range)
    of_networks["threshold"] = torch.tensor(step.losses.thresholds, dtype=torch.float64, device=step.truth.device)
    readings = {name: step.networks.read(value).cpu().numpy() for name, value in of_networks.items()}
    return {"step": np.array(number), "epoch": np.array(epoch), **readings}


def distinct_trainings(configurations: Sequence[Configuration]) -> tuple[list[Configuration], list[int]]:
    """The networks to train, and which of them each configuration reads."""
    place: dict[Configuration, int] = {}
    network_of = [place.setdefault(c.trained(), len(place)) for c in configurations]
    return list(place), network_of


def watch(history: History, at: Tensor, total: Tensor, norm: Tensor) -> Tensor:
    """Note gradient norms and first divergences; True [K] for the networks that still train. No synchronisation."""
    history.note(at, grad_norm=norm)
    broken = ~(torch.isfinite(total) & torch.isfinite(norm)) & (history.diverged_at < 0)
    history.diverged_at.copy_(torch.where(broken, at, history.diverged_at))
    return history.diverged_at < 0


@torch.no_grad()
def measure(history: History, networks: Networks, data: SeedData, known: dict[str, np.ndarray], validate: bool) -> None:
    """Evaluate on the probe, noted with what is known of the step already, and on the validation set where asked."""
    errors = abs_rel(predicted_depth(networks, data.probe), data.probe.depth)
    probe = {f"probe_{which}_abs_rel": value.cpu().numpy() for which, value in errors.items()}
    history.probes.append({**known, **probe})
    if validate:
        history.predicted = None  # two of them at once would be a waste of memory
        history.predicted = predicted_depth(networks, data.validation)
        values = all_metrics(history.predicted, data.validation.depth)
        history.validations.append({name: value.cpu().numpy() for name, value in values.items()})


def predicted_depth(networks: Networks, frames: Frames, training: bool = False) -> Tensor:
    """Depth in metres of every reading [M, N, 1, H, W], the running statistics used (or, `training`, those of batches of
    EVALUATED) and left alone. Few frames at a time: nothing is larger than what a step of training needs."""
    pieces = [1.0 / at_size(networks(rgb, training, False)[0], rgb) for rgb in frames.rgb.split(EVALUATED)]
    depth = torch.cat(pieces, dim=1)
    return networks.read(depth) if training else depth


def batch_errors(prediction: Tensor, truth: Tensor, depth_range: DepthRange) -> dict[str, Tensor]:
    """Fix 7-1's series on the training batch: near share, and mean |error| in metres near and far, [K]."""
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
    """Validation near AbsRel with running statistics (`predicted`) / with batch statistics (batches of 8), [M]."""
    running = abs_rel(predicted, validation.depth)["near"]
    batch = abs_rel(predicted_depth(networks, validation, training=True), validation.depth)["near"]
    return (running / batch).cpu().numpy()
