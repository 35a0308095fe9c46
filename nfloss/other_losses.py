"""Losses that are compared with the fixes: a function of prediction, truth and mask, by file path or by module name."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from nfloss.extensions import PREFIX
from nfloss.registry import registered
from nfloss.slots import Choice
from nfloss.user_code import USER_ERRORS, in_a_line, module_at

ARGUMENTS = ("prediction", "truth", "mask")
RESERVED = ("baseline",)


class LossError(ValueError):
    """What is wrong with a loss, in one line."""


def load_loss(reference: str) -> Choice:
    """The loss of "path/to/file.py:function" (relative to the working directory) or "package.module:function", named after
    its function.

    It is called as `function(prediction, truth, mask)` for each scale of each network: inverse depth in 1/m, [B, 1, h, w],
    both finite and above 0, and where they count (bool, the same shape); where the mask is False, `truth` is 1. It returns the
    loss, a tensor without dimensions. Further parameters need defaults.

    Raises:
        LossError: it cannot be imported, is no such function, or has the name of a fix.
    """
    place, name = reference.rpartition(":")[0], loss_name(reference)
    if not place or not name.isidentifier():
        raise LossError(f"loss {reference}: path/to/file.py:function or package.module:function is needed")
    try:
        module = module_at(PREFIX, place)
    except USER_ERRORS as error:
        raise LossError(f"loss {reference} cannot be imported: {in_a_line(error)}") from error
    function: Any = getattr(module, name, None)
    if wrong := mismatch(function, name, module):
        raise LossError(f"loss {reference}: {wrong}")
    return Choice(name, function)


def loss_name(reference: str) -> str:
    """
    >>> loss_name("path/to/losses.py:berhu")
    'berhu'
    """
    return reference.rpartition(":")[2]


def mismatch(function: Any, name: str, module: ModuleType) -> str | None:
    """What is wrong with the function as a loss, before it is called; None where nothing is."""
    if function is None:
        return f"{Path(str(module.__file__)).name} has no function {name!r}"
    if not isinstance(function, FunctionType) or function.__name__ != name or "<locals>" in function.__qualname__:
        return f"is {function!r}; a function made with def {name} is needed: workers import it by name"
    if module.__name__.startswith(PREFIX) and function.__module__ != module.__name__:
        return f"is defined in {function.__module__}; name that file or module"
    try:
        inspect.signature(function).bind(*ARGUMENTS)
    except TypeError:
        return f"takes {inspect.signature(function)}; it is called with ({', '.join(ARGUMENTS)})"
    if name in RESERVED or any(name in (fix.id, fix.name) for fix in registered()):
        return f"{name!r} is the name of the baseline or of a fix; another name is needed"
    return None
