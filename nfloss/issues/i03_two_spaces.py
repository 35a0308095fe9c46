"""Issue 3, critical: one normalisation for two spaces.

Inverse-depth residuals are small, log-depth residuals large; the same weights amplify the second too much.
Fix: SSI takes w / mean(w) in [0.5, 5], SILog takes sqrt(w) / mean(sqrt(w)) in [0.7, 2].
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from nfloss.loss import Losses
from nfloss.numbers import Number
from nfloss.power_sums import Curve
from nfloss.registry import Fix, Issue, Symptom, register
from nfloss.slots import Choice
from nfloss.symptoms import Bench, term_inflation


def per_space(weights: Tensor, mean: Callable[[float], Number]) -> tuple[Tensor, Tensor]:
    """Linear weights for SSI, their square root for SILog; each divided by its own mean, then clamped."""
    ssi = (weights / (mean(1.0) + 1e-8)).clamp(0.5, 5.0)
    silog = (weights.sqrt() / (mean(0.5) + 1e-8)).clamp(0.7, 2.0)
    return ssi, silog


def curve_per_space(mean: Callable[[float], Number]) -> tuple[Curve, Curve]:
    """`per_space` on power sums."""
    return Curve(1.0, 1.0 / (mean(1.0) + 1e-8), (0.5, 5.0)), Curve(0.5, 1.0 / (mean(0.5) + 1e-8), (0.7, 2.0))


def relative_amplification(losses: Losses, bench: Bench) -> Tensor:
    """SILog's amplification divided by that of sqrt(SSI), mean over the batches, [K].

    Amplification is the term divided by its unweighted value. SILog is a root of squares, so SSI's root is compared with it.
    """
    ssi, silog = term_inflation(losses, bench)
    return (silog / ssi.sqrt()).mean(0)


PER_SPACE = Choice("per space", per_space, curve_per_space)

SAYS = "Log-depth residuals are larger than inverse-depth ones; the same weights amplify them too much."
FIXES = (
    Fix(
        "3-1", "per-space", "w for SSI, sqrt(w) for SILog, each clamped", {"temper": PER_SPACE}, "document", "Issue 3, solution"
    ),
)
SYMPTOM = Symptom(
    "amplification of SILog against that of the root of SSI", "ratio", "below the baseline's", relative_amplification
)

register(Issue(3, "One normalisation for two spaces", "critical", SAYS, FIXES, SYMPTOM))
