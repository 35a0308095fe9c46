"""How a run stands: trials done, diverged, time spent and left. Rich's bar on a terminal, where Rich is installed; else a plain
line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any

from runner.execution import Crash, Group, Observer, StartBlock
from runner.experiment import Experiment

ON_TERMINAL, IN_PIPE = 5.0, 30.0  # seconds between plain lines: a log is read afterwards


class Display(Observer):
    """Shows a run on stderr."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.on_terminal = sys.stderr.isatty()
        self.bar = make_bar() if self.on_terminal else None
        self.sizes: dict[str, float] = {}  # trials of each group; start networks count by their larger batch
        self.steps: dict[str, int] = {}
        self.start_names = set[str]()
        self.diverged_now: dict[str, int] = {}
        self.started = self.last_line = time.monotonic()

    def __enter__(self) -> Display:
        if self.bar:
            self.bar.start()
        if self.on_terminal:
            say(f"{self.experiment.name}: planning")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar:
            self.bar.stop()

    def begin(self, summary: str, done: int, planned: int) -> None:
        self.done, self.planned = done, planned
        say(summary + (f", {done} trials there already" if done else ""))
        self.total: float = max((planned - done) * self.experiment.training.steps, 1)
        self.started = self.last_line = time.monotonic()
        if self.bar:
            self.task = self.bar.add_task("training", total=self.total, trials=self.trials())

    def starts(self, blocks: Sequence[StartBlock]) -> None:
        if not blocks:
            return
        settings, of_seeds = self.experiment.training, ", ".join(block.seeds_in_words for block in blocks)
        say(f"first {settings.start_steps} steps of neutral training for the start networks of {of_seeds}")
        self.sizes |= {block.name: len(block.seeds) * settings.start_batch / settings.batch for block in blocks}
        self.start_names |= {block.name for block in blocks}
        self.total += sum(self.sizes[block.name] for block in blocks) * settings.start_steps
        if self.bar:
            self.bar.update(self.task, total=self.total)

    def groups(self, groups: Sequence[Group]) -> None:
        self.sizes |= {group.name: len(group.configurations) for group in groups}

    def progress(self, group: str, steps: int, diverged: int) -> None:
        if group not in self.sizes:  # a half of a group that was too large for the memory, and is trained again
            whole = group[:-1]
            self.steps.pop(whole, None)
            self.diverged_now.pop(whole, None)
            self.sizes[group] = -(-self.sizes.get(whole, 0) // 2)
        self.steps[group], self.diverged_now[group] = steps, 0 if group in self.start_names else diverged
        self.show()

    def finished(self, trials: int, diverged: int) -> None:
        self.done += trials
        self.show()

    def crashed(self, crash: Crash) -> None:
        say(f"{crash.group.name}: not finished ({crash.reason}); --resume trains it again")

    def note(self, line: str) -> None:
        say(f"nfloss: {line}")

    def trials(self) -> str:
        """How many are done; before that, how far the start networks are."""
        text = f"{self.done}/{self.planned} trials, {sum(self.diverged_now.values())} diverged"
        share = sum(self.steps.get(name, 0) for name in self.start_names) / self.experiment.training.start_steps
        if share < len(self.start_names):
            return f"start networks {share / len(self.start_names):.0%} trained, {text}"
        return text

    def show(self) -> None:
        """Move the bar, or say a line where it is time for one."""
        completed, now = sum(self.steps[name] * self.sizes[name] for name in self.steps), time.monotonic()
        if self.bar:
            self.bar.update(self.task, completed=completed, trials=self.trials())
        elif now - self.last_line > (ON_TERMINAL if self.on_terminal else IN_PIPE) or self.done == self.planned:
            self.last_line, spent = now, now - self.started
            left = spent * max(self.total / completed - 1.0, 0.0) if completed else None
            say(f"{self.trials()}, {clock(spent)} spent" + ("" if left is None else f", about {clock(left)} left"))


def make_bar() -> Any:
    """Rich's progress bar; None where Rich is not installed."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    except ImportError:
        return None
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[trials]}"))
    return Progress(*columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True))


def say(line: str) -> None:
    """To stderr, at once; while the bar runs, Rich sets it above."""
    print(line, file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Hours, minutes, seconds.

    >>> clock(83.4)
    '0:01:23'
    """
    return str(timedelta(seconds=round(seconds)))
