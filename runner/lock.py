"""One run at a time on a study, or several workers: a lock that the system drops when its process dies, however it dies."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

NAME = ".running"
LOOK = 0.2  # seconds between a worker's looks at a folder that another prepares
UNCLEAR = 2.0  # seconds that whoever has just got the lock may take to say who it is


class LockedError(ValueError):
    """Another run is at work on the study; one line that says which."""


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Hold the study for the while.

    The file says who holds it; what counts is the lock on it (flock), which ends with the process, so that nothing is left
    behind by a run that was killed. Where the system has no such locks, the study is not protected.

    Raises:
        LockedError: another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # not on this system
        yield
        return
    with opened(folder) as file:
        if not locked(file, fcntl.LOCK_EX):
            raise refusal(folder, said(file))
        sign(file, worker=False)
        yield  # the file stays: another process may have it open already


@contextmanager
def among_workers(folder: Path, prepare: Callable[[], None]) -> Iterator[None]:
    """Hold the study together with other workers; whoever finds no other there prepares it first, and others wait for that.

    Raises:
        LockedError: a run that shares with nobody holds it, or there are no such locks here.
    """
    try:
        import fcntl
    except ImportError:
        raise LockedError(f"{folder}: workers need file locks (flock), which this system has not") from None
    with opened(folder) as file:
        prepared, clear = False, time.monotonic() + UNCLEAR
        while True:
            if not prepared and locked(file, fcntl.LOCK_EX):  # nobody else is there
                sign(file, worker=True)
                prepare()
                prepared = True
            if locked(file, fcntl.LOCK_SH):  # between the two locks another may have come, and prepares it again
                break
            time.sleep(LOOK)
            if time.monotonic() > clear and not by_worker(said(file)):
                raise refusal(folder, said(file))
        yield


@contextmanager
def opened(folder: Path) -> Iterator[TextIO]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / NAME).open("a+", encoding="utf-8") as file:
        yield file


def locked(file: TextIO, kind: int) -> bool:
    """Whether this process has this lock now; if not, it has none."""
    import fcntl

    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sign(file: TextIO, worker: bool) -> None:
    """Say who has the lock."""
    me = {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat("T", "seconds")}
    file.truncate(0)
    json.dump({**me, "worker": worker}, file)
    file.flush()


def said(file: TextIO) -> str:
    file.seek(0)
    return file.read()


def by_worker(text: str) -> bool:
    """Whether the lock's file speaks of a worker."""
    try:
        return bool(json.loads(text)["worker"])
    except (ValueError, KeyError, TypeError):
        return False


def refusal(folder: Path, text: str) -> LockedError:
    """The error of whoever comes second."""
    what = "workers are at work on it, the first" if by_worker(text) else "another run is at work on it"
    return LockedError(f"{folder}: {what} ({who(text)}); wait for it or stop it")


def who(said: str) -> str:
    """The holder in words, from what its file says."""
    try:
        holder = json.loads(said)
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "it has not said who it is"
