"""Text files and lists of frames; each entry comes with its place (file and line), for messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runner.data.frames import DataError

MOST_CHARACTERS = 50_000_000  # about a million frames


def text_of(path: Path) -> str:
    """The text of a file, which must be a regular one: a device or a pipe may have no end."""
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: not a regular file; a list of frames is needed")
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_CHARACTERS + 1)
        if len(text) > MOST_CHARACTERS:
            raise ValueError(f"over {MOST_CHARACTERS:,} characters")
        return text
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a list of frames ({' '.join(str(error).split())})") from None


def lines_of(path: Path) -> list[tuple[str, str]]:
    """(where, line) of a text file; without empty lines and those that begin with #."""
    lines = enumerate(text_of(path).splitlines(), start=1)
    return [(f"{path}: line {number}", line.strip()) for number, line in lines if line.strip() and not line.startswith("#")]


def entries_of(path: Path) -> list[tuple[str, Any]]:
    """(where, entry) of a JSON file, which must be a list."""
    try:
        content = json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({' '.join(str(error).split())})") from None
    if not isinstance(content, list):
        raise DataError(f"{path}: a JSON {type(content).__name__}; a list of frames is needed")
    return [(f"{path}: entry {number}", entry) for number, entry in enumerate(content, start=1)]
