"""Computes the mean and variance of each row pixel by pixel in torch, on any device, for any choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.evaluation.rows import NumbersOf, Rows, Run, guard_of
from nfloss.evaluation.targets import Targets
from nfloss.evaluation.weighting import DistinctWeightings, Weights
from nfloss.slots import call
from nfloss.terms import Target, masked_moments, may_ask, moments, plain_moments


@dataclass(frozen=True)
class RowMoments:
    """Means and variances [S, 2, r] of the residuals in both spaces, and their number of pixels, which broadcasts to [S, r]."""

    mean: Tensor
    variance: Tensor
    count: Tensor

    def select(self, places: Tensor) -> RowMoments:
        counts = self.count.expand(self.mean[:, 0].shape)
        return RowMoments(*(values.index_select(-1, places) for values in (self.mean, self.variance, counts)))


#: Moments of the loss's rows; and, if requested, of the configurations with every weight 1, without gradient.
Measured = tuple[RowMoments, RowMoments | None]


class ByPixels:
    """The rows of some configurations; each distinct choice is called once on the rows that use it."""

    def __init__(self, configurations: Sequence[Configuration]) -> None:
        self.rows = Rows(configurations)
        self.weightings = DistinctWeightings(self.rows.rows)

    def moments(
        self, preds: Sequence[Tensor], targets: Targets, thresholds: dict[Configuration, float], unweighted: bool
    ) -> Measured:
        """Moments of pred, [K, P_s] at each scale."""
        finest = targets.scales[0].image_depth
        scales = zip(preds, targets.scales, strict=True)
        of_scales = [self._of_scale(pred, target, finest, thresholds, unweighted) for pred, target in scales]
        own, plain = zip(*of_scales, strict=True)
        return stacked(own), stacked(plain) if unweighted else None

    def _of_scale(
        self, pred: Tensor, target: Target, finest: Tensor, thresholds: dict[Configuration, float], unweighted: bool
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """One scale's pred [K, P] -> means and variances [2, R] in both spaces, their pixel counts [R]; if `unweighted`, also
        means and variances [2, K] with every weight 1."""
        weights = self.weightings.compute(target, finest, thresholds)
        runs = self.rows.pieces(pred.shape[-1], small=may_ask(pred))
        sizes = [len(run) for run in runs]
        pieces = zip(runs, self.rows.take(pred).split(sizes), weights.split(sizes), strict=True)
        of_pieces = zip(*(moments_of(*piece, target, unweighted) for piece in pieces), strict=True)
        mean, variance, *plain = (torch.cat(values, -1) for values in of_pieces)
        return (mean, variance, weights.counts), (*map(self.rows.first, plain), target.count.unsqueeze(-1))


def stacked(scales: Sequence[tuple[Tensor, ...]]) -> RowMoments:
    return RowMoments(*(torch.stack(values) for values in zip(*scales, strict=True)))


def moments_of(run: Run, pred: Tensor, weights: Weights, target: Target, unweighted: bool) -> tuple[Tensor, ...]:
    """Means and variances [2, r] of rows with the same choices, pred [r, P]; if `unweighted`, followed by those with every
    weight 1, without gradient."""
    choices, numbers, mask = run[0].choices, NumbersOf(run, pred, pixels=True), weights.mask
    if watch := guard_of(run[0]).pixels:
        pred = call(watch, numbers, pred, mask)
    residuals = target.residuals(pred)
    values, counted = choices["moments"](numbers, choices["residual"](numbers, residuals, mask), weights.both, mask)
    measured = masked_moments(values, mask) if counted is mask else moments(values, counted)
    return measured + plain_moments(residuals.detach(), target.count) if unweighted else measured


def unweighted_moments(preds: Sequence[Tensor], targets: Sequence[Target]) -> RowMoments:
    """Moments of each scale's pred [k, P] with every weight 1."""
    scales = zip(preds, targets, strict=True)
    return stacked([(*masked_moments(target.residuals(p), target.valid), target.count.unsqueeze(-1)) for p, target in scales])
