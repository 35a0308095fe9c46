"""Metrics, the same for every configuration: depth errors by range of true depth, pooled over all pixels of the images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from runner.data import DEPTH_EDGES, NEAR

RANGES = ("all", "near", "far")
NEAR_AND_FAR = (0.0, NEAR)
#: Each ruler in words, for predicted p and true t; measured on probe and validation alike.
RULERS = {
    "rmse_log": "RMSE of ln depth",
    "abs_rel": "AbsRel",
    "delta1": "share with max(p/t, t/p) < 1.25",
    "silog": "SILog",
    "median_rel": "median of |p − t| / t",
    "mean_log": "mean of |ln p/t|",
}
DECIDING = "rmse_log"  # in verdicts, in searches, and on the best checkpoint; the others stand beside it
METRICS = (*RULERS, "sq_rel", "rmse", "delta2", "delta3")

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


def rulers(predicted: Tensor, true: Tensor) -> dict[str, Tensor]:
    """Every ruler for each range, `near_rmse_log` and so on, [K] each; predicted [K, ..] and true [..] in metres.

    RMSE of ln depth, AbsRel, delta < 1.25 (strict), SILog (lambda 1, x100), the median of |p - t| / t (the lower middle one of
    an even number), the mean of |ln p/t|. Pooled; NaN where the range has no pixel.
    """
    return by_pixel(predicted, true, ruler_values, tuple(RULERS))


def all_metrics(predicted: Tensor, true: Tensor) -> dict[str, Tensor]:
    """The rulers, and for each range also SqRel (Eigen), RMSE in metres, delta < 1.25^2 and 1.25^3."""
    return by_pixel(predicted, true, lambda p, t: {**ruler_values(p, t), **other_values(p, t)}, METRICS)


def ruler_values(p: Tensor, t: Tensor) -> dict[str, Tensor]:
    """Of each pixel what the rulers take means and the median of."""
    ratio = p / t
    delta1, log_ratio = torch.maximum(ratio, t / p) < 1.25, ratio.log_()
    values = {"log_ratio": log_ratio, "squared_log": log_ratio.square(), "mean_log": log_ratio.abs()}
    return {"abs_rel": (p - t).abs_().div_(t), "delta1": delta1, **values}


def other_values(p: Tensor, t: Tensor) -> dict[str, Tensor]:
    """Of each pixel what the metrics of validation alone take means of."""
    squared, ratio = (p - t).square_(), torch.maximum(p / t, t / p)
    return {"sq_rel": squared / t, "squared": squared, **{f"delta{power}": ratio < 1.25**power for power in (2, 3)}}


def by_pixel(predicted: Tensor, true: Tensor, values: Values, names: Sequence[str]) -> dict[str, Tensor]:
    """The metrics `names` for each range, from values of single pixels."""
    pixels, result = Pixels.of(true, NEAR_AND_FAR), dict[str, Tensor]()

    def reduce(p: Tensor, t: Tensor) -> dict[str, Tensor]:
        found = values(p, t)
        return {**pixels.bin_sums(found), "median_rel": pixels.medians(found["abs_rel"])}

    sums = pixels.reduced(predicted, reduce)
    medians = sums.pop("median_rel").unbind(1)
    for (which, means), middle in zip(by_range(sums, pixels).items(), medians, strict=True):
        variance = means["squared_log"] - means["log_ratio"].square()  # in float64: the float32 values lose no digits
        roots = {"rmse_log": means["squared_log"], "silog": 1e4 * variance.clamp(min=0.0), "rmse": means.get("squared")}
        means |= {name: square.sqrt() for name, square in roots.items() if square is not None}
        means["median_rel"] = torch.where(means["abs_rel"].isnan(), torch.nan, middle)
        result |= {f"{which}_{name}": means[name].to(predicted.dtype) for name in names}
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

    def reduced(self, predicted: Tensor, reduce: Values) -> dict[str, Tensor]:
        """What `reduce` makes of the pixels, [k, V] -> [k, n], for all of predicted [K, ..]: [K, n]. A few networks at a time:
        the maps of all would take gigabytes."""
        few = max(1, AT_ONCE[predicted.device.type] // max(len(self.order), 1))
        parts = [reduce(rows.index_select(1, self.order), self.true) for rows in predicted.flatten(1).split(few)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def sums(self, predicted: Tensor, values: Values) -> dict[str, Tensor]:
        """The sum of each value over each bin: predicted [K, ..] -> [K, bins], float64."""
        return self.reduced(predicted, lambda p, t: self.bin_sums(values(p, t)))

    def bin_sums(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """[k, V] -> [k, bins], float64."""
        lengths = self.counts.tolist()
        pieces = {name: value.split(lengths, dim=1) for name, value in values.items()}
        return {name: torch.stack([p.sum(1, dtype=torch.float64) for p in of_bins], dim=1) for name, of_bins in pieces.items()}

    def medians(self, value: Tensor) -> Tensor:
        """Over all pixels and over those of each bin: [k, V] -> [k, 1 + bins]."""
        return torch.stack([median(piece) for piece in (value, *value.split(self.counts.tolist(), dim=1))], dim=1)


def median(values: Tensor) -> Tensor:
    """Of each row, [k, n] -> [k]: of an even number the lower middle one; NaN without values. Any NaN makes it meaningless."""
    middle = (values.shape[1] - 1) // 2
    if middle < 0:
        return values.new_full((len(values),), torch.nan)
    if values.device.type != "cpu":
        return values.median(dim=1).values
    return torch.from_numpy(np.partition(values.numpy(), middle, axis=1)[:, middle])  # several times as fast as torch's


def by_range(sums: Mapping[str, Tensor], pixels: Pixels) -> dict[str, dict[str, Tensor]]:
    """Sums over near and far pixels, [K, 2] each -> the means in each range, [K]; NaN without pixels."""
    columns = {"all": slice(0, 2), "near": slice(0, 1), "far": slice(1, 2)}
    return {
        which: {name: values[:, columns[which]].sum(1) / pixels.counts[columns[which]].sum() for name, values in sums.items()}
        for which in RANGES
    }
