"""Which group begins next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from runner.groups import Group


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
