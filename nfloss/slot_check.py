"""Checks that a choice fits its slot: right type, importable, the slot's arguments, known numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from nfloss.numbers import NUMBER_NAMES
from nfloss.slots import BASELINE, Choice, functions_of, number_names

#: What the parts of a guard are called with; the baseline's guard has no parts to compare with.
GUARD_ARGUMENTS = {"pixels": ("prediction", "mask"), "terms": ("term",)}


def mismatch(slot: str, choice: Choice) -> str | None:
    """What is wrong with the choice, and what is allowed; None where it fits."""
    subject = f"choice {choice.name!r} of slot {slot!r}"
    kind = type(BASELINE[slot].function)
    if not isinstance(choice.function, kind):
        return f"{subject} is a {type(choice.function).__name__}; a {kind.__name__.lower()} is needed"
    wrong = (function_mismatch(function, arguments(slot, part)) for part, function in functions_of(choice).items())
    return next((f"{subject} {reason}" for reason in wrong if reason), None)


def arguments(slot: str, part: str) -> tuple[str, ...]:
    """The arguments that the slot passes, named as in the baseline's function."""
    if slot == "guard":
        return GUARD_ARGUMENTS[part]
    return positional(functions_of(BASELINE[slot])[part])


def function_mismatch(function: Callable[..., Any], gives: tuple[str, ...]) -> str | None:
    if not isinstance(function, FunctionType) or function.__name__ == "<lambda>" or "<locals>" in function.__qualname__:
        return f"is {function!r}; a function made with def at the top level of its module is needed: workers import it by name"
    takes = positional(function)
    if len(takes) != len(gives):
        return f"takes ({', '.join(takes)}); the slot gives ({', '.join(gives)}); numbers follow after a *"
    unknown = [name for name in number_names(function) if name not in NUMBER_NAMES]
    if unknown:
        return (
            f"takes the unknown number {unknown[0]!r}; give it a default ({unknown[0]}=0.3), which is then "
            f"always used, or take one of {', '.join(NUMBER_NAMES)}"
        )
    return None


def positional(function: Callable[..., Any]) -> tuple[str, ...]:
    """The parameters before the numbers."""
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
