"""The loss as algebra of a few sums over the pixels: sum v, sum v r and sum v r^2 of a residual r, where v is 1, u or u^2.

The built-in choices for the residual shift and scale r, those for the moments are means and mean squares of it. So a row of the
loss depends on its pixels through these sums alone: one pass over the pixels takes them all, and the rest is arithmetic on one
number per row. Sums are float64: where the mean is a thousand standard deviations, E[x^2] - E[x]^2 loses six of sixteen digits
and some to the length of the sums; more are left than float32 residuals have.

A choice has its form on sums beside its function (`Choice.by_sums`). Here are the baseline's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

SumsOf = Callable[[float], Tensor]

TINY = torch.finfo(torch.float64).tiny
PLAIN, WEIGHTED, SQUARED = range(3)  # the weights 1, u and u^2


@dataclass(frozen=True)
class PowerSums:
    """Sums over a row's pixels of v, v r and v r^2, [3, 2, S, R] float64 each: weights v, spaces, scales, rows."""

    zeroth: Tensor
    first: Tensor
    second: Tensor

    @property
    def count(self) -> Tensor:
        """Pixels that count, at least 1, [2, S, R]."""
        return self.zeroth[PLAIN].clamp(min=1.0)

    def scaled(self, factor: Tensor) -> PowerSums:
        """The sums of factor * r; [2, S, R]."""
        return PowerSums(self.zeroth, factor * self.first, factor.square() * self.second)

    def shifted(self, by: Tensor) -> PowerSums:
        """The sums of r - by; [2, S, R]."""
        first = self.first - by * self.zeroth
        return PowerSums(self.zeroth, first, self.second - by * (self.first + first))


def spread(mean: Tensor, squared: Tensor) -> Tensor:
    """Variance of a mean and a mean square; rounding may leave less than nothing."""
    return (squared - mean.square()).clamp(min=0.0)


# --- residual: the sums of r -> those of what becomes of r -------------------------------------------------------------


def unchanged(sums: PowerSums) -> PowerSums:
    """The residual as it is."""
    return sums


# --- moments: sums -> mean and variance, [2, S, R] both -------------------------------------------------------------------


def of_weighted_residuals(sums: PowerSums) -> tuple[Tensor, Tensor]:
    """Plain mean and variance of the products r*u."""
    mean = sums.first[WEIGHTED] / sums.count
    return mean, spread(mean, sums.second[SQUARED] / sums.count)


# --- normalise: (a function that gives the sums of 1, v and v^2, v = w**power, [3, S, D]; power) -> mean of v, [S, D] --------


def mean_of_weights(sums_of: SumsOf, power: float) -> Tensor:
    """Mean over the pixels that count; 1 where there are none."""
    zeroth = sums_of(power)
    mean = zeroth[WEIGHTED] / zeroth[PLAIN].clamp(min=1.0)
    return torch.where(mean > 0, mean, 1.0)


# --- temper: mean of weights ** power -> what becomes of the weights in SSI and in SILog ------------------------------------


@dataclass(frozen=True)
class Curve:
    """Weights to a power, times a factor (a number, or [S, D]), between limits."""

    power: float
    factor: Tensor | float
    limits: tuple[float, float] = (-math.inf, math.inf)


def divided_in_both(mean: Callable[[float], Tensor | float]) -> tuple[Curve, Curve]:
    """Divided by their mean."""
    curve = Curve(1.0, 1.0 / mean(1.0))
    return curve, curve
