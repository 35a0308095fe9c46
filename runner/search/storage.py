"""The storage of a search: the journal in the study's folder, or a database. Its errors are reported in one line."""

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
MAX_WAIT = 600.0  # seconds that a search waits for a storage that it has used before
MAX_PAUSE = 30.0  # seconds between two tries

T = TypeVar("T")


class StorageError(ValueError):
    """Why the storage of a search cannot be used, in one line."""


def open_storage(folder: Path, url: str | None) -> BaseStorage:
    """The journal in the study's folder or, with a URL, a database. Raises StorageError where it cannot be used."""
    if url is None:
        folder.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    with storage_errors(url):
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})  # an idle connection may be closed during a training


@contextmanager
def storage_errors(url: str | None) -> Iterator[None]:
    """Raise errors of the storage as a StorageError, one line without the password; what is experimental goes unsaid."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    except (*UNREACHABLE, ImportError) as error:
        if isinstance(error, ImportError) and error.name == "psycopg":
            raise StorageError(
                "a search in PostgreSQL needs psycopg, not installed here: pip install 'nfloss[postgresql]'"
            ) from None
        why = str(error.__cause__ or error).strip().splitlines() or [type(error).__name__]
        raise StorageError(f"the search's storage {safe_url(url)} cannot be used: {why[0]}") from None


def retry(action: Callable[[], T], warn: Callable[[str], None], max_wait: float = MAX_WAIT) -> T:
    """Call `action`, and again after longer and longer pauses while the storage cannot be used; `warn` is called once.

    Raises StorageError: the storage could not be used for `max_wait` seconds."""
    began, pause = time.monotonic(), 1.0
    while True:
        try:
            return action()
        except StorageError as error:
            left = max_wait - (time.monotonic() - began)
            if left <= 0:
                raise
            if pause == 1.0:
                warn(f"{error}; trying again for {round(left / 60)} minutes")
        time.sleep(min(pause, left))
        pause = min(2 * pause, MAX_PAUSE)


def safe_url(url: str | None) -> str:
    """The storage's URL without its password, or the name of the journal."""
    try:
        return JOURNAL if url is None else make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "(no URL)"
