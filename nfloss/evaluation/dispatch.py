"""Decides which rows are computed by sums over the pixels and which pixel by pixel, and puts the results together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.evaluation.by_pixels import ByPixels, Measured, RowMoments
from nfloss.evaluation.by_sums import BySums, has_sums
from nfloss.evaluation.rows import Rows, constant
from nfloss.evaluation.targets import Targets
from nfloss.power_sums import Summing


class Dispatch:
    """Evaluates K configurations: by sums where `summing` is given and their choices have `by_sums`, else pixel by pixel."""

    def __init__(self, rows: Rows, summing: Summing | None) -> None:
        self.rows, self.summing, self.all_by_pixels = rows, summing, ByPixels(rows.configurations)
        self.split: list[tuple[list[int], ByPixels | BySums]] = []
        places = range(len(rows.configurations))
        if summing is not None:
            summed = [k for k in places if has_sums(rows.configurations[k])]
            others = [k for k in places if k not in summed]
            self.split += [(summed, BySums(self._members(summed), summing))] if summed else []
            self.split += [(others, ByPixels(self._members(others)))] if others else []

    def _members(self, places: Sequence[int]) -> list[Configuration]:
        return [self.rows.configurations[k] for k in places]

    def moments(
        self, preds: Sequence[Tensor], targets: Targets, thresholds: dict[Configuration, float], unweighted: bool
    ) -> Measured:
        """Moments of pred, [K, P_s] at each scale; if `unweighted`, also those with every weight 1."""
        if self.summing is None or not self.summing.takes([*preds, *targets.gts]):
            return self.all_by_pixels.moments(preds, targets, thresholds, unweighted)
        if len(self.split) == 1:
            return self.split[0][1].moments(preds, targets, thresholds, unweighted)
        results = []
        for places, evaluator in self.split:
            index = constant(tuple(places), preds[0].device, torch.long)
            results.append(evaluator.moments([p.index_select(0, index) for p in preds], targets, thresholds, unweighted))
        own, plain = zip(*results, strict=True)
        order = [r for places, _ in self.split for r, row in enumerate(self.rows.rows) if row.place in places]
        columns = [k for places, _ in self.split for k in places]
        return concatenated(own, order), concatenated(plain, columns) if unweighted else None


def concatenated(results: Sequence[RowMoments], columns: Sequence[int]) -> RowMoments:
    """Put several results side by side; `columns` gives the final index of each column."""
    back = constant(tuple(columns.index(c) for c in range(len(columns))), results[0].mean.device, torch.long)
    mean, variance = (torch.cat([getattr(r, name) for r in results], -1) for name in ("mean", "variance"))
    counts = torch.cat([r.count.expand(r.mean[:, 0].shape).to(mean.dtype) for r in results], -1)
    return RowMoments(mean, variance, counts).select(back)
