"""Computes the mean and variance of each row from sums over the pixels (`nfloss.power_sums`), for choices that have `by_sums`.
On a CPU core, one pass over the pixels replaces dozens."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.evaluation.by_pixels import Measured, RowMoments
from nfloss.evaluation.rows import NumbersOf, Rows, constant, guard_of, partition_of, runs_of
from nfloss.evaluation.shared_weights import SharedWeights
from nfloss.evaluation.targets import Targets
from nfloss.power_sums import PLAIN, PixelRows, PowerSums, Summing
from nfloss.slots import call, sums_form

SUMMED_SLOTS = ("residual", "moments")


def has_sums(c: Configuration) -> bool:
    """Whether the configuration can be computed from sums over the pixels alone."""
    return all(c.choices[slot].by_sums for slot in SUMMED_SLOTS) and partition_of(c).exhaustive


class BySums:
    """The rows of some configurations, sorted by their choices in `SUMMED_SLOTS`; each distinct pair is computed once.

    Predictions are cut into pieces of neighbouring configurations with the same pixel guard. Without a guard, a piece is a
    view of the predictions; with one, each row is a copy to which the guard is applied.
    """

    def __init__(self, configurations: Sequence[Configuration], summing: Summing) -> None:
        self.summing, self.count = summing, len(configurations)
        given = Rows(configurations).rows
        self.order = sorted(range(len(given)), key=lambda r: [given[r].configuration.choices[s].name for s in SUMMED_SLOTS])
        self.rows = [given[r] for r in self.order]
        self.back = tuple(self.order.index(r) for r in range(len(given)))
        self.runs = runs_of([row.configuration for row in self.rows], SUMMED_SLOTS)
        self.weights = SharedWeights(self.rows, summing)
        cuts = [list(run) for _, run in groupby(range(self.count), key=lambda k: guard_of(configurations[k]).pixels)]
        self.cuts = [len(cut) for cut in cuts]
        self.pieces = [(cut[0], [r for r, row in enumerate(self.rows) if row.place in cut]) for cut in cuts]
        self.places = tuple(self._place(r) for r in range(len(self.rows)))

    def _place(self, r: int) -> tuple[int, int]:
        """The piece with the row's prediction, and the index in that piece."""
        piece, (start, members) = next((i, piece) for i, piece in enumerate(self.pieces) if r in piece[1])
        watched = guard_of(self.rows[r].configuration).pixels
        return piece, members.index(r) if watched else self.rows[r].place - start

    def moments(
        self, preds: Sequence[Tensor], targets: Targets, thresholds: dict[Configuration, float], unweighted: bool
    ) -> Measured:
        """Moments of pred, [K, P_s] at each scale."""
        weights, zeroth = self.weights.compute(targets, thresholds)
        target = targets.together
        rows = PixelRows(target.inverse, target.inverse_limits, weights, self.weights.piece_of, self.places)
        first, second = self.summing.of_residuals(rows, self._pieces_of(preds, rows)).unbind(0)
        with torch.no_grad():
            plain = self._plain(zeroth[PLAIN], first[PLAIN], second[PLAIN], preds[0].dtype) if unweighted else None
        sums = PowerSums(zeroth, first, second)
        mean, variance = zip(*self._of_runs(sums), strict=True)
        own = torch.stack([torch.cat(mean, -1), torch.cat(variance, -1)])
        own = own.index_select(-1, constant(self.back, own.device, torch.long)).transpose(1, 2).to(preds[0].dtype)
        counts = zeroth[PLAIN, 0].index_select(-1, constant(self.back, own.device, torch.long))
        mean_of_rows, variance_of_rows = own.unbind(0)
        return RowMoments(mean_of_rows, variance_of_rows, counts), plain

    def _of_runs(self, sums: PowerSums) -> list[tuple[Tensor, Tensor]]:
        """Means and variances [2, S, r] of the rows of each run."""
        sizes = [len(run) for run in self.runs]
        pieces = zip(self.runs, *(v.split(sizes, -1) for v in (sums.zeroth, sums.first, sums.second)), strict=True)
        results = []
        for run, *of_run in pieces:
            numbers, choices = NumbersOf(run, sums.first), run[0].choices
            changed = call(sums_form(choices["residual"]), numbers, PowerSums(*of_run))
            results.append(call(sums_form(choices["moments"]), numbers, changed))
        return results

    def _pieces_of(self, preds: Sequence[Tensor], rows: PixelRows) -> list[list[Tensor]]:
        """For each piece, its predictions [k, P_s] at each scale."""
        split = [pred.split(self.cuts) for pred in preds] if len(self.cuts) > 1 else [(pred,) for pred in preds]
        return [
            [self._watched(members, start, scale[piece], rows, s) for s, scale in enumerate(split)]
            for piece, (start, members) in enumerate(self.pieces)
        ]

    def _watched(self, members: Sequence[int], start: int, pred: Tensor, rows: PixelRows, scale: int) -> Tensor:
        """A piece's rows with their guard applied; unchanged where there is no guard."""
        run = [self.rows[r].configuration for r in members]
        watch = guard_of(run[0]).pixels
        if watch is None:
            return pred
        taken = tuple(self.rows[r].place - start for r in members)
        pred = pred.index_select(0, constant(taken, pred.device, torch.long))
        masks = [rows.weightings.pieces[rows.weighting_of[r]].mask for r in members]
        mask = torch.stack([mask.split(rows.weightings.sizes)[scale] for mask in masks])
        watched: Tensor = call(watch, NumbersOf(run, pred, pixels=True), pred, mask)
        return watched

    def _plain(self, count: Tensor, first: Tensor, second: Tensor, dtype: torch.dtype) -> RowMoments:
        """Moments [S, 2, K] with every weight 1 from the rows' sums [2, S, R]; the parts of a configuration are added up."""
        places = constant(tuple(row.place for row in self.rows), first.device, torch.long)
        values = torch.stack([count, first, second])
        values = values.new_zeros(*values.shape[:-1], self.count).index_add(-1, places, values)
        count = values[0].clamp(min=1.0)
        mean, squared = values[1] / count, values[2] / count
        variance = (squared - mean.square()).clamp(min=0.0)
        return RowMoments(mean.transpose(0, 1).to(dtype), variance.transpose(0, 1).to(dtype), values[0, 0])
