"""The interface through which a run reports its progress."""

from __future__ import annotations

from collections.abc import Sequence

from runner.execution.groups import Group
from runner.execution.queue import Crash
from runner.execution.starts import StartBlock


class Observer:
    """Every method does nothing here; a subclass overrides those that it needs."""

    def begin(self, summary: str, done: int, planned: int, further: int = 0) -> None:
        """A run, or what is trained up to a look, begins: what is planned, in a line; trials there already; trials planned;
        further ones at most, after later looks."""

    def looked(self) -> None:
        """All trials up to a look are there, and what goes on after it is known."""

    def starts(self, blocks: Sequence[StartBlock]) -> None:
        """These start networks are trained before the groups that go on from them."""

    def groups(self, groups: Sequence[Group]) -> None:
        """These groups are trained next."""

    def progress(self, group: str, steps: int, diverged: int) -> None:
        """A group, or a block of start networks, has done so many steps; so many of its trainings have diverged."""

    def finished(self, trials: int, diverged: int) -> None:
        """A group's records are on disk."""

    def crashed(self, crash: Crash) -> None:
        """The machine failed to finish a group; a resumed run trains it again."""

    def note(self, line: str) -> None:
        """Something that the user should know, in a line."""
