"""Files that are whole or not there at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4


class WriteError(OSError):
    """A file that could not be written, in one line: which, and what the system said."""


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """`write` a file beside `path`, then move it there: the file is whole or not there at all.

    Raises:
        WriteError: the disk is full, or the directory cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")  # several machines may write beside each other
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        synchronise(temporary)
        os.replace(temporary, path)
        synchronise(path.parent)
    except OSError as error:
        raise WriteError(f"{path}: cannot be written ({error.strerror or str(error).splitlines()[0]})") from None
    finally:
        if temporary.exists():
            temporary.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """A file of this content."""
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def synchronise(path: Path) -> None:
    """Have the system put a file or a directory on its disk, so that a power cut does not undo what was said to be done."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Delete what a killed process has left half written; only where no other process writes."""
    for path in folder.glob(".*.*"):
        if path.is_file() and len(path.suffix) == 33:  # a dot and the 32 digits of `write_atomically`
            path.unlink()
