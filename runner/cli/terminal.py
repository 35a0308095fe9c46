"""What all commands share: their exit statuses, how they print, and what must be installed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

BAD_INPUT, CRASHED, INTERRUPTED = 2, 1, 130
REPORT_NEEDS = ("scipy", "statsmodels", "matplotlib", "nbformat", "nbclient", "nbconvert", "ipykernel", "rich")


def say(line: str) -> None:
    """A line to stderr."""
    print(f"nfloss: {printable(line)}", file=sys.stderr)


def printable(text: str) -> str:
    """Text without commands to the terminal, which a file's name or somebody else's study may hold."""
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n")


def interrupted(line: str) -> int:
    """Say so, and give the exit status. Who presses Ctrl-C again while the process ends, interrupts nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    say(line)
    return INTERRUPTED


def print_table(header: list[str], rows: list[list[str]]) -> None:
    print("\n".join(table_lines(header, rows)))


def table_lines(header: list[str], rows: list[list[str]]) -> list[str]:
    """Columns aligned, the last one free."""
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip()
        for line in [header, *rows]
    ]


def report_lacks() -> str:
    """What the report needs and is not installed here, as text; empty where it can be drawn. Training needs none of it."""
    missing = [name for name in REPORT_NEEDS if find_spec(name) is None]
    return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed" if missing else ""


def need_report(study: Path) -> None:
    """Raises ValueError where there is no study, or what its report needs is not installed."""
    from runner.study import read_study

    read_study(study)
    if missing := report_lacks():
        raise ValueError(f"no report here ({missing}); install it with pip")


def need_trust(study: Path, experiment: Mapping[str, Any], trusted: bool) -> None:
    """Of a study's description, whoever wrote it: its own fixes and network are code, which runs only where the user says so.

    Raises:
        ValueError: it names code, and the user has not said that it is trusted.
    """
    from runner.experiment import named_code

    named = named_code(experiment)
    if named and not trusted:
        raise ValueError(
            f"{study}: this would run code that the study names: {', '.join(named)}; read it, then give --trust-code"
        )
    if named:
        say_code(named)


def say_code(named: Sequence[str]) -> None:
    """Whose code runs, before it does."""
    say(f"running the code of {', '.join(named)}")


def need_optuna(what: str, *more: str) -> None:
    """Raises ValueError where Optuna, or one of `more`, is not installed."""
    missing = [name.replace("_", "-") for name in ("optuna", *more) if find_spec(name) is None]
    if missing:
        raise ValueError(f"{what} needs {' and '.join(missing)}, not installed here: pip install {' '.join(missing)}")
