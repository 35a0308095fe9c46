"""Atomic writes: a file is complete, or it is not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
from pyarrow import ArrowException, parquet

MOST_CELLS = 20_000_000


class WriteError(OSError):
    """Which file could not be written and why, in one line."""


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file atomically: `write` writes it under a temporary name beside `path`, from where it is moved.

    Raises WriteError: the disk is full, or the directory cannot be written to."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")  # unique, because several machines may write at once
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        flush_to_disk(temporary)
        os.replace(temporary, path)
        flush_to_disk(path.parent)
    except OSError as error:
        raise WriteError(f"{path}: cannot be written ({error.strerror or str(error).splitlines()[0]})") from None
    finally:
        if temporary.exists():
            temporary.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def flush_to_disk(path: Path) -> None:
    """Make the system write a file or directory to its disk, so that it survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_temporary_files(folder: Path) -> None:
    """Delete the temporary files that a killed process has left. No other process may be writing into the folder."""
    for path in folder.glob(".*.*"):
        if path.is_file() and len(path.suffix) == 33:  # a dot and the 32 digits of `write_atomically`
            path.unlink()


class TableError(ValueError):
    """Which file cannot be read as a table, why, and what to do, in one line."""


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table atomically, as a parquet file."""
    write_bytes(path, table_bytes(table))


def table_bytes(table: pd.DataFrame) -> bytes:
    """The bytes of a table's parquet file."""
    buffer = BytesIO()
    table.to_parquet(buffer, index=False, write_page_checksum=True)
    return buffer.getvalue()


def check_size(path: Path) -> None:
    """Raises ValueError for a table beyond all bounds: a few bytes of parquet can stand for a value many times over."""
    found = parquet.read_metadata(path)
    if found.num_rows * found.num_columns > MOST_CELLS:
        raise ValueError(f"{found.num_rows:,} rows of {found.num_columns} columns; at most {MOST_CELLS:,} values are read")


def read_table(path: Path) -> pd.DataFrame:
    """A table that `write_table` has written. Raises TableError: the file is missing, cut off or changed."""
    try:
        check_size(path)
        return pd.read_parquet(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise TableError(f"{path}: missing; nfloss run --resume makes it again") from None
    except (ArrowException, OSError, ValueError, KeyError, TypeError) as error:  # the last two: of a changed footer
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TableError(f"{path}: damaged ({why}); nfloss run --resume sets it aside and makes it again") from None
