"""An observer that remembers what a run trained and which groups crashed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nfloss import Configuration
from runner.execution import Crash, Group, Observer
from runner.experiment import Experiment
from runner.study import Outcome, run_study


class Watching(Observer):
    def __init__(self) -> None:
        self.trained: list[Configuration] = []
        self.crashes: list[Crash] = []
        self.notes: list[str] = []

    def groups(self, groups: Sequence[Group]) -> None:
        self.trained += [c for group in groups for c in group.configurations]

    def crashed(self, crash: Crash) -> None:
        self.crashes.append(crash)

    def note(self, line: str) -> None:
        self.notes.append(line)


def run_watched(experiment: Experiment, folder: Path, resume: bool = False) -> tuple[Outcome, list[Configuration]]:
    """Run a study in which nothing crashes; gives its outcome and what was trained."""
    watching = Watching()
    outcome = run_study(experiment, folder, resume, None, watching)
    assert not watching.crashes, [crash.reason for crash in watching.crashes]
    return outcome, watching.trained
