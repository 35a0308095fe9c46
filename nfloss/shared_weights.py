"""The weights of all scales' pixels where sums over the pixels are asked for: raw weights are shared, and what they are divided by
is a factor of the sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.pixel_rows import Summing, Weighting
from nfloss.power_sums import Curve
from nfloss.rows import NumbersOf, Row, Run, constant
from nfloss.slots import BASELINE, call
from nfloss.truth import Truth
from nfloss.weighting import TEMPERING, Weightings, depth_for, tempered

Pieces = Sequence[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Shared:
    """The distinct weightings, and 1, f and f^2 for each row, [3, 2, S, R]: its weights u are f times its weighting's."""

    pieces: list[Weighting]
    factors: Tensor


class SharedWeights:
    """The distinct weightings among rows; `piece_of` says which is whose."""

    def __init__(self, rows: Sequence[Row], summing: Summing) -> None:
        self.weightings, self.summing = Weightings(rows), summing
        self.piece_of = self.weightings.rows

    @torch.no_grad()
    def compute(self, truth: Truth, thresholds: dict[Configuration, float]) -> tuple[Shared, Tensor]:
        """At the thresholds in force; and the sums of 1, w and w^2 of each row, [3, 2, S, R], w not yet multiplied."""
        waiting = iter(self.weightings.pieces(truth.together, lambda c: line_of_depth(c, truth), thresholds))
        powers, of_runs = Powers(), []
        for run in self.weightings.runs:
            pieces = list(islice(waiting, len(run)))
            by_curves = all(run[0].words[slot].by_sums for slot in TEMPERING)
            of_runs.append(self._by_curves(run, pieces, truth, powers) if by_curves else in_torch(run, pieces, truth))
        pieces = [weighting for of_run, _ in of_runs for weighting in of_run]
        factor, zeroth = torch.cat([factor for _, factor in of_runs], -1), self.summing.of_weights(pieces)
        factors = torch.stack([torch.ones_like(factor), factor, factor.square()])
        of_rows = torch.stack([factors, zeroth]).index_select(-1, constant(self.piece_of, factor.device, torch.long))
        return Shared(pieces, of_rows[0]), of_rows[1]

    def _by_curves(self, run: Run, pieces: Pieces, truth: Truth, powers: Powers) -> tuple[list[Weighting], Tensor]:
        """Weightings that normalise and temper alike, and the factors [2, S, d] that are left for the sums."""
        masks = [truth.by_scale(mask) for mask, _ in pieces]

        def sums_of(power: float) -> Tensor:
            weights = [truth.by_scale(powers.of(raw, power)) for _, raw in pieces]
            return self.summing.of_weights([Weighting(m, w, w) for m, w in zip(masks, weights, strict=True)])[:, 0]

        words, numbers = run[0].words, NumbersOf(run, truth.gts[0])
        curves = call(words["temper"].by_sums, numbers, partial(call, words["normalise"].by_sums, numbers, sums_of))
        shape = (len(truth.sizes), len(pieces))
        spaces = [weights_on(curve, [raw for _, raw in pieces], truth, powers, shape) for curve in curves]
        (ssi, of_ssi), (silog, of_silog) = spaces
        return [Weighting(*piece) for piece in zip(masks, ssi, silog, strict=True)], torch.stack([of_ssi, of_silog])


class Powers:
    """Powers of weights, computed once where several weightings share them."""

    def __init__(self) -> None:
        self.found = dict[tuple[int, float], tuple[Tensor, Tensor]]()

    def of(self, raw: Tensor, power: float) -> Tensor:
        if power == 1.0:
            return raw
        key = id(raw), power  # of a tensor that is kept, so that no other takes its place
        if key not in self.found:
            self.found[key] = raw, raw**power
        return self.found[key][1]


def weights_on(
    curve: Curve, raw: Sequence[Tensor], truth: Truth, powers: Powers, shape: tuple[int, int]
) -> tuple[list[Sequence[Tensor]], Tensor]:
    """The weights of some pieces at each scale, and the factor [S, d] that they are still to be multiplied by."""
    factor = torch.as_tensor(curve.factor, dtype=torch.float64, device=raw[0].device).expand(shape)
    weights = [powers.of(one, curve.power) for one in raw]
    if curve.limits is None:
        return [truth.by_scale(w) for w in weights], factor
    bounded = [within(w, factor[:, d].tolist(), curve.limits, truth) for d, w in enumerate(weights)]
    return bounded, torch.ones_like(factor)


def within(weights: Tensor, factors: Sequence[float], limits: tuple[float, float], truth: Truth) -> Sequence[Tensor]:
    """Weights [P] times each scale's factor, between limits, at each scale."""
    product = torch.empty_like(weights)
    of_scales = truth.by_scale(product)
    for own, to, factor in zip(truth.by_scale(weights), of_scales, factors, strict=True):
        torch.mul(own, factor, out=to)
    product.clamp_(*limits)
    return of_scales


def line_of_depth(c: Configuration, truth: Truth) -> Tensor:
    """The depth in metres that the configuration weighs, [P] of all scales."""
    if c.words["pyramid"] == BASELINE["pyramid"]:
        return truth.together.image_depth.flatten()
    word, finest = c.words["pyramid"], truth.depths[0]
    return torch.cat([word(c.numbers, finest, own).flatten() for own in truth.depths])


def in_torch(run: Run, pieces: Pieces, truth: Truth) -> tuple[list[Weighting], Tensor]:
    """As `_by_curves`, for words that have no form on sums."""
    split = [(truth.by_scale(mask), truth.by_scale(raw.expand_as(mask))) for mask, raw in pieces]
    scales = range(len(truth.sizes))
    of_scales = [tempered(run[0], [(masks[s], raw[s]) for masks, raw in split]) for s in scales]
    of_pieces = zip(split, zip(*of_scales, strict=True), strict=True)
    weightings = [Weighting(masks, [p.ssi for p in parts], [p.silog for p in parts]) for (masks, _), parts in of_pieces]
    return weightings, torch.ones(2, len(scales), len(pieces), dtype=torch.float64, device=pieces[0][0].device)
