"""Files that are whole or not there at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
from pyarrow import ArrowException


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


class TableError(ValueError):
    """A file that cannot be read as a table, in one line: which, why, and what to do."""


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write the whole table or nothing."""
    write_bytes(path, as_bytes(table))


def as_bytes(table: pd.DataFrame) -> bytes:
    """The table as a parquet file."""
    buffer = BytesIO()
    table.to_parquet(buffer, index=False, write_page_checksum=True)
    return buffer.getvalue()


def read_table(path: Path) -> pd.DataFrame:
    """A table that `write_table` has written.

    Raises:
        TableError: the file is missing, cut off or changed.
    """
    try:
        return pd.read_parquet(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise TableError(f"{path}: missing; nfloss run --resume makes it again") from None
    except (ArrowException, OSError, ValueError, KeyError, TypeError) as error:  # the last two: a footer that was changed
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TableError(f"{path}: damaged ({why}); nfloss run --resume sets it aside and makes it again") from None
