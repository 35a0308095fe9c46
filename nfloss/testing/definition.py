"""The checks of the contract that call a fix's choices directly. Each returns what is wrong, or None."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor

from nfloss.numbers import Numbers
from nfloss.registry import Fix
from nfloss.slots import BASELINE, Guard, functions_of

PROGRESS = (0.0, 0.24, 1.0)  # shares of a run


def changes_something(fix: Fix) -> str | None:
    same = all(choice == BASELINE[slot] for slot, choice in fix.fills.items())
    return "every choice is the baseline's" if same else None


def explains_itself(fix: Fix) -> str | None:
    functions = (function for choice in fix.fills.values() for function in functions_of(choice).values())
    bare = [f"{function.__name__} has no docstring" for function in functions if not inspect.getdoc(function)]
    return next(iter(bare), None) if fix.summary else "the summary is empty"


def weighs_pixel_by_pixel(fix: Fix) -> str | None:
    """Simplification of fix 10-2 and plots of weight over depth rely on this."""
    if "weigh" not in fix.fills:
        return None
    depth = torch.linspace(0.1, 20.0, 60, dtype=torch.float64)
    choice, numbers = fix.fills["weigh"], Numbers()
    weights: Tensor = choice(numbers, depth, 1.0)
    if weights.shape != depth.shape or not (torch.isfinite(weights).all() and (weights >= 0).all() and (weights > 0).any()):
        return "weights of depths [P] must be [P], finite, not negative and not all 0"
    rows, first = choice(numbers, depth.reshape(2, 30), 1.0), choice(numbers, depth[:30], 1.0)
    if rows.shape != (2, 30) or not (torch.equal(rows.flatten(), weights) and torch.equal(first, weights[:30])):
        return "a pixel's weight depends on more than its own depth: on other pixels, or on a dimension before P"
    return None


def divides_by_one_number(fix: Fix) -> str | None:
    if "normalise" not in fix.fills:
        return None
    weights = torch.rand(2, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.5
    for power in (1.0, 0.5):
        mean = torch.as_tensor(fix.fills["normalise"](Numbers(), weights, torch.ones_like(weights), power))
        if mean.numel() > 1 and mean.shape != (2, 1):
            return f"for weights [2, P] it returns {list(mean.shape)}; one number per row, [2, 1], or one for all is needed"
        if not (torch.isfinite(mean).all() and (mean > 0).all()):
            return f"it divides by {mean.flatten()[0]:g}; a finite number above 0 is needed"
    return None


def guards_only_gradients(fix: Fix) -> str | None:
    guard = fix.fills["guard"].function if "guard" in fix.fills else Guard()
    assert isinstance(guard, Guard)
    pixels = torch.linspace(0.1, 3.0, 20).repeat(2, 1).requires_grad_()
    terms = torch.tensor([0.3, 1.7], requires_grad=True)
    extra = {name: getattr(Numbers(), name) for name in guard.numbers}
    if guard.pixels and not torch.equal(guard.pixels(pixels, torch.ones(2, 20), **extra), pixels):
        return "pixels(prediction, mask) changes the prediction's values; it may only change their gradient"
    if guard.terms and not torch.equal(guard.terms(terms), terms):
        return "terms(term) changes the term's value; it may only change its gradient"
    return None


def has_a_threshold(fix: Fix) -> str | None:
    for of in (30.0, 50.0) if "threshold" in fix.fills else ():
        for progress in PROGRESS:
            metres = fix.fills["threshold"](Numbers(), progress * of, of)
            if not (isinstance(metres, int | float) and 0 < metres < float("inf")):
                return f"at epoch {progress * of:g} of {of:g} the threshold is {metres!r}; a number of metres above 0 is needed"
    return None
