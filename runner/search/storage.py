"""Where Optuna keeps a search: the study folder's journal, or a database; and in one line why it cannot be reached."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

JOURNAL = "optuna.journal"
UNREACHABLE = (OSError, StorageInternalError, SQLAlchemyError)
PATIENCE = 600.0  # seconds that a search waits for a storage that it has used before
LONGEST = 30.0  # between two tries

T = TypeVar("T")


class StorageError(ValueError):
    """Why the storage of a search cannot be used, in one line."""


def open_storage(folder: Path, url: str | None) -> BaseStorage:
    """The study folder's journal, or a database."""
    if url is None:
        folder.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    with reachable(url), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})  # a training may outlast an idle connection


@contextmanager
def reachable(url: str | None) -> Iterator[None]:
    """Says in one line that a storage cannot be reached, the password left out."""
    try:
        yield
    except (*UNREACHABLE, ImportError) as error:
        if isinstance(error, ImportError) and error.name == "psycopg":
            raise StorageError(
                "a search in PostgreSQL needs psycopg, not installed here: pip install 'nfloss[postgresql]'"
            ) from None
        why = str(error.__cause__ or error).strip().splitlines() or [type(error).__name__]
        raise StorageError(f"the search's storage {shown(url)} cannot be used: {why[0]}") from None


def retried(what: Callable[[], T], waits: Callable[[str], None], patience: float = PATIENCE) -> T:
    """Do it again, after ever longer waits, while the storage is away or locked; `waits` hears of it once.

    Raises:
        StorageError: it has been away for all of `patience`, in seconds.
    """
    began, pause = time.monotonic(), 1.0
    while True:
        try:
            return what()
        except StorageError as error:
            left = patience - (time.monotonic() - began)
            if left <= 0:
                raise
            if pause == 1.0:
                waits(f"{error}; trying again for {round(left / 60)} minutes")
        time.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST)


def shown(url: str | None) -> str:
    """The storage without its password."""
    try:
        return JOURNAL if url is None else make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "(no URL)"
