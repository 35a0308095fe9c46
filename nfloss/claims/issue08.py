"""The document's numbers about issue 8, recomputed."""

from __future__ import annotations

from nfloss.claims.claim import Claim, number, statement
from nfloss.claims.evidence import DOCUMENT_NEAR, gradients, residuals, scene, totals
from nfloss.configuration import Configuration
from nfloss.numbers import Numbers


def claims() -> list[Claim]:
    """The example of one error in two spaces, and the effect of standardising on the gradient."""
    return [*example(), *products(), *ranges(), *standardised()]


def example() -> list[Claim]:
    inverse, log = residuals(0.5, 0.4)
    _, two_centimetres = residuals(1.0, 0.98)
    by = "the loss's residual, 0.5 m seen as 0.4 m"
    return [
        number(8, "inverse-depth error of 0.5 m seen as 0.4 m, 1/m", 0.1, inverse, 1, by, 10),
        number(8, "log-depth error of 0.5 m seen as 0.4 m", -0.0202, log, 4, by, 10),
        number(8, "its depth error, m", 0.02, 0.5 - 0.4, 2, point=10),
        number(8, "an error of 0.02 m in centimetres", 20.0, 100.0 * 0.02, 0, point=10),
        number(8, "log(0.98 / 1.0)", -0.0202, two_centimetres, 4, "the loss's residual, 1 m seen as 0.98 m"),
        number(8, "the depth error behind log(0.98 / 1.0), cm", 20.0, 100.0 * (1.0 - 0.98), 0, point=10),
    ]


def products() -> list[Claim]:
    _, log = residuals(1.0, 0.98)
    return [
        number(8, "0.1 weighted by 2.477", 0.2477, 0.1 * DOCUMENT_NEAR, 4),
        number(8, "log(0.98) weighted by 2.477", -0.05, log * DOCUMENT_NEAR, 2),
    ]


def ranges() -> list[Claim]:
    """Issue 8 says -5 to 5 where issue 3 says -2 to 2."""
    numbers = Numbers()
    inverse, log = residuals(numbers.max_depth, numbers.min_depth)
    by = f"residuals of the loss, {numbers.max_depth:g} m seen as {numbers.min_depth:g} m"
    return [
        number(8, "largest inverse-depth residual, 1/m", 1.0, abs(inverse), 0, by),
        number(8, "largest log-depth residual", 5.0, abs(log), 0, by),
    ]


def gradient_norms(near_weight: float, *fixes: str) -> list[float]:
    """The gradient's norm in one scene with its full error, a tenth and a hundredth of it."""
    pred, gt = scene()
    configuration = Configuration.of(*fixes, near_weight=near_weight)
    return [gradients([configuration], gt + shrink * (pred - gt), gt).norm().item() for shrink in (1.0, 0.1, 0.01)]


def standardised() -> list[Claim]:
    equal, plain = gradient_norms(1.0, "8-1"), gradient_norms(1.0)
    five_to_one, baseline = gradient_norms(5.0, "8-1"), gradient_norms(5.0)
    growth, usual = five_to_one[2] / five_to_one[1], baseline[2] / baseline[1]
    (pred, gt), configuration = scene(), Configuration.of("8-1")
    whole, hundredth = (totals([configuration], gt + shrink * (pred - gt), gt).item() for shrink in (1.0, 0.01))
    stated = [
        (
            "with equal weights, standardised residuals (8-1) still train",
            f"gradient {equal[0]:.0e}, unstandardised {plain[0]:.2g}",
            equal[0] > 1e-3 * plain[0],
            "autograd, near_weight 1: mean 0 and deviation 1 whatever the error",
        ),
        (
            "the gradient (8-1, 5:1) settles as the error shrinks tenfold",
            f"{growth:.3g}-fold growth (baseline {usual:.2g})",
            growth < 2.0,
            "autograd, a tenth and a hundredth of one scene's errors",
        ),
        (
            "the loss (8-1, 5:1) falls as the error shrinks a hundredfold",
            f"{whole:.3g} to {hundredth:.3g}",
            hundredth < 0.5 * whole,
            "the loss of one scene with its errors and a hundredth of them",
        ),
    ]
    return [
        statement(8, quantity, "consistent losses", computed, holds, "harmful", by, 9)
        for quantity, computed, holds, by in stated
    ]
