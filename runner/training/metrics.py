"""Metrics, the same for every configuration: depth errors by range of true depth, pooled over all pixels of the images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from runner.data import DEPTH_EDGES, NEAR

RANGES = ("all", "near", "far")
NEAR_AND_FAR = (0.0, NEAR)
METRICS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "silog", "delta1", "delta2", "delta3")

#: Predicted and true depth, [k, V] and [V] in metres -> values by name, [k, V] each.
Values = Callable[[Tensor, Tensor], Mapping[str, Tensor]]
#: Pixels that are processed at once: they fit into a CPU's cache, and need few launches on a GPU.
AT_ONCE = {"cpu": 2**20, "cuda": 2**26}


def in_range(depth: Tensor, which: str) -> Tensor:
    """Which pixels of true depth (metres) are valid (> 0) and in the range: all, near (< 1 m) or far (>= 1 m)."""
    valid = depth > 0
    return valid if which == "all" else valid & (depth < NEAR) if which == "near" else valid & (depth >= NEAR)


def abs_rel(predicted: Tensor, true: Tensor) -> dict[str, Tensor]:
    """AbsRel for each range: mean of |p - t| / t. predicted [K, ..] and true [..] in metres -> [K]; NaN without pixels."""
    pixels = Pixels.of(true, NEAR_AND_FAR)
    sums = pixels.sums(predicted, lambda p, t: {"abs_rel": (p - t).abs_().div_(t)})
    return {which: means["abs_rel"].to(predicted.dtype) for which, means in by_range(sums, pixels).items()}


def all_metrics(predicted: Tensor, true: Tensor) -> dict[str, Tensor]:
    """Every metric for each range, `near_abs_rel` and so on, [K] each: AbsRel, SqRel (Eigen), RMSE in metres, RMSE of ln
    depth, SILog (lambda 1, x100), delta < 1.25, 1.25^2, 1.25^3 (strict). Pooled; NaN where the range has no pixel."""

    def values(p: Tensor, t: Tensor) -> dict[str, Tensor]:
        difference, log_ratio = p - t, p.log() - log_true
        squared, ratio = difference.square(), torch.maximum(p / t, t / p)
        return {
            "abs_rel": difference.abs_().div_(t),
            "sq_rel": squared / t,
            "squared": squared,
            "log_ratio": log_ratio,
            "squared_log": log_ratio.square(),
            **{f"delta{power}": ratio < 1.25**power for power in (1, 2, 3)},
        }

    pixels = Pixels.of(true, NEAR_AND_FAR)
    log_true = pixels.true.log()
    result: dict[str, Tensor] = {}
    for which, means in by_range(pixels.sums(predicted, values), pixels).items():
        means["rmse"], means["rmse_log"] = means["squared"].sqrt(), means["squared_log"].sqrt()
        variance = means["squared_log"] - means["log_ratio"].square()  # in float64: the float32 values lose no digits
        means["silog"] = 100.0 * variance.clamp(min=0.0).sqrt()
        result |= {f"{which}_{name}": means[name].to(predicted.dtype) for name in METRICS}
    return result


def error_by_depth(predicted: Tensor, true: Tensor) -> dict[str, Tensor]:
    """Errors by true depth, in bins between DEPTH_EDGES (the last is open): [K, bins] each, pooled over all images.

    `abs_rel`: mean of |p - t| / t. `bias`: mean of (p - t) / t, positive where predictions are too far. NaN where a bin has no
    pixel. `pixels`: their number, [bins]. predicted [K, ..], true [..], in metres.
    """

    def values(p: Tensor, t: Tensor) -> dict[str, Tensor]:
        relative = (p - t).div_(t)
        return {"bias": relative, "abs_rel": relative.abs()}

    pixels = Pixels.of(true, DEPTH_EDGES)
    means = {name: (sums / pixels.counts).to(predicted.dtype) for name, sums in pixels.sums(predicted, values).items()}
    return {"pixels": pixels.counts, **means}


@dataclass(frozen=True)
class Pixels:
    """The valid pixels of true depth [..], sorted by bin, so that a bin's sum is that of a slice, without masks.

    order: [V] indices of the pixels. true: [V] their depth in metres. counts: [bins] their number in each bin.
    """

    order: Tensor
    true: Tensor
    counts: Tensor

    @classmethod
    def of(cls, true: Tensor, edges: Sequence[float]) -> Pixels:
        """In bins between the edges (metres): a bin includes its lower edge, the last is open, 0 is in none."""
        flat, ends = true.flatten(), (*edges[1:], float("inf"))
        bins = [((flat > 0) & (flat >= low) & (flat < high)).nonzero()[:, 0] for low, high in zip(edges, ends, strict=True)]
        order = torch.cat(bins)
        return cls(order, flat[order], torch.tensor([len(places) for places in bins], device=true.device))

    def sums(self, predicted: Tensor, values: Values) -> dict[str, Tensor]:
        """The sum of each value over each bin: predicted [K, ..] -> [K, bins], float64. A few networks at a time: the maps of
        all would take gigabytes."""
        flat, lengths = predicted.flatten(1), self.counts.tolist()
        few = max(1, AT_ONCE[predicted.device.type] // max(len(self.order), 1))
        parts = [
            {
                name: torch.stack([piece.sum(1, dtype=torch.float64) for piece in value.split(lengths, dim=1)], dim=1)
                for name, value in values(rows.index_select(1, self.order), self.true).items()
            }
            for rows in flat.split(few)
        ]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def by_range(sums: Mapping[str, Tensor], pixels: Pixels) -> dict[str, dict[str, Tensor]]:
    """Sums over near and far pixels, [K, 2] each -> the means in each range, [K]; NaN without pixels."""
    columns = {"all": slice(0, 2), "near": slice(0, 1), "far": slice(1, 2)}
    return {
        which: {name: values[:, columns[which]].sum(1) / pixels.counts[columns[which]].sum() for name, values in sums.items()}
        for which in RANGES
    }
