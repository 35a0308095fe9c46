"""A comparison of studies on a terminal: as many columns side by side as it is wide for, the others below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from runner.cli.terminal import printable

if TYPE_CHECKING:
    from analysis.report import Comparison, Table

CELL = 18  # "×1.21 [1.13, 1.30]"
LONGEST_LABEL = 28  # an id with the fix's name
LEAST_NAME = 14  # with less room for the label, its name would be nothing but dots


def print_comparison(result: Comparison) -> None:
    """All of the comparison, fitted to the terminal; a pipe counts as 80 columns, or as many as COLUMNS says."""
    console = Console(highlight=False)
    for sentence in (result.title, *result.before):
        console.print(as_text(sentence))
    print_table(console, result.fixes)
    for sentence in result.after:
        console.print(as_text(sentence))
    if result.promises:
        print_table(console, result.promises)
    console.print(as_text(f"written to {result.path}.md and .png"), soft_wrap=True)


def as_text(said: str) -> Text:
    """What a study says, as text: no markup of Rich's, no commands to the terminal."""
    return Text(printable(said).replace("\n", ""))


def print_table(console: Console, table: Table) -> None:
    """What does not fit side by side goes below, with the labels again; nothing is cut off but names of fixes."""
    least = max((len(row[0].split(" ")[0]) for row in table.rows), default=0)
    beside = max(1, (console.width - least) // (CELL + 1))
    columns, named = range(1, len(table.header)), table.group > 1
    for start in range(0, len(columns), beside):
        shown = columns[start : start + beside]
        room = min(console.width - (CELL + 1) * len(shown), LONGEST_LABEL)
        grid = Grid(box=None, padding=(0, 1, 0, 0), pad_edge=False)
        grid.add_column(
            as_text(table.header[0]), no_wrap=named, overflow="ellipsis" if named else "fold", max_width=max(room, least)
        )
        for column in shown:
            grid.add_column(as_text(table.header[column]), overflow="fold", width=CELL)
        for at, row in enumerate(table.rows):
            label = row[0] if room >= LEAST_NAME or not named else row[0].split(" ")[0]
            head = "bold" if named and at % table.group == 0 else ""
            grid.add_row(as_text(label), *(as_text(row[column]) for column in shown), style=head)
        console.print()
        console.print(grid)
    console.print()
