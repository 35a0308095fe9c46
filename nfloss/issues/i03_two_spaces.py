"""Issue 3, critical: one normalisation for two spaces.

Inverse-depth residuals are small, log-depth residuals large; the same weights amplify the second too much.
Fix: SSI takes w / mean(w) in [0.5, 5], SILog takes sqrt(w) / mean(sqrt(w)) in [0.7, 2].
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from nfloss.claims import Claim
from nfloss.registry import Fix, Issue, register
from nfloss.slots import Choice, Number
from nfloss.symptoms import Symptom


def per_space(weights: Tensor, mean: Callable[[float], Number]) -> tuple[Tensor, Tensor]:
    """Linear weights for SSI, their square root for SILog, each by its own mean and clamped."""
    ssi = (weights / (mean(1.0) + 1e-8)).clamp(0.5, 5.0)
    silog = (weights.sqrt() / (mean(0.5) + 1e-8)).clamp(0.7, 2.0)
    return ssi, silog


def claims() -> list[Claim]:
    """The document's numbers about this issue."""
    return []


ISSUE = register(
    Issue(
        number=3,
        title="One normalisation for two spaces",
        severity="critical",
        says="Log-depth residuals are larger than inverse-depth ones; the same weights amplify them too much.",
        fixes=(
            Fix(
                "3-1",
                "per-space",
                "w for SSI, sqrt(w) for SILog, each clamped",
                {"temper": Choice("per space", per_space)},
                source="Issue 3, solution",
            ),
        ),
        symptom=Symptom("amplification of SILog against that of SSI", "ratio", "below the baseline's"),
        claims=claims,
    )
)
