"""Who works on what, where several processes share a study: a lock for the moment of deciding, a claim on each cell."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Alone among the processes that come here with this path; the system lets go of it when a process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class Claims:
    """A folder with a file per cell that is being trained. Ask and take inside `exclusive`.

    A claim holds while its process lives. That of a process on another machine cannot be looked at and holds until its file
    is deleted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.own = folder, set[str]()
        self.me = {"pid": os.getpid(), "host": socket.gethostname(), "born": born(os.getpid())}

    def take(self, key: str) -> bool:
        """Whether the cell is now this process's."""
        if key in self.own:
            return True
        if self.held(key):
            return False
        path = self.folder / f"{key}.json"
        path.unlink(missing_ok=True)  # of a process that died
        self.folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as handle:
            json.dump({**self.me, "time": time.time()}, handle)
        self.own.add(key)
        return True

    def held(self, key: str) -> bool:
        """Whether another process that lives has claimed the cell."""
        try:
            claim = json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):  # none, or its writer died while writing
            return False
        if claim["host"] != self.me["host"]:
            return True
        return key not in self.own and claim["born"] is not None and born(claim["pid"]) == claim["born"]

    def release(self) -> None:
        """Give up what this process has claimed."""
        for key in self.own:
            (self.folder / f"{key}.json").unlink(missing_ok=True)
        self.own.clear()


def born(pid: int) -> str | None:
    """When a living process began, which tells it from a later one of the same number; None if there is none."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # lives, and is another user's
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return "lives"  # no /proc here: the number alone must do
    return None if fields[0] in "ZX" else fields[19]
