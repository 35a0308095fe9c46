"""The document's numbers about issue 3, recomputed."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nfloss.claims.claim import Claim, number, statement
from nfloss.claims.evidence import DOCUMENT_NEAR, NCDB_NEAR, choice_of, image, near_and_far, weights_at
from nfloss.configuration import Configuration
from nfloss.loss import Losses
from nfloss.numbers import Numbers
from nfloss.slots import batch_mean
from nfloss.terms import Target


def claims() -> list[Claim]:
    """The residuals' ranges, the effect of a factor on each term, and which of 3-1's clamps have an effect."""
    return [*ranges(), *amplification(), *clamps()]


def residuals(true_depth: float, predicted_depth: float) -> tuple[float, float]:
    """|Inverse-depth residual| in 1/m and |log-depth residual| of one pixel."""
    numbers = Numbers()
    target = Target.of(image([true_depth]), None, numbers.min_depth, numbers.max_depth)
    inverse, log = target.residuals(image([predicted_depth]).flatten(1))
    return abs(inverse.item()), abs(log.item())


def ranges() -> list[Claim]:
    """The largest residuals between the loss's depth limits, and 10 % too deep at 0.2 m and at 5 m."""
    numbers = Numbers()
    inverse, log = residuals(numbers.min_depth, numbers.max_depth)
    near_inverse, near_log = residuals(0.2, 0.22)
    far_inverse, far_log = residuals(5.0, 5.5)
    by = f"residuals of the loss, {numbers.min_depth:g} m seen as {numbers.max_depth:g} m"
    return [
        number(3, "largest inverse-depth residual, 1/m", 1.0, inverse, 0, by),
        number(3, "largest log-depth residual", 2.0, log, 0, by),
        statement(
            3,
            "log-depth residuals exceed inverse-depth ones, 10 % error at 0.2 m",
            "larger",
            f"{near_log:.3f} against {near_inverse:.3f} 1/m",
            near_log > near_inverse,
            shown_by="residuals of the loss",
        ),
        statement(
            3,
            "log-depth residuals exceed inverse-depth ones, 10 % error at 5 m",
            "larger",
            f"{far_log:.3f} against {far_inverse:.3f} 1/m",
            far_log > far_inverse,
            shown_by="residuals of the loss",
        ),
    ]


def amplification() -> list[Claim]:
    """The factors on the two terms when every weight is 2.477, not normalised, instead of 1."""
    gt = near_and_far(10, 10)
    pred = gt * torch.linspace(0.9, 1.1, 10, dtype=torch.float64)
    terms = Losses([Configuration.of("1-2", near_weight=weight) for weight in (1.0, DOCUMENT_NEAR)]).terms(
        torch.stack([pred] * 2), gt
    )
    ssi, silog = (ratio(term) for term in (terms.ssi, terms.silog))
    return [
        statement(
            3,
            "one weight amplifies SILog more than SSI",
            "excessive in log space",
            f"SILog {silog:.3g}-fold, SSI {ssi:.3g}-fold",
            silog > ssi,
            shown_by="the loss with every weight 2.477: SILog has a square root, SSI has none",
        )
    ]


def ratio(pair: Tensor) -> float:
    return (pair[1] / pair[0]).item()


def clamps() -> list[Claim]:
    """3-1's weights at NCDB's share of near pixels, with and without clamps."""
    weights = weights_at(NCDB_NEAR, "3-1")
    raw, mask = weights.raw, weights.mask
    free_ssi, free_log = raw / batch_mean(raw, mask, 1.0), raw.sqrt() / batch_mean(raw, mask, 0.5)
    claims = []
    for quantity, clamped, free in (
        ("near SSI weight", weights.ssi[0, 0], free_ssi[0, 0]),
        ("far SSI weight", weights.ssi[0, -1], free_ssi[0, -1]),
        ("near SILog weight", weights.silog[0, 0], free_log[0, 0]),
        ("far SILog weight", weights.silog[0, -1], free_log[0, -1]),
    ):
        moved = abs(clamped.item() / free.item() - 1.0)
        computed = f"{free.item():.3f} becomes {clamped.item():.3f}"
        by = f"{choice_of('3-1', 'temper').name} weights at 25.4 % near, with and without clamp"
        claims.append(
            statement(3, f"the clamp controls an extreme {quantity}", "bounded", computed, moved > 0.02, "does nothing", by, 14)
        )
    left = weights.silog[0, 0].item() / weights.silog[0, -1].item()
    root = math.sqrt(Numbers().near_weight)
    by = "3-1's weights at 25.4 % near: what is left of the fix"
    kept = abs(left - root) < 1e-6
    return [*claims, statement(3, "near against far in SILog with 3-1", "sqrt(5)", f"{left:.4g}", kept, shown_by=by)]
