"""Rulers that no configuration can move: depth errors by true depth, pooled over all pixels of a set of images."""

from __future__ import annotations

import torch
from torch import Tensor

from nfloss.terms import bits_of, masked

NEAR = 1.0  # metres; the ruler's boundary stays, whatever threshold a fix uses
RANGES = ("all", "near", "far")
#: Metres; the ruler's boundary is one of them.
DEPTH_EDGES = (0.0, 0.25, 0.35, 0.5, 0.7, NEAR, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.0, 16.0, 22.0, 32.0)
METRICS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "silog", "delta1", "delta2", "delta3")


def in_range(depth: Tensor, which: str) -> Tensor:
    """Valid pixels (depth > 0, metres): all, near (< 1 m), far (>= 1 m)."""
    valid = depth > 0
    return valid if which == "all" else valid & (depth < NEAR) if which == "near" else valid & (depth >= NEAR)


def abs_rel(predicted: Tensor, true: Tensor) -> dict[str, Tensor]:
    """AbsRel for each range: mean of |p - t| / t. predicted [K, ..] and true [..] in metres -> [K]; NaN without pixels."""
    error = (predicted - true).abs() / true.clamp(min=1e-6)
    return {which: mean_over(error, in_range(true, which)) for which in RANGES}


def error_by_depth(predicted: Tensor, true: Tensor) -> dict[str, Tensor]:
    """Where along the range a network errs: by true depth between DEPTH_EDGES (the last bin is open), [K, bins] each.

    `abs_rel`: mean of |p - t| / t. `bias`: mean of (p - t) / t, positive where it says too far. `pixels`: [bins]. Pooled over
    all images; NaN where a bin has no pixel. predicted [K, ..], true [..], in metres.
    """
    ratio = (predicted - true) / true.clamp(min=1e-6)
    ends = (*DEPTH_EDGES[1:], float("inf"))
    bins = [(true > 0) & (true >= low) & (true < high) for low, high in zip(DEPTH_EDGES, ends, strict=True)]
    return {
        "pixels": torch.stack([pixels.sum() for pixels in bins]),
        "abs_rel": torch.stack([mean_over(ratio.abs(), pixels) for pixels in bins], dim=1),
        "bias": torch.stack([mean_over(ratio, pixels) for pixels in bins], dim=1),
    }


def all_metrics(predicted: Tensor, true: Tensor) -> dict[str, Tensor]:
    """Every metric for each range, `near_abs_rel` and so on, [K] each: AbsRel, SqRel (Eigen), RMSE in metres, RMSE of ln
    depth, SILog (lambda 1, x100), delta < 1.25, 1.25^2, 1.25^3 (strict). Pooled; NaN where the range has no pixel."""
    safe = true.clamp(min=1e-6)
    difference, log_ratio = predicted - true, predicted.log() - safe.log()
    ratio = torch.maximum(predicted / safe, safe / predicted)
    values = {
        "abs_rel": difference.abs() / safe,
        "sq_rel": difference.square() / safe,
        "rmse": difference.square(),
        "rmse_log": log_ratio.square(),
        "delta1": (ratio < 1.25).to(predicted.dtype),
        "delta2": (ratio < 1.25**2).to(predicted.dtype),
        "delta3": (ratio < 1.25**3).to(predicted.dtype),
    }
    result: dict[str, Tensor] = {}
    for which in RANGES:
        pixels = in_range(true, which)
        means = {name: mean_over(value, pixels) for name, value in values.items()}
        spread = log_ratio - mean_over(log_ratio, pixels).view(-1, *[1] * true.ndim)
        means["silog"] = 100.0 * mean_over(spread.square(), pixels).sqrt()
        means |= {name: means[name].sqrt() for name in ("rmse", "rmse_log")}
        result |= {f"{which}_{name}": means[name] for name in METRICS}
    return result


def mean_over(values: Tensor, pixels: Tensor) -> Tensor:
    """Mean of values [K, ..] where pixels [..]; whatever stands elsewhere does not matter. NaN without pixels."""
    kept = masked(values, bits_of(pixels, values.dtype)).flatten(1)
    return (kept.double().sum(1) / pixels.sum()).to(values.dtype)
