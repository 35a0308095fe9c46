"""Issue 4, major: gradients are not checked.

Gradients of near pixels with large errors and of far pixels with small ones differ by three orders of magnitude.
Fixes: a hook that clamps the gradient of the two terms; the unweighted loss where the total is not finite; a bound on each
pixel's gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nfloss.loss import Losses
from nfloss.numbers import Number
from nfloss.registry import Fix, Issue, Symptom, register
from nfloss.slots import Choice, Guard
from nfloss.symptoms import Bench, pixel_gradients, valid_pixels


def clamp_scalar_gradient(term: Tensor) -> Tensor:
    """The document's `register_hook(clamp(-1, 1))`, on a term of the loss."""
    if term.requires_grad and torch.is_grad_enabled():
        term = term.clone()
        term.register_hook(lambda gradient: gradient.clamp(-1.0, 1.0))
    return term


def clamp_pixel_gradients(prediction: Tensor, mask: Tensor, *, pixel_gradient_limit: Number) -> Tensor:
    """Clamp each pixel's gradient to `pixel_gradient_limit` times the root mean square over the row's valid pixels.

    A relative bound does not depend on image size or on a factor of the loss. Tensors [R, P]; the limit a float or [R, 1].
    """
    if not (prediction.requires_grad and torch.is_grad_enabled()):
        return prediction

    def bounded(gradient: Tensor) -> Tensor:
        count = mask.sum(-1, keepdim=True).clamp(min=1.0)
        bound = pixel_gradient_limit * (gradient.square().sum(-1, keepdim=True) / count).sqrt()
        return torch.maximum(torch.minimum(gradient, bound), -bound)

    prediction = prediction.clone()
    prediction.register_hook(bounded)
    return prediction


def gradient_range(losses: Losses, bench: Bench) -> Tensor:
    """99.9 % quantile over median of |d total / d prediction| among the valid pixels, mean over the batches, [K].

    NaN where a configuration has no gradient.
    """
    ranges = []
    for prediction, truth in bench.batches():
        size = pixel_gradients(losses, prediction, truth)[1][:, valid_pixels(truth)].abs()
        largest, usual = size.quantile(size.new_tensor([0.999, 0.5]), dim=-1)
        ranges.append(largest / usual)
    return torch.stack(ranges).mean(0)


HOOK_CLAMP = Choice("hook clamp", Guard(terms=clamp_scalar_gradient))
NAN_FALLBACK = Choice("NaN fallback", Guard(fallback=True))
PIXEL_CLAMP = Choice("pixel clamp", Guard(pixels=clamp_pixel_gradients))

SAYS = "Near pixels with large errors and far ones with small errors differ by three orders of magnitude in gradient."
FIXES = (
    Fix(
        "4-1",
        "hook-clamp",
        "gradient of the two scalars clamped to [-1, 1]",
        {"guard": HOOK_CLAMP},
        "document",
        "Issue 4, first solution",
    ),
    Fix(
        "4-2",
        "nan-fallback",
        "the unweighted loss where the total is not finite",
        {"guard": NAN_FALLBACK},
        "document",
        "Issue 4, second solution",
    ),
    Fix(
        "4-3",
        "pixel-clamp",
        "each pixel's gradient bounded to 3 times the root mean square",
        {"guard": PIXEL_CLAMP},
        "beyond the document",
        "Issue 4: what its argument asks for",
    ),
)
SYMPTOM = Symptom("largest (99.9 %) against median gradient of a pixel", "ratio", "small", gradient_range)

register(Issue(4, "Gradients unwatched", "major", SAYS, FIXES, SYMPTOM))
