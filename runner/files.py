"""Files that are whole or not there at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """`write` a file beside `path`, then move it there: the file is whole or not there at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def shown(names: Iterable[str], most: int = 3) -> str:
    """The first few names, for a message."""
    every = list(names)
    return ", ".join(every[:most]) + (", ..." if len(every) > most else "")
