"""The check of the contract for a GPU: tensors stay on their device, and no code reads a value from it.

It needs no GPU. PyTorch's `meta` device computes shapes without values: code that reads a value or mixes devices raises an
error there, and copies from the host are recorded as they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from traceback import walk_stack, walk_tb
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from nfloss.configuration import Configuration
from nfloss.registry import Fix
from nfloss.testing.loss import alone, groups_with
from nfloss.testing.material import HOLES, Case, evaluate
from nfloss.user_code import USER_ERRORS, in_a_line

NO_VALUES = torch.device("meta")
TORCH = Path(torch.__file__).parent
#: Functions that make a tensor from Python numbers, and the index of the argument with the numbers.
OF_NUMBERS: dict[Callable[..., Tensor], int] = {torch.tensor: 0, torch.as_tensor: 0, torch.asarray: 0, Tensor.new_tensor: 1}


class HostCopies(TorchFunctionMode):
    """Records every copy from the host to another device inside the context; `seen` has the places in the source."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        given = tensors_of([args, kwargs] if func not in OF_NUMBERS else args[OF_NUMBERS[func] :][:1])
        if copies_from_host(given, tensors_of(result), func in OF_NUMBERS):
            self.seen.append(asking_line(walk_stack(None)))
        return result


def tensors_of(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def copies_from_host(given: Sequence[Tensor], made: Sequence[Tensor], of_numbers: bool) -> bool:
    """Whether a call with these tensors copies one to the device, or makes one there from Python numbers.

    A 0-dimensional host tensor next to device tensors is no copy: its value is passed as a kernel argument."""
    on_host = [tensor for tensor in given if tensor.device.type == "cpu"]
    if not any(tensor.device.type != "cpu" for tensor in made):
        return False
    if len(on_host) == len(given):
        return of_numbers or bool(on_host)
    return any(tensor.ndim for tensor in on_host)


def asking_line(frames: Iterable[tuple[FrameType, int]]) -> str:
    """The first of these frames outside PyTorch and this file, as `file.py, line 7`."""
    places = ((Path(frame.f_code.co_filename), line) for frame, line in frames)
    return next(f"{path.name}, line {line}" for path, line in places if path != Path(__file__) and TORCH not in path.parents)


def never_waits(fix: Fix) -> str | None:
    """Compute loss and gradient twice; the second time, after constants are cached, nothing may be copied or read."""
    case = without_values(HOLES.to(torch.float32))
    for configurations in ([alone(fix)], *groups_with(fix)):
        try:
            copied = copies_of_the_second_call(configurations, case)
        except USER_ERRORS as error:
            where = asking_line(reversed(list(walk_tb(error.__traceback__))))
            return f"{where} reads a value, or mixes devices: {in_a_line(error)}"
        if copied:
            return f"{copied[0]} copies a tensor from the host in every call"
    return None


def copies_of_the_second_call(configurations: Sequence[Configuration], case: Case) -> list[str]:
    evaluate(configurations, case)
    with HostCopies() as copies:
        evaluate(configurations, case)
    return copies.seen


def without_values(case: Case) -> Case:
    mask = None if case.mask is None else case.mask.to(NO_VALUES)
    return replace(case, preds=tuple(pred.to(NO_VALUES) for pred in case.preds), gt=case.gt.to(NO_VALUES), mask=mask)
