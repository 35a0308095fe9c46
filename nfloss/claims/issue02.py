"""The document's numbers about issue 2, recomputed."""

from __future__ import annotations

import torch
from torch import Tensor

from nfloss.claims.claim import Claim, magnitude, number, statement
from nfloss.claims.evidence import (
    DOCUMENT_FAR,
    DOCUMENT_NEAR,
    choice_of,
    column,
    gradients,
    image,
    mean_square,
    near_and_far,
    scene,
    totals,
)
from nfloss.configuration import Configuration
from nfloss.loss import Losses
from nfloss.numbers import Numbers
from nfloss.slots import BASELINE, Choice
from nfloss.terms import moments, scale_shift_invariant

RESIDUALS = column([0.01, 0.02, 0.015])  # near, far, near
NORMALISED = column([DOCUMENT_NEAR, DOCUMENT_FAR, DOCUMENT_NEAR])
ALL = column([1.0, 1.0, 1.0])
BY_MOMENTS = "the loss's moments of the three residuals"


def claims() -> list[Claim]:
    """The example's moments, the weighted mean, and what the three fixes do."""
    return [*example(), *inflation(), *weighted_mean(), *squashes(), *cancelled_constants(), *squared_weights()]


def statistics(choice: Choice, weights: Tensor) -> tuple[float, float, float]:
    """Mean, variance and SSI of the example's residuals."""
    mean, variance = moments(*choice(Numbers(), RESIDUALS, weights, ALL))
    return mean.item(), variance.item(), scale_shift_invariant(mean, variance, Numbers().alpha).item()


def example() -> list[Claim]:
    mean, variance, ssi = statistics(BASELINE["moments"], ALL)
    w_mean, w_variance, w_ssi = statistics(BASELINE["moments"], NORMALISED)
    products = (RESIDUALS * NORMALISED).tolist()
    stated = zip(("first near", "far", "second near"), (0.02477, 0.0099, 0.03716), (5, 4, 5), products, strict=True)
    return [
        number(2, "mean of the residuals 0.01, 0.02, 0.015", 0.015, mean, 3, BY_MOMENTS),
        number(2, "their variance", 0.0001, variance, 4, BY_MOMENTS, 2),
        number(2, "their SSI", 0.000191, ssi, 6, BY_MOMENTS, 2),
        number(2, "the document's own sum 0.0001 + 0.85 * 0.000225", 0.000191, 0.0001 + Numbers().alpha * 0.000225, 6, point=2),
        *(number(2, f"weighted residual, {name} pixel", claimed, value, digits) for name, claimed, digits, value in stated),
        number(2, "mean of the weighted residuals", 0.02388, w_mean, 5, BY_MOMENTS),
        number(2, "its square", 0.000570, w_mean**2, 6, BY_MOMENTS),
        number(2, "variance of the weighted residuals", 0.000254, w_variance, 6, BY_MOMENTS, 2),
        number(2, "SSI of the weighted residuals", 0.000738, w_ssi, 6, BY_MOMENTS, 2),
    ]


def inflation() -> list[Claim]:
    _, variance, ssi = statistics(BASELINE["moments"], ALL)
    _, w_variance, w_ssi = statistics(BASELINE["moments"], NORMALISED)
    return [
        number(2, "weighting multiplies the variance by", 2.5, w_variance / variance, 1, BY_MOMENTS, 2),
        number(2, "weighting multiplies SSI by", 4.0, w_ssi / ssi, 0, BY_MOMENTS, 2),
    ]


def weighted_mean() -> list[Claim]:
    mean, _, _ = statistics(choice_of("2-1", "moments"), column([5.0, 1.0, 5.0]))
    return [
        number(2, "the document's own sum 0.01 * 0.8 + 0.02 * 0.2", 0.012, 0.01 * 0.8 + 0.02 * 0.2, 3),
        number(2, "weighted mean of the three residuals", 0.012, mean, 3, "2-1's moments with weights 5, 1, 5"),
    ]


def squashes() -> list[Claim]:
    """2-2b at the document's loss level; 2-2a above and below its limits, on one image whose SSI is known."""
    level = torch.tensor(0.0008, dtype=torch.float64)
    change = 1.0 - (choice_of("2-2b", "squash")(Numbers(), level) / level).item()
    quantity, claimed, by = "log1p (2-2b) changes an SSI of 0.0008", "brings it in range", "log1p(x) / x"
    claims = [statement(2, quantity, claimed, f"by {change:.2%}", change > 0.01, "does nothing", by, 3)]
    gt = image([1.5, 2.0, 3.0, 4.0])
    configurations = [mean_square("2-2a"), mean_square()]
    for name, error in (("1.44", 1.2), ("2.5e-7", 5e-4)):
        clamped, plain = (g.norm().item() for g in gradients(configurations, gt + error, gt))
        quantity = f"gradient under the clamp (2-2a) where SSI is {name}"
        computed = f"{clamped:.2g} (unclamped {plain:.2g})"
        claims.append(statement(2, quantity, "in range", computed, clamped > 0, "harmful", "autograd", 3))
    return claims


def cancelled_constants() -> list[Claim]:
    pred, gt = scene()
    configurations = [Configuration.of("2-1", *more) for more in ((), ("1-1",), ("1-2",), ("1-3",))]
    reference, *others = gradients(configurations, pred, gt)
    difference = max((other - reference).norm().item() for other in others) / reference.norm().item()
    quantity, computed = "with 2-1, issues 1 and 10's constants change the gradient", f"by {magnitude(difference)} of it"
    by = "autograd: 2-1 alone and with 1-1, 1-2, 1-3"
    return [statement(2, quantity, "all are needed", computed, difference > 1e-9, "does nothing", by, 4)]


def squared_weights() -> list[Claim]:
    """Near against far gradient for equal errors; SILog (lambda 1) of a prediction that is wrong by a factor 2."""
    gt = near_and_far(254, 1000)
    ratios = [(g[0] / g[-1]).item() for g in gradients([mean_square(), mean_square("2-1")], gt + 0.1, gt)]
    configurations = [Configuration.of(silog_lambda=1.0, **extra) for extra in ({"near_weight": 1.0}, {})]
    plain, weighted = Losses(configurations).terms((2.0 * gt).expand(2, *gt.shape), gt).silog.tolist()
    both = totals([Configuration.of("2-1", silog_lambda=1.0, ssi_weight=0.0, silog_weight=1.0)], 2.0 * gt, gt).item()
    by, claimed = "SILog with lambda 1 of a prediction twice too large", f"{plain:.2g}, as unweighted"
    ignores, ignores_it = weighted < 2 * plain, both < 2 * plain
    return [
        number(2, "near against far gradient for the same error", 5.0, ratios[0], 0, "autograd, SSI with alpha 1", 18),
        number(2, "the same with weighted moments (2-1)", 5.0, ratios[1], 0, "autograd, SSI with alpha 1"),
        statement(2, "weighted SILog ignores a constant factor", claimed, f"{weighted:.3g}", ignores, "harmful", by, 18),
        statement(2, "SILog with weighted moments (2-1) ignores it", claimed, f"{both:.2g}", ignores_it, shown_by=by),
    ]
