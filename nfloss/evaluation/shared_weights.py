"""Computes the weights of all scales' pixels for the sums over the pixels. Raw weights are shared between weightings; each
weighting has three numbers of its own per space and scale, a factor and two limits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.evaluation.rows import NumbersOf, Row, Run, constant
from nfloss.evaluation.targets import Targets
from nfloss.evaluation.weighting import NORMALISING_SLOTS, DistinctWeightings, normalised_parts
from nfloss.power_sums import Curve, Summing, Weighting, Weightings
from nfloss.slots import BASELINE, call, sums_form

Pieces = Sequence[tuple[Tensor, Tensor]]


class SharedWeights:
    """The distinct weightings of rows; `piece_of` is the index of each row's weighting."""

    def __init__(self, rows: Sequence[Row], summing: Summing) -> None:
        self.weightings, self.summing = DistinctWeightings(rows), summing
        self.piece_of = self.weightings.rows

    @torch.no_grad()
    def compute(self, targets: Targets, thresholds: dict[Configuration, float]) -> tuple[Weightings, Tensor]:
        """The weightings at these thresholds, and the sums of 1, u and u^2 of each row, [3, 2, S, R]."""
        remaining = iter(self.weightings.pieces(targets.together, lambda c: flattened_depth(c, targets), thresholds))
        powers, of_runs = Powers(), []
        for run in self.weightings.runs:
            given = list(islice(remaining, len(run)))
            by_curves = all(run[0].choices[slot].by_sums for slot in NORMALISING_SLOTS)
            of_runs.append(self._by_curves(run, given, targets, powers) if by_curves else by_functions(run, given, targets))
        pieces = [weighting for of_run in of_runs for weighting in of_run.pieces]
        weightings = Weightings(pieces, targets.sizes, torch.cat([of_run.curves for of_run in of_runs], -1))
        zeroth = self.summing.of_weights(weightings)
        return weightings, zeroth.index_select(-1, constant(self.piece_of, zeroth.device, torch.long))

    def _by_curves(self, run: Run, pieces: Pieces, targets: Targets, powers: Powers) -> Weightings:
        """Weightings with the same `normalise` and `temper`, from their `by_sums`."""
        masks, shape, device = [mask for mask, _ in pieces], (len(targets.sizes), len(pieces)), pieces[0][0].device

        def to_power(power: float) -> list[Tensor]:
            return [on_pixels(powers.of(raw, power), mask) for mask, raw in pieces]

        def sums_of(power: float) -> Tensor:
            weights = to_power(power)
            made = [Weighting(m, w, w) for m, w in zip(masks, weights, strict=True)]
            return self.summing.of_weights(Weightings(made, targets.sizes, neutral(*shape, device)))[:, 0]

        choices, numbers = run[0].choices, NumbersOf(run, targets.gts[0])
        curves = call(sums_form(choices["temper"]), numbers, partial(call, sums_form(choices["normalise"]), numbers, sums_of))
        made = [Weighting(*piece) for piece in zip(masks, *(to_power(curve.power) for curve in curves), strict=True)]
        return Weightings(made, targets.sizes, stacked_curves(curves, shape, device))


def stacked_curves(curves: tuple[Curve, Curve], shape: tuple[int, int], device: torch.device) -> Tensor:
    """Factor and limits of both spaces for each scale and piece, [3, 2, S, d]."""
    values = neutral(*shape, device).clone(memory_format=torch.contiguous_format)
    for space in [slice(0, 2)] if curves[0] is curves[1] else [0, 1]:
        curve = curves[0 if isinstance(space, slice) else space]
        values[0, space] = curve.factor
        if curve.limits != Curve.limits:
            values[1, space], values[2, space] = curve.limits
    return values


def on_pixels(weights: Tensor, mask: Tensor) -> Tensor:
    """Expand weights to one per pixel, where a choice returns one for all pixels."""
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
        key = id(raw), power  # the id stays unique because `found` keeps the tensor alive
        if key not in self.found:
            self.found[key] = raw, raw**power
        return self.found[key][1]


def flattened_depth(c: Configuration, targets: Targets) -> Tensor:
    """The depth in metres that the configuration's weights are computed from, [P] of all scales."""
    if c.choices["pyramid"] == BASELINE["pyramid"]:
        return targets.together.image_depth.flatten()
    choice, finest = c.choices["pyramid"], targets.depths[0]
    return torch.cat([choice(c.numbers, finest, own).flatten() for own in targets.depths])


def by_functions(run: Run, pieces: Pieces, targets: Targets) -> Weightings:
    """As `_by_curves`, for choices without `by_sums`."""
    split = [(targets.by_scale(mask), targets.by_scale(on_pixels(raw, mask))) for mask, raw in pieces]
    scales = range(len(targets.sizes))
    of_scales = [normalised_parts(run[0], [(masks[s], raw[s]) for masks, raw in split]) for s in scales]
    of_pieces = zip(split, zip(*of_scales, strict=True), strict=True)
    made = [
        Weighting(torch.cat(masks), torch.cat([p.ssi for p in parts]), torch.cat([p.silog for p in parts]))
        for (masks, _), parts in of_pieces
    ]
    return Weightings(made, targets.sizes, neutral(len(scales), len(pieces), pieces[0][0].device))
