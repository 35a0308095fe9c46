"""The contract for every fix, built-in or the user's. Each promise has a check; a check returns what breaks it, or None."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from nfloss.registry import Fix
from nfloss.testing.definition import (
    changes_something,
    divides_by_one_number,
    explains_itself,
    guards_only_gradients,
    has_a_threshold,
    weighs_pixel_by_pixel,
)
from nfloss.testing.device import never_waits
from nfloss.testing.loss import (
    is_finite,
    is_pure,
    keeps_to_its_row,
    leaves_invalid_pixels_out,
    precisions_agree,
    survives_pickling,
    together_is_one_by_one,
    works_with_others,
)
from nfloss.user_code import USER_ERRORS, in_a_line

Check = Callable[[Fix], str | None]
Tried = TypeVar("Tried")

#: Every promise, with its check.
CONTRACT: dict[str, Check] = {
    "it changes a slot": changes_something,
    "it explains itself: a summary, and a docstring for each function": explains_itself,
    "a weight depends on its pixel's own depth alone": weighs_pixel_by_pixel,
    "weights are divided by one number above 0": divides_by_one_number,
    "a guard changes gradients, no value": guards_only_gradients,
    "the threshold is a number of metres": has_a_threshold,
    "value and gradient are finite on every batch": is_finite,
    "the same batch gives the same bits, and stays as it was": is_pure,
    "masked and invalid pixels have no effect": leaves_invalid_pixels_out,
    "next to other configurations it computes the same as alone": together_is_one_by_one,
    "a NaN stays in its row": keeps_to_its_row,
    "float32 and float64 agree": precisions_agree,
    "a GPU never waits for it": never_waits,
    "it works with the other fixes": works_with_others,
    "it can be sent to another process": survives_pickling,
}


@dataclass(frozen=True)
class Broken:
    """A promise that a fix does not keep, and what the check found."""

    fix: str
    promise: str
    found: str


def broken_promises(fix: Fix) -> list[Broken]:
    """The promises that a fix breaks, in the order of `CONTRACT`; an empty list if it keeps all of them."""
    return [Broken(fix.id, promise, found) for promise, check in CONTRACT.items() if (found := outcome(check, fix))]


def outcome(check: Callable[[Tried], str | None], tried: Tried) -> str | None:
    """The result of a check; an error in the code that is tried also counts as a finding."""
    try:
        return check(tried)
    except USER_ERRORS as error:
        return f"stops with {in_a_line(error)}"
