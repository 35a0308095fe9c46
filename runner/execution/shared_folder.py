"""A folder in the temporary directory for as long as this process lives, and what killed processes have left of theirs."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on this system: what a killed process leaves stays there
    fcntl = None  # type: ignore[assignment]

PREFIX = "nfloss-frames-"


class SharedFolder:
    """A new folder, whose files this process shares with others until it removes it.

    The process holds a lock on it (flock), which ends with the process, however that ends: a folder that nobody holds was left
    by one that was killed, and whoever makes a folder next removes it.
    """

    def __init__(self) -> None:
        remove_abandoned()
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
            if fcntl is None:
                return
            self._held = os.open(self.path, os.O_RDONLY)  # for the rest of this process
            fcntl.flock(self._held, fcntl.LOCK_EX)
            if self.path.exists():  # else another process held it first, and took it for abandoned
                return
            os.close(self._held)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def remove_abandoned() -> None:
    """Remove the folders of this user that no process holds."""
    if fcntl is None:
        return
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # a link, another user's, removed by another process, or held: it stays
            opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(opened).st_uid == os.getuid():
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(opened)
