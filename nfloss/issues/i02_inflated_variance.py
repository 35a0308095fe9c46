"""Issue 2, critical: the weight sits inside the square.

Squaring weighted residuals inflates loss and gradients (25:1 instead of 5:1) and moves the converged level.
Fixes: weighted moments; or plain moments with SSI clamped, or with log1p of SSI.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nfloss.loss import Losses
from nfloss.numbers import Number
from nfloss.power_sums import TINY, WEIGHTED, PowerSums, variance_from
from nfloss.registry import Fix, Issue, Symptom, register
from nfloss.slots import Choice
from nfloss.symptoms import Bench, term_inflation


def weighted_moments(residual: Tensor, weights: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean sum(r*u)/sum(u) and variance sum(u*(r - mean)^2)/sum(u)."""
    return residual, weights * mask


def from_weighted_sums(sums: PowerSums) -> tuple[Tensor, Tensor]:
    """`weighted_moments` on power sums."""
    total = sums.zeroth[WEIGHTED].clamp(min=TINY)
    mean = sums.first[WEIGHTED] / total
    return mean, variance_from(mean, sums.second[WEIGHTED] / total)


def clamp(ssi: Tensor, *, ssi_minimum: Number, ssi_maximum: Number) -> Tensor:
    """SSI clamped to [1e-6, 1]; no gradient outside."""
    return ssi.clamp(min=ssi_minimum).clamp(max=ssi_maximum)  # two calls: each limit may be a float or a tensor


def log1p(ssi: Tensor) -> Tensor:
    """log(1 + SSI)."""
    return torch.log1p(ssi)


def ssi_inflation(losses: Losses, bench: Bench) -> Tensor:
    """SSI / unweighted SSI of the same prediction, mean over the batches, [K]."""
    return term_inflation(losses, bench)[0].mean(0)


WEIGHTED_MOMENTS = Choice("weighted", weighted_moments, from_weighted_sums)

SAYS = "Squaring weighted residuals inflates loss and gradients and moves the converged level."
FIXES = (
    Fix("2-1", "weighted-moments", "weighted mean and variance", {"moments": WEIGHTED_MOMENTS}, "document", "Solution 2-1"),
    Fix("2-2a", "clamped-ssi", "SSI clamped to [1e-6, 1]", {"squash": Choice("clamp", clamp)}, "document", "Solution 2-2"),
    Fix("2-2b", "log1p-ssi", "log(1 + SSI)", {"squash": Choice("log1p", log1p)}, "document", "Solution 2-2"),
)

register(
    Issue(2, "Inflated variance", "critical", SAYS, FIXES, Symptom("SSI against unweighted SSI", "ratio", "1", ssi_inflation))
)
