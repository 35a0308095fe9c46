"""Issue 4, major: gradients are not watched.

Near pixels with large errors and far pixels with small ones differ by three orders of magnitude in gradient.
Fixes: a hook that clamps the gradient of the two scalars; the unweighted loss where the total is not finite; a bound
for each pixel's gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nfloss.claims import Claim
from nfloss.registry import Fix, Issue, register
from nfloss.slots import Choice, Guard, Number
from nfloss.symptoms import Symptom


def clamp_scalar_gradient(term: Tensor) -> Tensor:
    """The document's `register_hook(clamp(-1, 1))`, on a term of the loss."""
    if term.requires_grad:
        term = term.clone()
        term.register_hook(lambda gradient: gradient.clamp(-1.0, 1.0))
    return term


def clamp_pixel_gradients(prediction: Tensor, mask: Tensor, *, pixel_gradient_limit: Number) -> Tensor:
    """Bound each pixel's gradient to so many times the root mean square over the row's valid pixels.

    Relative, so that neither the image's size nor a factor of the loss moves the bound. [R, P] both; limit float or [R, 1].
    """
    if not prediction.requires_grad:
        return prediction

    def bounded(gradient: Tensor) -> Tensor:
        count = mask.sum(-1, keepdim=True).clamp(min=1.0)
        bound = pixel_gradient_limit * (gradient.square().sum(-1, keepdim=True) / count).sqrt()
        return torch.maximum(torch.minimum(gradient, bound), -bound)

    prediction = prediction.clone()
    prediction.register_hook(bounded)
    return prediction


def claims() -> list[Claim]:
    """The document's numbers about this issue."""
    return []


ISSUE = register(
    Issue(
        number=4,
        title="Gradients unwatched",
        severity="major",
        says="Near pixels with large errors and far ones with small errors differ by three orders of magnitude in gradient.",
        fixes=(
            Fix(
                "4-1",
                "hook-clamp",
                "gradient of the two scalars clamped to [-1, 1]",
                {"guard": Choice("hook clamp", Guard(terms=clamp_scalar_gradient))},
                source="Issue 4, first solution",
            ),
            Fix(
                "4-2",
                "nan-fallback",
                "the unweighted loss where the total is not finite",
                {"guard": Choice("NaN fallback", Guard(fallback=True))},
                source="Issue 4, second solution",
            ),
            Fix(
                "4-3",
                "pixel-clamp",
                "each pixel's gradient bounded to 3 times the root mean square",
                {"guard": Choice("pixel clamp", Guard(pixels=clamp_pixel_gradients))},
                "beyond the document",
                "Issue 4: what its argument asks for",
            ),
        ),
        symptom=Symptom("largest against median gradient of a pixel", "ratio", "small"),
        claims=claims,
    )
)
