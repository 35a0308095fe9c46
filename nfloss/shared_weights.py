"""The weights of all scales' pixels where sums over the pixels are asked for: raw weights are shared, and what they are divided by
is a factor of the sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.pixel_rows import Summing, Weighting
from nfloss.power_sums import WEIGHTED
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
        runs = self.weightings.runs
        pieces = [w for run in runs for w in weightings_of(run[0], list(islice(waiting, len(run))), truth)]
        zeroth = self.summing.of_weights(pieces)
        of_runs = zip(runs, zeroth.split([len(run) for run in runs], -1), strict=True)
        factor = torch.cat([factor_of(*of_run) for of_run in of_runs], -1)
        factors = torch.stack([torch.ones_like(factor), factor, factor.square()])
        of_rows = torch.stack([factors, zeroth]).index_select(-1, constant(self.piece_of, factor.device, torch.long))
        return Shared(pieces, of_rows[0]), of_rows[1]


def shares_raw(c: Configuration) -> bool:
    """Whether the configuration only multiplies its raw weights, by a factor that follows from their sums."""
    return all(c.words[slot].by_sums for slot in TEMPERING)


def line_of_depth(c: Configuration, truth: Truth) -> Tensor:
    """The depth in metres that the configuration weighs, [P] of all scales."""
    if c.words["pyramid"] == BASELINE["pyramid"]:
        return truth.together.image_depth.flatten()
    word, finest = c.words["pyramid"], truth.depths[0]
    return torch.cat([word(c.numbers, finest, own).flatten() for own in truth.depths])


def weightings_of(c: Configuration, pieces: Pieces, truth: Truth) -> list[Weighting]:
    """Weightings that normalise and temper as `c` does, from the pixels and raw weights [P] of each."""
    split = [(truth.by_scale(mask), truth.by_scale(raw.expand_as(mask))) for mask, raw in pieces]
    if shares_raw(c):
        return [Weighting(masks, raw, raw) for masks, raw in split]
    of_scales = [tempered(c, [(masks[s], raw[s]) for masks, raw in split]) for s in range(len(truth.sizes))]
    of_pieces = zip(split, zip(*of_scales, strict=True), strict=True)
    return [Weighting(masks, [p.ssi for p in parts], [p.silog for p in parts]) for (masks, _), parts in of_pieces]


def factor_of(run: Run, zeroth: Tensor) -> Tensor:
    """What the weights of the run's pieces are multiplied by, [2, S, d], from the sums of 1, w and w^2 [3, 2, S, d]."""
    if not shares_raw(run[0]):
        return torch.ones_like(zeroth[WEIGHTED])
    numbers, words = NumbersOf(run, zeroth), run[0].words
    mean = call(words["normalise"].by_sums, numbers, zeroth)
    factor = call(words["temper"].by_sums, numbers, mean)
    return torch.as_tensor(factor, dtype=zeroth.dtype, device=zeroth.device).expand_as(zeroth[WEIGHTED])
