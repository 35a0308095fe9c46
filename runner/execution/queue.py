"""The queue of groups, and what a group comes to: its records, a crash, or two halves that are tried instead.

A block of start networks goes through it like a group: before the groups that go on from them, which wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch

from runner.execution.groups import Group, by_training
from runner.execution.starts import StartBlock, TrainedStarts
from runner.records import Records

#: What is trained at once.
Work = Group | StartBlock


class GroupQueue:
    """Groups that have not begun, and blocks of start networks.

    Args:
        may_start: asked before each, with its kind; once it returns False, no further one starts.
        given: gives a group what it goes on from; None while that is not there.
    """

    def __init__(
        self,
        groups: Iterable[Work],
        may_start: Callable[[type[Work]], bool],
        given: Callable[[Group], Group | None] = lambda group: group,
    ) -> None:
        self.groups, self.may_start, self.given = deque(groups), may_start, given

    def take(self) -> Work | None:
        """The next that can start; None where none can, or none is left."""
        for place, waiting in enumerate(self.groups):
            ready = waiting if isinstance(waiting, StartBlock) else self.given(waiting)
            if ready is None:
                continue
            if self.may_start(type(waiting)):
                del self.groups[place]
                return ready
            self.groups.clear()
            break
        return None


@dataclass(frozen=True)
class Results:
    """A trained group and its records."""

    group: Group
    records: Records


@dataclass(frozen=True)
class Crash:
    """A group that the machine did not finish: out of memory, a worker that died. Not a result; it is trained again."""

    group: Work
    reason: str


Ending = Results | TrainedStarts | Crash

#: What a machine does to a training: memory (host or device), a killed worker (BrokenProcessPool is a RuntimeError), files.
MACHINE_ERRORS = (RuntimeError, MemoryError, OSError)
#: What torch, and oneDNN within it, say when the CPU's memory is used up.
NO_MEMORY = ("can't allocate memory", "could not create a primitive")


def ending(group: Work, outcome: Callable[[], Results | TrainedStarts], queue: GroupQueue) -> Iterator[Ending]:
    """What a group came to; nothing where it ran out of memory and its halves are queued instead."""
    try:
        result: Ending = outcome()
    except MACHINE_ERRORS as error:
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()  # what the device kept for the group
        if isinstance(group, Group) and out_of_memory(error) and len(by_training(group.configurations)) > 1:
            queue.groups.extendleft(reversed(group.halves()))
            return
        result = Crash(group, one_line(error))
    yield result


def out_of_memory(error: BaseException) -> bool:
    """Whether a machine's error is that of its memory, or a device's."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(part in str(error) for part in NO_MEMORY)


def one_line(error: BaseException) -> str:
    """An error's kind and the first line of its message."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"
