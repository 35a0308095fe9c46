"""What the commands say, and their exit statuses."""

from __future__ import annotations

import sys

BAD_INPUT, CRASHED, INTERRUPTED = 2, 1, 130


def say(line: str) -> None:
    print(f"nfloss: {line}", file=sys.stderr)


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """Columns aligned, the last one free."""
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header) - 1)]
    for line in [header, *rows]:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip())
