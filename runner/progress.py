"""The progress bar: trials done, time left, diverged. In a pipe: a plain line now and then."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from runner.designs import Plan
from runner.execution import Crash, Group
from runner.execution import Progress as Hook
from runner.experiment import Experiment

SECONDS_BETWEEN_LINES = 30.0


class Display:
    """Shows a run; `begin` and `finished` are what `run_study` calls."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[trials]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.steps: dict[str, int] = {}
        self.diverged_now: dict[str, int] = {}
        self.last_line = time.monotonic()

    def __enter__(self) -> Display:
        self.bar.start()
        if self.console.is_terminal:
            self.console.print(f"{self.experiment.name}: planning", highlight=False)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bar.stop()

    def begin(self, plan: Plan, todo: Sequence[Group], there: int) -> Hook:
        """Announce the plan; gives the hook that the groups report to."""
        self.done, self.planned = there, plan.trials
        counts = ", ".join(f"{plan.count(status)} {word}" for status, word in COUNTED.items())  # type: ignore[arg-type]
        again = f", {there} trials there already" if there else ""
        seeds = len(plan.experiment.seeds)
        self.console.print(f"{len(plan.cells)} cells: {counts}; x {seeds} seeds = {plan.trials} trials{again}", highlight=False)
        self.sizes = {group.name: len(group.configurations) for group in todo}
        total = sum(self.sizes.values()) * self.experiment.training.steps
        self.task = self.bar.add_task("training", total=max(total, 1), trials=self.trials())
        return self.progress

    def progress(self, group: str, steps: int, diverged: int) -> None:
        """A group has done so many steps."""
        self.steps[group], self.diverged_now[group] = steps, diverged
        completed = sum(self.steps[name] * self.sizes[name] for name in self.steps)
        self.bar.update(self.task, completed=completed, trials=self.trials())
        self.line()

    def finished(self, trials: int, diverged: int) -> None:
        """A group's records are on disk."""
        self.done += trials
        self.bar.update(self.task, trials=self.trials())
        self.line()

    def crashed(self, crash: Crash) -> None:
        """A group was lost; say so at once."""
        self.console.print(f"{crash.group.name}: not finished ({crash.reason}); --resume trains it again", highlight=False)

    def trials(self) -> str:
        return f"{self.done}/{self.planned} trials, {sum(self.diverged_now.values())} diverged"

    def line(self) -> None:
        """Where there is no terminal, a line now and then."""
        now = time.monotonic()
        if self.bar.disable and (now - self.last_line > SECONDS_BETWEEN_LINES or self.done == self.planned):
            self.last_line = now
            self.console.print(self.trials(), highlight=False)


COUNTED = {"trained": "to train", "same as": "the same as another", "clash": "clash"}
