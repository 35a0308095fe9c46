"""Tables on disk: parquet with a checksum on every page, so that a damaged file is found and not believed."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pandas as pd
from pyarrow import ArrowException

from runner.files import write_bytes


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
