"""The document's numbers about issue 3, recomputed."""

from __future__ import annotations

import math

import torch

from nfloss.claims.claim import Claim, number, statement
from nfloss.claims.evidence import DOCUMENT_NEAR, NCDB_NEAR, choice_of, near_and_far, residuals, weights_at
from nfloss.configuration import Configuration
from nfloss.loss import Losses
from nfloss.numbers import Numbers
from nfloss.slots import batch_mean


def claims() -> list[Claim]:
    """The residuals' ranges, the effect of a factor on each term, and which of 3-1's clamps have an effect."""
    return [*ranges(), *amplification(), *clamps()]


def ranges() -> list[Claim]:
    """The largest residuals between the loss's depth limits, and 10 % too deep at 0.2 m and at 5 m."""
    numbers, by = Numbers(), "residuals of the loss"
    inverse, log = map(abs, residuals(numbers.min_depth, numbers.max_depth))
    largest = f"{by}, {numbers.min_depth:g} m seen as {numbers.max_depth:g} m"
    claims = [
        number(3, "largest inverse-depth residual, 1/m", 1.0, inverse, 0, largest),
        number(3, "largest log-depth residual", 2.0, log, 0, largest),
    ]
    for true, seen in ((0.2, 0.22), (5.0, 5.5)):
        inverse, log = map(abs, residuals(true, seen))
        quantity = f"log-depth residuals exceed inverse-depth ones, 10 % error at {true:g} m"
        computed = f"{log:.3f} against {inverse:.3f} 1/m"
        claims.append(statement(3, quantity, "larger", computed, log > inverse, shown_by=by))
    return claims


def amplification() -> list[Claim]:
    """The factors on the two terms when every weight is 2.477, not normalised, instead of 1."""
    gt = near_and_far(10, 10)
    pred = gt * torch.linspace(0.9, 1.1, 10, dtype=torch.float64)
    losses = Losses([Configuration.of("1-2", near_weight=weight) for weight in (1.0, DOCUMENT_NEAR)])
    terms = losses.terms(torch.stack([pred] * 2), gt)
    ssi, silog = ((weighted / plain).item() for plain, weighted in (terms.ssi, terms.silog))
    quantity, computed = "one weight amplifies SILog more than SSI", f"SILog {silog:.3g}-fold, SSI {ssi:.3g}-fold"
    by = "the loss with every weight 2.477: SILog has a square root, SSI has none"
    return [statement(3, quantity, "excessive in log space", computed, silog > ssi, shown_by=by)]


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
