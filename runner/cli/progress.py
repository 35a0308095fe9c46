"""How a run stands: the words on the fixes so far, trials done, diverged, time spent and left.

On a terminal, where Rich is installed, a table that fills in and a bar; else a plain line now and then, and the table at each
look.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from runner.cli.terminal import report_lacks, table_lines
from runner.execution import Crash, Group, Observer, StartBlock
from runner.experiment import Experiment

if TYPE_CHECKING:
    from analysis.word_table import Words

ON_TERMINAL, IN_PIPE = 5.0, 30.0  # seconds between plain lines: a log is read afterwards
RARELY = 30  # the table is made anew at most once in so many times the seconds that it took


class Display(Observer):
    """Shows a run on stderr."""

    def __init__(self, experiment: Experiment, folder: Path) -> None:
        self.experiment, self.folder = experiment, folder
        self.on_terminal = sys.stderr.isatty()
        self.live = live_table() if self.on_terminal else None
        self.bar = self.live.bar if self.live else None
        self.further, self.total, self.next_table = 0, 0.0, 0.0
        self.task: Any = None  # of the bar
        self.sizes: dict[str, float] = {}  # trials of each group; start networks count by their larger batch
        self.steps: dict[str, int] = {}
        self.start_names = set[str]()
        self.diverged_now: dict[str, int] = {}
        self.started = self.last_line = time.monotonic()

    def __enter__(self) -> Display:
        if self.live:
            self.live.start()
        if self.on_terminal:
            say(f"{self.experiment.name}: planning")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.live:
            self.live.stop()

    def begin(self, summary: str, done: int, planned: int, further: int = 0) -> None:
        say(summary + (f", {done} trials there already" if done else ""))
        self.done, self.planned, self.further = done, planned, further
        if not self.total:
            self.started = self.last_line = time.monotonic()
        self.total += max((planned - done) * self.experiment.training.steps, 1)
        if self.bar and self.task is not None:
            self.bar.update(self.task, total=self.total, trials=self.trials())
        elif self.bar:
            self.task = self.bar.add_task("training", total=self.total, trials=self.trials(), left="")

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
        if self.live and time.monotonic() > self.next_table:
            self.fill_table()
        self.show()

    def looked(self) -> None:
        if self.live:
            self.fill_table()
        else:
            for line in word_lines(self.folder):
                say(line)

    def fill_table(self) -> None:
        """Show the words so far."""
        assert self.live
        began = time.monotonic()
        self.live.fill(words(self.folder))
        now = time.monotonic()
        self.next_table = now + RARELY * (now - began)

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
        spent = now - self.started
        if self.bar:
            self.bar.update(self.task, completed=completed, trials=self.trials(), left=self.left(spent, completed))
        elif now - self.last_line > (ON_TERMINAL if self.on_terminal else IN_PIPE) or self.done == self.planned:
            self.last_line = now
            say(", ".join(filter(None, [self.trials(), f"{clock(spent)} spent", self.left(spent, completed)])))

    def left(self, spent: float, completed: float) -> str:
        """The time left as text: a range where a look may find everything decided, or nothing."""
        if not completed:
            return ""
        least = spent * max(self.total / completed - 1.0, 0.0)
        most = least + spent / completed * self.further * self.experiment.training.steps
        return f"about {clock(least)} " + (f"to {clock(most)} " if self.further else "") + "left"


def live_table() -> LiveTable | None:
    """None where Rich is not installed."""
    try:
        return LiveTable()
    except ImportError:
        return None


class LiveTable:
    """Rich's table of words above its bar."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[trials]}"))
        self.bar = Progress(*columns, TimeElapsedColumn(), TextColumn("{task.fields[left]}"), console=console)
        self.live = Live(self.bar, console=console, refresh_per_second=4)

    def start(self) -> None:
        self.live.start()

    def stop(self) -> None:
        self.live.stop()

    def fill(self, words: Words | None) -> None:
        from rich.console import Group as Stacked
        from rich.table import Table
        from rich.text import Text

        if not words or not words.rows:
            return
        table = Table(box=None, pad_edge=False, caption="\n".join(words.notes) or None, caption_justify="left")
        for name in word_header():
            table.add_column(name, no_wrap=name != "name", justify="right" if name == "seeds" else "left")
        for row in words.rows:
            table.add_row(*(Text(cell, style=WORD_STYLE.get(cell, "")) for cell in row))
        self.live.update(Stacked(table, self.bar))


WORD_STYLE = {"adopt": "bold green", "trade": "yellow", "harmful": "red", "no effect": "dim", "open": "cyan"}


def words(folder: Path) -> Words | None:
    """The words so far; None where the packages of the report are not installed."""
    if report_lacks():
        return None
    from analysis.word_table import words_so_far

    return words_so_far(folder)


def word_header() -> list[str]:
    from analysis.word_table import HEADER

    return HEADER


def word_lines(folder: Path) -> list[str]:
    """The same in plain text."""
    found = words(folder)
    return [*table_lines(word_header(), found.rows), *found.notes] if found and found.rows else []


def say(line: str) -> None:
    """To stderr, at once; while the bar runs, Rich sets it above."""
    print(line, file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Hours, minutes, seconds.

    >>> clock(83.4)
    '0:01:23'
    """
    return str(timedelta(seconds=round(seconds)))
