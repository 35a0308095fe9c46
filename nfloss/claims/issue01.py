"""The document's numbers about issue 1, recomputed."""

from __future__ import annotations

from nfloss.claims.claim import Claim, number, statement
from nfloss.claims.evidence import NCDB_NEAR, gradients, mean_square, near_and_far, weights_at
from nfloss.numbers import Numbers

BY_WEIGHTS = "the baseline's weights on 10,000 pixels"


def claims() -> list[Claim]:
    """Mean weights, normalised weights, the fixed mean, and the factors on the gradient."""
    return [*mean_weights(), *normalised_weights(), *fixed_mean(), *gradient_factors(), *between_batches()]


def mean_weights() -> list[Claim]:
    stated = [
        ("25.4", NCDB_NEAR, 2.018, 3),
        ("40", 0.40, 2.2, 1),
        ("10", 0.10, 1.1, 1),
        ("15", 0.15, 1.75, 2),
        ("25", 0.25, 1.75, 2),
    ]
    return [
        number(1, f"mean weight at {percent} % near", claimed, weights_at(share).raw.mean().item(), decimals, BY_WEIGHTS, 1)
        for percent, share, claimed, decimals in stated
    ]


def normalised_weights() -> list[Claim]:
    """u = w / mean(w) of a near (pixel 0) and of a far pixel (pixel -1)."""
    stated = [
        ("near weight, normalised, at 25.4 % near", NCDB_NEAR, 0, 2.477, 3),
        ("far weight, normalised, at 25.4 % near", NCDB_NEAR, -1, 0.495, 3),
        ("near weight, normalised, at 40 % near", 0.40, 0, 2.27, 2),
        ("far weight, normalised, at 40 % near", 0.40, -1, 0.45, 2),
        ("near weight, normalised, at 10 % near", 0.10, 0, 4.54, 2),
        ("near weight, normalised, at 15 % near", 0.15, 0, 2.86, 2),
        ("far weight, normalised, at 15 % near", 0.15, -1, 0.57, 2),
    ]
    return [
        number(1, quantity, claimed, weights_at(share).ssi[0, pixel].item(), decimals, BY_WEIGHTS, 1)
        for quantity, share, pixel, claimed, decimals in stated
    ]


def fixed_mean() -> list[Claim]:
    numbers, mean = Numbers(), weights_at(NCDB_NEAR).raw.mean().item()
    share = (numbers.expected_weight_mean - 1.0) / (numbers.near_weight - 1.0)
    fixed = weights_at(share, "1-1")
    by, claimed = "1-1's weights where their mean is 1.75", "1.75 for NCDB (25.4 % near)"
    holds = abs(mean - numbers.expected_weight_mean) < 0.005
    return [
        number(1, "near share whose mean weight is 1.75, %", 25.0, 100.0 * share, 0, f"mean there: {fixed.raw.mean():.4g}", 1),
        number(1, "near weight divided by 1.75", 2.857, fixed.ssi[0, 0].item(), 3, by),
        number(1, "far weight divided by 1.75", 0.571, fixed.ssi[0, -1].item(), 3, by),
        statement(1, "1.75 is the data set's mean weight", claimed, f"{mean:.4g}", holds, shown_by=BY_WEIGHTS, point=1),
    ]


def gradient_factors() -> list[Claim]:
    """With equal errors everywhere, the gradient of the weighted mean square divided by that of the unweighted one."""
    gt = near_and_far(254, 1000)
    weighted, unweighted = gradients([mean_square(), mean_square(near_weight=1.0)], gt + 0.1, gt)
    by = "autograd: the gradient has the square of the normalised weight"
    return [
        number(1, "factor on a near pixel's gradient", 2.477, (weighted / unweighted)[0].item(), 3, by, 18),
        number(1, "factor on a far pixel's gradient", 0.495, (weighted / unweighted)[-1].item(), 3, by, 18),
    ]


def between_batches() -> list[Claim]:
    """A near pixel's normalised weight in a batch with 10 % and in one with 40 % near pixels."""
    few, many = near_weights()
    text = f"{few:.3g} at 10 %, {many:.3g} at 40 %"
    claims = [statement(1, "the batch's near share moves the near weight", "yes", text, few > many, shown_by=BY_WEIGHTS)]
    for fix, name in (("1-1", "a fixed mean"), ("1-2", "no normalisation")):
        few, many = near_weights(fix)
        quantity, text = f"{name} ({fix}) makes it the same in every batch", f"{few:.4g} and {many:.4g}"
        claims.append(statement(1, quantity, "yes", text, few == many, shown_by=BY_WEIGHTS))
    unnormalised = weights_at(0.25, "1-2").ssi[0]
    ratio = (unnormalised[0] / unnormalised[-1]).item()
    return [*claims, number(1, "near against far without normalisation (1-2)", 5.0, ratio, 1, BY_WEIGHTS)]


def near_weights(*fixes: str) -> tuple[float, float]:
    return weights_at(0.10, *fixes).ssi[0, 0].item(), weights_at(0.40, *fixes).ssi[0, 0].item()
