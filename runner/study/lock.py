"""One run at a time on a study: a lock that the system drops when its process dies, however it dies."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

NAME = ".running"


class LockedError(ValueError):
    """Another run is at work on the study; one line that says which."""


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Hold the study for the while.

    The file says who holds it; what counts is the lock on it (flock), which ends with the process, so that nothing is left
    behind by a run that was killed. Where the system has no such locks, the study is not protected. A run that has written
    nothing leaves no folder.

    Raises LockedError: another process holds it."""
    try:
        import fcntl
    except ImportError:  # not on this system
        yield
        return
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / NAME).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise LockedError(
                f"{folder}: another run is at work on it ({holder(file.read())}); wait for it or stop it"
            ) from None
        if not is_at(file, folder / NAME):
            raise LockedError(f"{folder}: another run has just left it; try again")
        sign(file)
        try:
            yield
        finally:  # the file stays beside others: another process may have it open already
            if new and folder.is_dir() and [path.name for path in folder.iterdir()] == [NAME]:
                (folder / NAME).unlink()
                folder.rmdir()


def is_at(file: TextIO, path: Path) -> bool:
    """Whether the open file is what stands at the path: a lock on a file that was removed protects nothing."""
    return path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())


def sign(file: TextIO) -> None:
    """Write down which process holds the lock."""
    file.truncate(0)
    json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat("T", "seconds")}, file)
    file.flush()


def holder(text: str) -> str:
    """Which process holds the lock, from the lock file's text."""
    try:
        found = json.loads(text)
        return f"process {found['pid']} on {found['host']} since {found['since']}"
    except (ValueError, KeyError, TypeError):
        return "it has not written its name"
