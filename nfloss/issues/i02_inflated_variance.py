"""Issue 2, critical: the weight sits inside the square.

Squaring weighted residuals inflates loss and gradients (25:1 instead of 5:1) and moves the converged level.
Fixes: weighted moments; or plain moments with SSI clamped or put through log1p.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nfloss.claims import Claim
from nfloss.registry import Fix, Issue, register
from nfloss.slots import Choice, Number
from nfloss.symptoms import Symptom


def weighted_moments(residual: Tensor, weights: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean sum(r*u)/sum(u) and variance sum(u*(r - mean)^2)/sum(u)."""
    return residual, weights * mask


def clamp(ssi: Tensor, *, ssi_minimum: Number, ssi_maximum: Number) -> Tensor:
    """SSI clamped to [1e-6, 1]: no gradient outside."""
    return torch.clamp(ssi, min=torch.as_tensor(ssi_minimum).to(ssi), max=torch.as_tensor(ssi_maximum).to(ssi))


def log1p(ssi: Tensor) -> Tensor:
    """log(1 + SSI)."""
    return torch.log1p(ssi)


def claims() -> list[Claim]:
    """The document's numbers about this issue."""
    return []


ISSUE = register(
    Issue(
        number=2,
        title="Inflated variance",
        severity="critical",
        says="Squaring weighted residuals inflates loss and gradients and moves the converged level.",
        fixes=(
            Fix(
                "2-1",
                "weighted-moments",
                "weighted mean and variance",
                {"moments": Choice("weighted", weighted_moments)},
                source="Solution 2-1",
            ),
            Fix("2-2a", "clamped-ssi", "SSI clamped to [1e-6, 1]", {"squash": Choice("clamp", clamp)}, source="Solution 2-2"),
            Fix("2-2b", "log1p-ssi", "log(1 + SSI)", {"squash": Choice("log1p", log1p)}, source="Solution 2-2"),
        ),
        symptom=Symptom("SSI against unweighted SSI", "ratio", "1"),
        claims=claims,
    )
)
