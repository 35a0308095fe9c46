"""The loss computed from sums over the pixels: sum v, sum v r and sum v r^2 of a residual r, where v is 1, u or u^2.

The built-in choices of `residual` shift and scale r; those of `moments` take its mean and mean square. So a row of the loss
depends on its pixels only through these sums: one pass over the pixels computes them all, and the rest is arithmetic on one
number per row. Sums are float64: where the mean is a thousand standard deviations, E[x^2] - E[x]^2 loses six of sixteen digits
and long sums lose a few more; more digits remain than float32 residuals have.

`Choice.by_sums` is the function that works on sums. This module has those of the baseline, and `Summing`, the interface
between the loss and machine code for one device.

Shapes: S scales of P_s pixels each; P pixels of all scales, one scale after another; D distinct weightings; R rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

SumsOf = Callable[[float], Tensor]

TINY = torch.finfo(torch.float64).tiny
PLAIN, WEIGHTED, SQUARED = range(3)  # the weights 1, u and u^2


@dataclass(frozen=True)
class PowerSums:
    """Sums of v, v r and v r^2 over the pixels, each float64 [3, 2, S, R]: weights v, spaces, scales, rows."""

    zeroth: Tensor
    first: Tensor
    second: Tensor

    @property
    def count(self) -> Tensor:
        """Number of pixels in the mask, at least 1, [2, S, R]."""
        return self.zeroth[PLAIN].clamp(min=1.0)

    def scaled(self, factor: Tensor) -> PowerSums:
        """The sums of factor * r; [2, S, R]."""
        return PowerSums(self.zeroth, factor * self.first, factor.square() * self.second)

    def shifted(self, by: Tensor) -> PowerSums:
        """The sums of r - by; [2, S, R]."""
        first = self.first - by * self.zeroth
        return PowerSums(self.zeroth, first, self.second - by * (self.first + first))


def variance_from(mean: Tensor, squared: Tensor) -> Tensor:
    """Variance from mean and mean square; clamped, because rounding can make it negative."""
    return (squared - mean.square()).clamp(min=0.0)


# --- residual: the sums of r -> the sums of the changed residual --------------------------------------------------------


def unchanged(sums: PowerSums) -> PowerSums:
    """The residual as it is."""
    return sums


# --- moments: sums -> mean and variance, both [2, S, R] -----------------------------------------------------------------


def of_weighted_residuals(sums: PowerSums) -> tuple[Tensor, Tensor]:
    """Plain mean and variance of the products r*u."""
    mean = sums.first[WEIGHTED] / sums.count
    return mean, variance_from(mean, sums.second[SQUARED] / sums.count)


# --- normalise: (power -> sums of 1, v and v^2 with v = w**power, [3, S, D]; power) -> mean of v, [S, D] -----------------


def mean_of_weights(sums_of: SumsOf, power: float) -> Tensor:
    """Mean over the pixels in the mask; 1 where there are none."""
    zeroth = sums_of(power)
    mean = zeroth[WEIGHTED] / zeroth[PLAIN].clamp(min=1.0)
    return torch.where(mean > 0, mean, 1.0)


# --- temper: mean of weights ** power -> the weights of SSI and of SILog, as curves -------------------------------------


@dataclass(frozen=True)
class Curve:
    """Final weights: raw weights to a power, times a factor (a number or [S, D]), clamped to limits."""

    power: float
    factor: Tensor | float
    limits: tuple[float, float] = (-math.inf, math.inf)


def divided_in_both(mean: Callable[[float], Tensor | float]) -> tuple[Curve, Curve]:
    """Weights divided by their mean, the same in both spaces."""
    curve = Curve(1.0, 1.0 / mean(1.0))
    return curve, curve


# --- how a device computes the sums: Summing ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Weighting:
    """The mask (1.0 or 0.0) and the raw weights to a power, for SSI and for SILog; each [P]."""

    mask: Tensor
    ssi: Tensor
    silog: Tensor


@dataclass(frozen=True)
class Weightings:
    """D weightings, the scales' sizes P_s, and factor, lower and upper limit of each weighting in each space at each scale,
    `curves` [3, 2, S, D] float64. The final weight u is the weighting's value times the factor, clamped to the limits."""

    pieces: Sequence[Weighting]
    sizes: tuple[int, ...]
    curves: Tensor


@dataclass(frozen=True)
class PixelRows:
    """The rows of one call: true inverse depth [P] in 1/m, and for each row its weighting and the place of its prediction:
    the index of the piece, and the row in that piece. Residuals are 0 outside the mask of the weighting."""

    inverse: Tensor
    limits: tuple[float, float]
    weightings: Weightings
    weighting_of: tuple[int, ...]
    places: tuple[tuple[int, int], ...]


class Summing(Protocol):
    """Computes the sums, in float64 for pixels of any type."""

    def takes(self, tensors: Sequence[Tensor]) -> bool:
        """Whether it supports the device and type of these tensors."""

    def of_weights(self, weightings: Weightings) -> Tensor:
        """Sums of 1, u and u^2 over the masked-in pixels, [3, 2, S, D]: weights, spaces, scales, weightings."""

    def of_residuals(self, rows: PixelRows, preds: Sequence[Sequence[Tensor]]) -> Tensor:
        """Sums of v r and v r^2 with v = 1, u and u^2, [2, 3, 2, S, R]; each piece of `preds` has [k, P_s] at each scale.

        r is p - g and log g - log p, clamped to the limits before the logarithm. Differentiable in the predictions."""
