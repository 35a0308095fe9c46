"""Issue 1, critical: weights are divided by the batch's own mean weight.

So the scale of loss and gradient depends on the share of near pixels in each batch.
Fixes: a fixed mean (1.75 in the document), no normalisation, or the mean measured on the training set.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nfloss.loss import Losses
from nfloss.numbers import Number
from nfloss.power_sums import SumsOf
from nfloss.registry import Fix, Issue, Symptom, register
from nfloss.slots import Choice
from nfloss.symptoms import Bench, pixel_gradients, valid_pixels, without_weights

NEAR = 1.0  # metres: where the symptom measures, for any threshold of a configuration


def constant_mean(weights: Tensor, mask: Tensor, power: float, *, expected_weight_mean: Number, near_weight: Number) -> Number:
    """The configured mean weight; for other powers, the mean of `weights ** power` with the same share of near pixels."""
    return implied_mean(expected_weight_mean, near_weight, power)


def dataset_mean(weights: Tensor, mask: Tensor, power: float, *, dataset_weight_mean: Number, near_weight: Number) -> Number:
    """The mean weight measured on the training set; for other powers as `constant_mean`."""
    return implied_mean(dataset_weight_mean, near_weight, power)


def implied_mean(mean: Number, near_weight: Number, power: float) -> Number:
    """The mean of w**power, where w is `near_weight` for a share f of the pixels, else 1, and E[w] = `mean`.

    >>> round(implied_mean(2.0, 5.0, 0.5), 4)  # f = 1/4: 1 + (sqrt(5) - 1) / 4
    1.309
    """
    if power == 1.0:
        return mean
    gap = near_weight - 1.0
    share = (mean - 1.0) / gap if isinstance(gap, Tensor) or gap != 0 else 0.0
    return 1.0 + (near_weight**power - 1.0) * share


def no_normalisation(weights: Tensor, mask: Tensor, power: float) -> float:
    """Weights are not divided: 5 and 1."""
    return 1.0


def constant_of_sums(sums_of: SumsOf, power: float, *, expected_weight_mean: Number, near_weight: Number) -> Number:
    """`constant_mean` on power sums."""
    return implied_mean(expected_weight_mean, near_weight, power)


def dataset_of_sums(sums_of: SumsOf, power: float, *, dataset_weight_mean: Number, near_weight: Number) -> Number:
    """`dataset_mean` on power sums."""
    return implied_mean(dataset_weight_mean, near_weight, power)


def nothing_of_sums(sums_of: SumsOf, power: float) -> float:
    """`no_normalisation` on power sums."""
    return 1.0


def gradient_scale_variation(losses: Losses, bench: Bench) -> Tensor:
    """Coefficient of variation, between batches, of the factor that weighting puts on a near pixel's gradient, [K].

    The factor is the root mean square of d total / d prediction over pixels nearer than 1 m, divided by that of the unweighted
    loss on the same batch, which removes the effect of the batch's errors. Batches without near pixels are left out; NaN where
    fewer than two are left.
    """
    plain, factors = without_weights(losses), []
    for prediction, truth in bench.batches():
        near = (truth.flatten() > 1.0 / NEAR) & valid_pixels(truth)
        if near.any():
            own, reference = (pixel_gradients(which, prediction, truth)[1][:, near] for which in (losses, plain))
            factors.append((own.square().mean(-1) / reference.square().mean(-1)).sqrt())
    if len(factors) < 2:
        return torch.full((len(losses.configurations),), torch.nan)
    scale = torch.stack(factors)
    return scale.std(0) / scale.mean(0)


FIXED = Choice("constant", constant_mean, constant_of_sums)
UNDIVIDED = Choice("nothing", no_normalisation, nothing_of_sums)
MEASURED = Choice("data-set mean", dataset_mean, dataset_of_sums)

SAYS = "Dividing by the batch's own mean weight makes the gradient scale depend on the batch's share of near pixels."
FIXES = (
    Fix("1-1", "fixed-mean", "divide by the constant 1.75", {"normalise": FIXED}, "document", "Solution 1-1"),
    Fix("1-2", "no-normalisation", "do not divide", {"normalise": UNDIVIDED}, "document", "Solution 1-2"),
    Fix(
        "1-3",
        "dataset-mean",
        "divide by the mean weight measured on the training set",
        {"normalise": MEASURED},
        "beyond the document",
        "Solution 1-1, with the constant that its own argument asks for",
    ),
)
SYMPTOM = Symptom("gradient scale between batches", "coefficient of variation", "0", gradient_scale_variation)

register(Issue(1, "Weight normalisation", "critical", SAYS, FIXES, SYMPTOM))
