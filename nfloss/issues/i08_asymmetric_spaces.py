"""Issue 8, medium: the same physical error has different sizes in inverse-depth and in log-depth space.

Fixes: standardise the residuals in both (as the document argues; and as its code has it, with raw weights and without
SILog's factor), or divide by a standard deviation that has no gradient and keep the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nfloss.loss import Losses
from nfloss.numbers import Number
from nfloss.power_sums import PLAIN, Curve, PowerSums
from nfloss.registry import Fix, Issue, Symptom, register
from nfloss.slots import Choice
from nfloss.symptoms import Bench, pixel_gradients

EPSILON = 1e-8  # added to a standard deviation before dividing by it


def standardise(residual: Tensor, mask: Tensor) -> Tensor:
    """(r - mean r) / (std r + 1e-8) over the valid pixels, unweighted; gradient through mean and std."""
    standardised: Tensor = Standardised.apply(residual, mask)
    return standardised


class Standardised(torch.autograd.Function):
    """z = (r - mean r) / (s + 1e-8) over a mask, with a gradient written by hand, in fewer passes over pixels than autograd.

    d L / d r_i = (g_i - mean g) / (s + 1e-8) - z_i sum(g z) / ((n - 1) s), g = d L / d z; the last term is 0 where s = 0.
    """

    @staticmethod
    def forward(ctx: Any, residual: Tensor, mask: Tensor) -> Tensor:
        centred = centre(residual, mask)
        std = unbiased_std(centred, mask)
        standardised = centred.div_(std + EPSILON)
        ctx.save_for_backward(standardised, std, mask)
        return standardised

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        standardised, std, mask = ctx.saved_tensors
        along = (gradient * standardised).sum(-1, keepdim=True)
        slope = torch.where(std == 0, torch.zeros_like(along), along / (freedom(mask) * std))
        result = centre(gradient, mask).div_(std + EPSILON)
        return result.addcmul_(standardised, slope, value=-1.0), None


def divide_by_detached_std(residual: Tensor, mask: Tensor) -> Tensor:
    """r / (std r + 1e-8), the std without gradient; mean and gradient still depend on the size of the error."""
    with torch.no_grad():
        std = unbiased_std(centre(residual, mask), mask)
    return residual / (std + EPSILON)


def standardised_sums(sums: PowerSums) -> PowerSums:
    """`standardise` on power sums; exactly 0 where all residuals are equal."""
    centred = sums.shifted(sums.first[PLAIN] / sums.count)
    std, none = deviation(sums.count, centred.second[PLAIN])
    return centred.scaled((1.0 / (std + EPSILON)).masked_fill(none, 0.0))


def sums_by_detached_std(sums: PowerSums) -> PowerSums:
    """`divide_by_detached_std` on power sums."""
    with torch.no_grad():
        std, _ = deviation(sums.count, sums.shifted(sums.first[PLAIN] / sums.count).second[PLAIN])
    return sums.scaled(1.0 / (std + EPSILON))


def deviation(count: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
    """`unbiased_std` from the sum of squares about the mean, and where it is 0, both [2, S, R]; no gradient where it is 0."""
    none = squares <= 0  # rounding can make it negative
    return (squares.masked_fill(none, 1.0) / (count - 1.0).clamp(min=1.0)).sqrt().masked_fill(none, 0.0), none


def centre(values: Tensor, mask: Tensor) -> Tensor:
    """Values minus their mean over the mask, 0 outside it. [.., P]"""
    centred = values * mask
    mean = centred.sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp(min=1.0)
    return torch.sub(values, mean, out=centred).mul_(mask)


def unbiased_std(centred: Tensor, mask: Tensor) -> Tensor:
    """Root of sum(c^2) / (n - 1), as `torch.std`; 0 where n < 2. [.., P] -> [.., 1]"""
    return (centred.square().sum(-1, keepdim=True) / freedom(mask)).sqrt()


def freedom(mask: Tensor) -> Tensor:
    """n - 1, at least 1. [.., P] -> [.., 1]"""
    return (mask.sum(-1, keepdim=True) - 1.0).clamp(min=1.0)


def raw_weights(weights: Tensor, mean: Callable[[float], Number]) -> tuple[Tensor, Tensor]:
    """5 and 1 in both spaces, for any choice of `normalise`."""
    return weights, weights


def raw_curves(mean: Callable[[float], Number]) -> tuple[Curve, Curve]:
    """`raw_weights` on power sums."""
    return Curve(1.0, 1.0), Curve(1.0, 1.0)


def unit_gain() -> float:
    """SILog without its factor 10."""
    return 1.0


def gradient_growth(losses: Losses, bench: Bench) -> Tensor:
    """The gradient's norm at a hundredth of the bench's errors, divided by that at a tenth, mean over the batches, [K].

    In float64, so that small errors stay far above rounding. At most 1 for a loss that converges.
    """
    growth = []
    for prediction, truth in bench.batches():
        truth, prediction = truth.double(), prediction.double()
        tenth, hundredth = (
            pixel_gradients(losses, truth + shrink * (prediction - truth), truth)[1].norm(dim=-1) for shrink in (0.1, 0.01)
        )
        growth.append(hundredth / tenth)
    return torch.stack(growth).mean(0)


STANDARDISED = Choice("standardised", standardise, standardised_sums)
RAW, UNIT_GAIN = Choice("raw weights", raw_weights, raw_curves), Choice("one", unit_gain)
DETACHED_SCALE = Choice("detached scale", divide_by_detached_std, sums_by_detached_std)

SAYS = "The same physical error has different size in the two spaces, so the two terms are not consistent."
FIXES = (
    Fix(
        "8-1",
        "standardise",
        "residuals to mean 0 and deviation 1 before weighting",
        {"residual": STANDARDISED},
        "document",
        "Issue 8, solution",
    ),
    Fix(
        "8-1w",
        "standardise-as-written",
        "the same with raw weights and without SILog's factor 10, as the code has it",
        {"residual": STANDARDISED, "temper": RAW, "gain": UNIT_GAIN},
        "document to the letter",
        "Issue 8, code",
    ),
    Fix(
        "8-2",
        "detached-scale",
        "residuals divided by a deviation that carries no gradient",
        {"residual": DETACHED_SCALE},
        "beyond the document",
        "Issue 8: what its argument asks for",
    ),
)
SYMPTOM = Symptom("growth of the gradient as the error shrinks tenfold", "factor", "at most 1", gradient_growth)

register(Issue(8, "Inverse depth against depth", "medium", SAYS, FIXES, SYMPTOM))
