"""Which group begins next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from runner.groups import Group


def whole(group: Group) -> Group | None:
    """All of the group: nobody else trains any of it."""
    return group


class Waiting:
    """Groups that have not begun.

    Args:
        may_start: asked before each group; from its first no on nothing more begins.
        claim: what of a group is this process's to train, None if nothing; asked as the group is about to begin.
    """

    def __init__(
        self, groups: Iterable[Group], may_start: Callable[[], bool], claim: Callable[[Group], Group | None] = whole
    ) -> None:
        self.groups, self.may_start, self.claim = deque(groups), may_start, claim

    def take(self) -> Group | None:
        """The next group; None where no more begins."""
        while self.groups:
            if not self.may_start():
                self.groups.clear()
                return None
            if (mine := self.claim(self.groups.popleft())) is not None:
                return mine
        return None

    def first(self, halves: Iterable[Group]) -> None:
        """Have these begin before all others."""
        self.groups.extendleft(reversed(list(halves)))
