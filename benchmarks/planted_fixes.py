"""Fixes of known effect, planted in `experiments/planted.yaml`: the tool has to find out what each does (`planted.py`)."""

from __future__ import annotations

import torch
from torch import Tensor

from nfloss import Choice, Fix, Guard, Issue, register

MOST_NEAR = 0.60  # of a batch's pixels, unknown ones with the far; of the seeds 0 to 5 only seed 4 has such batches (0.63)


def the_same(residual: Tensor, mask: Tensor) -> Tensor:
    """Nothing is changed; the name is another, so that it is trained."""
    return residual * 1.0


class Reversed(torch.autograd.Function):
    """The same value; the gradient with the other sign."""

    @staticmethod
    def forward(ctx: object, term: Tensor) -> Tensor:
        return term.view_as(term)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return -gradient


def climb(term: Tensor) -> Tensor:
    """The loss is climbed instead of descended."""
    return Reversed.apply(term)  # type: ignore[no-any-return, no-untyped-call]


def weight_of_a_fifth(depth: Tensor, threshold: float, *, near_weight: float) -> Tensor:
    """Near pixels weigh a fifth in place of five times."""
    return 1.0 + (1.0 / near_weight - 1.0) * (depth < threshold).to(depth.dtype)


def undefined_where_near(depth: Tensor, threshold: float, *, near_weight: float) -> Tensor:
    """The usual weights; NaN in a batch that is nearly all near."""
    near = (depth < threshold).to(depth.dtype)
    broken = near.mean(-1, keepdim=True) > MOST_NEAR
    return torch.where(broken, torch.full_like(near, torch.nan), 1.0 + (near_weight - 1.0) * near)


def running_mean() -> float:
    """PyTorch's default: the experiment's baseline evaluates with the statistics of the last batch alone."""
    return 0.1


register(
    Issue(
        12,
        "Planted",
        "low",
        "Fixes whose effect is known.",
        (
            Fix("12-1", "no-op", "changes nothing", {"residual": Choice("the same", the_same)}),
            Fix("12-2", "sign-flip", "climbs the loss", {"guard": Choice("reversed", Guard(terms=climb))}),
            Fix("12-3", "a-fifth", "near weight 1/5", {"weigh": Choice("a fifth", weight_of_a_fifth)}),
            Fix("12-4", "helps", "mends what the baseline lacks", {"bn_momentum": Choice("running mean", running_mean)}),
            Fix("12-5", "breaks-once", "diverges in one of six seeds", {"weigh": Choice("undefined", undefined_where_near)}),
        ),
    )
)
