"""The plain loop that a user would write: one network, one configuration, PyTorch's defaults, the loss as the document has it.

It does what nfloss records of each trial that a user would look at: loss and gradient norm of every step, the rulers on the
probe at every evaluation, all metrics on the validation set in the last fifth. Left out, in its favour: the unweighted loss of
every step, symptoms, and the BatchNorm gap.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import code_paths  # noqa: F401
import torch
import torch.nn.functional as F
from oracle import DOCUMENT_NUMBERS, depth_of, threshold_at, unweighted_loss, weighted_parts
from plain_network import PlainNetwork
from plain_training import scheduler
from torch import Tensor
from trial_spec import SEED, Spec, Trial, Trials

from nfloss import Configuration
from runner.data import Frames, SeedData, make_seed_data
from runner.networks.stacked import DepthRange, initial_parameters, layers
from runner.training import DECIDING, Training, all_metrics, evaluated, rulers, validated


def train_plain(fixes: Sequence[str], data: SeedData, settings: Training) -> dict[str, Any]:
    """One trial: losses and gradient norms per step, errors per probe and validation, and when it began and ended."""
    began = time.time()
    network = initial_network(fixes, data.seed).to(data.train.rgb.device)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    schedule = scheduler(optimiser, settings)
    on_probe, on_validation = set(evaluated(settings)), set(validated(settings))
    losses, norms, probes, validations = list[float](), list[float](), list[dict[str, float]](), list[dict[str, float]]()
    for step, (images, truth) in enumerate(batches(data, settings)):
        threshold = threshold_at(fixes, DOCUMENT_NUMBERS, step * settings.epochs // settings.steps, settings.epochs)
        loss = document_loss(fixes, network(images), truth, threshold)
        optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        norms.append(norm.item())
        if step + 1 in on_probe:
            probes.append(probe_errors(network, data.probe))
        if step + 1 in on_validation:
            validations.append(validation_errors(network, data.validation))
    curve = means_between_probes(losses, settings.evaluate_every)
    measured = {"losses": losses, "grad_norms": norms, "probes": probes, "validations": validations, "curve": curve}
    return {**measured, "began": began, "ended": time.time()}


def batches(data: SeedData, settings: Training) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and true inverse depth of each batch, some mirrored."""
    frames = data.train.rgb, data.train.inverse_depth()
    order = torch.from_numpy(data.batches(settings.steps, settings.batch))
    mirrored = torch.from_numpy(data.mirrored(settings.steps, settings.batch) & settings.flip).to(frames[0].device)
    for batch, turned in zip(order, mirrored, strict=True):
        images, truth = (values[batch] for values in frames)
        where = turned.view(-1, 1, 1, 1)
        yield torch.where(where, images.flip(-1), images), torch.where(where, truth.flip(-1), truth)


def initial_network(fixes: Sequence[str], seed: int) -> PlainNetwork:
    """The network that nfloss begins with from this seed, with the BatchNorm momentum that the fixes ask for."""
    configuration = Configuration.of(*fixes)
    network = PlainNetwork(configuration.choices["bn_momentum"](configuration.numbers))
    network.load_row(initial_parameters(layers(), seed, DepthRange()))
    return network


def document_loss(fixes: Sequence[str], predictions: Sequence[Tensor], truth: Tensor, threshold: float) -> Tensor:
    """Mean over the scales of the document's loss; truth and its depth are resized by nearest neighbour."""
    totals, n = list[Tensor](), DOCUMENT_NUMBERS
    for prediction in predictions:
        gt = F.interpolate(truth, size=prediction.shape[-2:])  # nearest neighbour
        valid = torch.isfinite(gt) & (gt > 0)
        shown = F.interpolate(depth_of(truth), size=prediction.shape[-2:]) if "10-2" in fixes else depth_of(gt)
        parts = weighted_parts(fixes, prediction, gt, valid, shown, threshold, n)
        total = torch.stack([loss for loss, _ in parts]).sum()
        if "4-2" in fixes and not torch.isfinite(total):
            total = unweighted_loss(prediction, gt, valid, n)
        totals.append(total)
    return torch.stack(totals).mean()


@torch.no_grad()
def predicted_depth(network: PlainNetwork, frames: Frames) -> Tensor:
    """[1, N, 1, H, W], as the rulers take it; by running statistics."""
    network.eval()
    depth = torch.cat([1.0 / network(rgb)[0] for rgb in frames.rgb.split(32)])
    network.train()
    return depth.unsqueeze(0)


def probe_errors(network: PlainNetwork, frames: Frames) -> dict[str, float]:
    return {name: value.item() for name, value in rulers(predicted_depth(network, frames), frames.depth).items()}


def validation_errors(network: PlainNetwork, frames: Frames) -> dict[str, float]:
    return {name: value.item() for name, value in all_metrics(predicted_depth(network, frames), frames.depth).items()}


def means_between_probes(losses: Sequence[float], every: int) -> list[float]:
    """Mean loss of the steps that lead to each probe, as nfloss records it."""
    return [fmean(losses[start : start + every]) for start in range(0, len(losses), every)]


def compared(trained: dict[str, Any]) -> dict[str, Any]:
    """Of what `train_plain` gives, what is compared between contenders."""
    return {**{key: trained[key] for key in ("curve", "began", "ended")}, "near": trained["probes"][-1][f"near_{DECIDING}"]}


def as_trials(trained: Sequence[dict[str, Any]], workers: int) -> Trials:
    """Of each trial what `compared` gives."""
    trials = tuple(Trial(t["near"], tuple(t["curve"]), t["ended"] - t["began"]) for t in trained)
    return Trials(trials, workers, min(t["began"] for t in trained), max(t["ended"] for t in trained))


def spec_data(spec: Spec, device: torch.device | str = "cpu") -> SeedData:
    return make_seed_data(spec.data, SEED).to(torch.device(device))


def run(spec: Spec, folder: Path) -> Trials:
    """One configuration after another, with PyTorch's default number of threads."""
    data = spec_data(spec)
    return as_trials([compared(train_plain(fixes, data, spec.training)) for fixes in spec.trials], workers=1)
