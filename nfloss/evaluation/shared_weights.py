"""The weights of all scales' pixels where sums over the pixels are asked for: raw weights are shared, what they are divided
by and where they are cut off are three numbers for each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.evaluation.pixel_rows import Summing, Weighting
from nfloss.evaluation.pixel_rows import Weightings as Distinct
from nfloss.evaluation.rows import NumbersOf, Row, Run, constant
from nfloss.evaluation.targets import Truth
from nfloss.evaluation.weighting import TEMPERING, Weightings, tempered
from nfloss.power_sums import Curve
from nfloss.slots import BASELINE, call, form

Pieces = Sequence[tuple[Tensor, Tensor]]


class SharedWeights:
    """The distinct weightings among rows; `piece_of` says which is whose."""

    def __init__(self, rows: Sequence[Row], summing: Summing) -> None:
        self.weightings, self.summing = Weightings(rows), summing
        self.piece_of = self.weightings.rows

    @torch.no_grad()
    def compute(self, truth: Truth, thresholds: dict[Configuration, float]) -> tuple[Distinct, Tensor]:
        """At the thresholds in force; and the sums of 1, u and u^2 of each row, [3, 2, S, R]."""
        waiting = iter(self.weightings.pieces(truth.together, lambda c: line_of_depth(c, truth), thresholds))
        powers, of_runs = Powers(), []
        for run in self.weightings.runs:
            given = list(islice(waiting, len(run)))
            by_curves = all(run[0].choices[slot].by_sums for slot in TEMPERING)
            of_runs.append(self._by_curves(run, given, truth, powers) if by_curves else in_torch(run, given, truth))
        pieces = [weighting for of_run in of_runs for weighting in of_run.pieces]
        distinct = Distinct(pieces, truth.sizes, torch.cat([of_run.curves for of_run in of_runs], -1))
        zeroth = self.summing.of_weights(distinct)
        return distinct, zeroth.index_select(-1, constant(self.piece_of, zeroth.device, torch.long))

    def _by_curves(self, run: Run, pieces: Pieces, truth: Truth, powers: Powers) -> Distinct:
        """Weightings that normalise and temper alike."""
        masks, shape, device = [mask for mask, _ in pieces], (len(truth.sizes), len(pieces)), pieces[0][0].device

        def to_power(power: float) -> list[Tensor]:
            return [on_pixels(powers.of(raw, power), mask) for mask, raw in pieces]

        def sums_of(power: float) -> Tensor:
            weights = to_power(power)
            made = [Weighting(m, w, w) for m, w in zip(masks, weights, strict=True)]
            return self.summing.of_weights(Distinct(made, truth.sizes, neutral(*shape, device)))[:, 0]

        choices, numbers = run[0].choices, NumbersOf(run, truth.gts[0])
        curves = call(form(choices["temper"]), numbers, partial(call, form(choices["normalise"]), numbers, sums_of))
        made = [Weighting(*piece) for piece in zip(masks, *(to_power(curve.power) for curve in curves), strict=True)]
        return Distinct(made, truth.sizes, laid(curves, shape, device))


def laid(curves: tuple[Curve, Curve], shape: tuple[int, int], device: torch.device) -> Tensor:
    """Factor and limits of both spaces at each scale of each piece, [3, 2, S, d]."""
    values = neutral(*shape, device).clone(memory_format=torch.contiguous_format)
    for space in [slice(0, 2)] if curves[0] is curves[1] else [0, 1]:
        curve = curves[0 if isinstance(space, slice) else space]
        values[0, space] = curve.factor
        if curve.limits != Curve.limits:
            values[1, space], values[2, space] = curve.limits
    return values


def on_pixels(weights: Tensor, mask: Tensor) -> Tensor:
    """A weight for each pixel, where a word gives one for all."""
    return weights if weights.shape == mask.shape else weights.expand_as(mask)


def neutral(scales: int, pieces: int, device: torch.device) -> Tensor:
    """Factor 1 and no limits, [3, 2, S, d]."""
    return constant((1.0, -torch.inf, torch.inf), device, torch.float64).view(3, 1, 1, 1).expand(3, 2, scales, pieces)


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


def line_of_depth(c: Configuration, truth: Truth) -> Tensor:
    """The depth in metres that the configuration weighs, [P] of all scales."""
    if c.choices["pyramid"] == BASELINE["pyramid"]:
        return truth.together.image_depth.flatten()
    word, finest = c.choices["pyramid"], truth.depths[0]
    return torch.cat([word(c.numbers, finest, own).flatten() for own in truth.depths])


def in_torch(run: Run, pieces: Pieces, truth: Truth) -> Distinct:
    """As `_by_curves`, for words that have no form on sums."""
    split = [(truth.by_scale(mask), truth.by_scale(on_pixels(raw, mask))) for mask, raw in pieces]
    scales = range(len(truth.sizes))
    of_scales = [tempered(run[0], [(masks[s], raw[s]) for masks, raw in split]) for s in scales]
    of_pieces = zip(split, zip(*of_scales, strict=True), strict=True)
    made = [
        Weighting(torch.cat(masks), torch.cat([p.ssi for p in parts]), torch.cat([p.silog for p in parts]))
        for (masks, _), parts in of_pieces
    ]
    return Distinct(made, truth.sizes, neutral(len(scales), len(pieces), pieces[0][0].device))
