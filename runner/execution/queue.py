"""Which group begins next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch

from runner.execution.groups import Group, by_training
from runner.records.tables import Records


class Waiting:
    """Groups that have not begun.

    Args:
        may_start: asked before each group; once it returns False, no further group starts.
    """

    def __init__(self, groups: Iterable[Group], may_start: Callable[[], bool]) -> None:
        self.groups, self.may_start = deque(groups), may_start

    def take(self) -> Group | None:
        """The next group; None where no more begins."""
        if self.groups and not self.may_start():
            self.groups.clear()
        return self.groups.popleft() if self.groups else None

    def first(self, halves: Iterable[Group]) -> None:
        """Have these begin before all others."""
        self.groups.extendleft(reversed(list(halves)))


@dataclass(frozen=True)
class Results:
    """What a group came to."""

    group: Group
    records: Records


@dataclass(frozen=True)
class Crash:
    """A group that the machine did not finish: out of memory, a worker that died. Not a result; it is trained again."""

    group: Group
    reason: str


Ending = Results | Crash

#: What a machine does to a training: memory (host or device), a killed worker (BrokenProcessPool is a RuntimeError), files.
MACHINE_ERRORS = (RuntimeError, MemoryError, OSError)


def ending(group: Group, outcome: Callable[[], Results], waiting: Waiting) -> Iterator[Ending]:
    """The group's records or its crash; or nothing, where its halves wait to be tried instead."""
    try:
        result: Ending = outcome()
    except MACHINE_ERRORS as error:
        if divides(group, error):
            waiting.first(group.halves())
            return
        result = Crash(group, one_line(error))
    yield result


#: What torch, and what oneDNN within it, say of memory on the CPU that is not to be had.
NO_MEMORY = ("can't allocate memory", "could not create a primitive")


def divides(group: Group, error: BaseException) -> bool:
    """Whether the group ran out of memory and is to be tried in halves; what the device kept for it is given back."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    out_of_memory = isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(says in str(error) for says in NO_MEMORY)
    return out_of_memory and len(by_training(group.configurations)) > 1


def one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"
