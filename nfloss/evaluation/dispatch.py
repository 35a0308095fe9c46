"""Which rows are computed by sums over the pixels and which pixel by pixel, and both together as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.evaluation.by_pixels import ByPixels, Measured, Moments
from nfloss.evaluation.by_sums import BySums, has_sums
from nfloss.evaluation.pixel_rows import Summing
from nfloss.evaluation.rows import Rows, constant
from nfloss.evaluation.targets import Truth


class Ways:
    """The rows of K configurations, by sums where there is somebody to take them and their words have a form on sums."""

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
        self, preds: Sequence[Tensor], truth: Truth, thresholds: dict[Configuration, float], unweighted: bool
    ) -> Measured:
        """Of pred [K, P_s] at each scale: moments of the rows; and of the K configurations with every weight 1, if wanted."""
        if self.summing is None or not self.summing.takes([*preds, *truth.gts]):
            return self.all_by_pixels.moments(preds, truth, thresholds, unweighted)
        if len(self.split) == 1:
            return self.split[0][1].moments(preds, truth, thresholds, unweighted)
        results = []
        for places, way in self.split:
            index = constant(tuple(places), preds[0].device, torch.long)
            results.append(way.moments([p.index_select(0, index) for p in preds], truth, thresholds, unweighted))
        own, plain = zip(*results, strict=True)
        order = [r for places, _ in self.split for r, row in enumerate(self.rows.rows) if row.place in places]
        columns = [k for places, _ in self.split for k in places]
        return joined(own, order), joined(plain, columns) if unweighted else None


def joined(results: Sequence[Moments], columns: Sequence[int]) -> Moments:
    """Moments of several ways one beside another, put in the order that `columns` gives."""
    back = constant(tuple(columns.index(c) for c in range(len(columns))), results[0].mean.device, torch.long)
    mean, variance = (torch.cat([getattr(r, name) for r in results], -1) for name in ("mean", "variance"))
    counts = torch.cat([r.count.expand(r.mean[:, 0].shape).to(mean.dtype) for r in results], -1)
    return Moments(mean, variance, counts).select(back)
