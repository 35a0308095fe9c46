"""Who works on what, where several processes share a study: a lock for the moment of deciding, a claim on each part."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TURN = "search.lock"  # of a search, the file that whoever decides holds
BEAT = 20.0  # seconds between the signs of life that a claim's process gives
LOST = 180.0  # seconds without one after which a process elsewhere is held to be dead; NFS may show a file's time a minute late


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Alone among the processes that come here with this path; the system lets go of it when a process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class Claims:
    """A folder with a file per cell or group that is being trained, each made by whoever comes first (O_EXCL).

    A claim holds while its process lives. A process of this machine is looked for; one elsewhere shows that it lives by
    touching its files, and the claim is taken over when it has not for `lost` seconds, by the clock of the folder. A process
    that was only held up then trains what another trains too: its records are counted once (`read_trials`).
    """

    def __init__(self, folder: Path, lost: float = LOST) -> None:
        self.folder, self.lost, self.own = folder, lost, set[str]()
        self.me = {"pid": os.getpid(), "host": host(), "born": born(os.getpid())}
        self.mark = f"{socket.gethostname()}.{os.getpid()}"
        self.released: threading.Event | None = None  # of the thread that gives the signs of life

    def take(self, key: str) -> bool:
        """Whether the cell is now this process's."""
        if key in self.own:
            return True
        self.folder.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                with self.path(key).open("x", encoding="utf-8") as handle:
                    json.dump(self.me, handle)
            except FileExistsError:
                claim, held = self.look(key)
                if held:
                    return False
                self.bury(key, claim)
                continue
            self.own.add(key)
            self.show_life()
            return True

    def held(self, key: str) -> bool:
        """Whether another process that lives has claimed the cell."""
        return key not in self.own and self.look(key)[1]

    def any_held(self) -> bool:
        """Whether another process that lives has claimed anything."""
        return any(self.held(path.stem) for path in self.folder.glob("*.json"))

    def release(self) -> None:
        """Give up what this process has claimed."""
        if self.released:
            self.released.set()
            self.released = None
        for key in self.own:
            self.path(key).unlink(missing_ok=True)
        self.own.clear()

    def path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def look(self, key: str) -> tuple[str, bool]:
        """What a claim says, and whether it holds; one that is not whole is being written, or was when its process died."""
        try:
            text = self.path(key).read_text(encoding="utf-8")
            claim = json.loads(text) if text.endswith("}") else {}
            if claim.get("host") != self.me["host"]:
                return text, self.age(key) < self.lost
        except FileNotFoundError:
            return "", False
        return text, claim["born"] is not None and born(claim["pid"]) == claim["born"]

    def age(self, key: str) -> float:
        """Seconds since the last sign of life, both times by the clock of the machine that keeps the folder."""
        now = self.folder / f".now.{self.mark}"
        now.touch()
        try:
            return now.stat().st_mtime - self.path(key).stat().st_mtime
        finally:
            now.unlink()

    def bury(self, key: str, dead: str) -> None:
        """Remove a dead process's claim, which said `dead`; one that another process has just put in its place stays."""
        grave = self.folder / f".dead.{self.mark}"
        with suppress(FileNotFoundError):
            os.rename(self.path(key), grave)
            if grave.read_text(encoding="utf-8") != dead and not self.path(key).exists():
                os.rename(grave, self.path(key))
            grave.unlink()

    def show_life(self) -> None:
        """From the first claim on, touch the files of all every so often."""
        if self.released is None:
            self.released = threading.Event()
            threading.Thread(target=self.beat, args=(self.released,), daemon=True).start()

    def beat(self, released: threading.Event) -> None:
        while not released.wait(BEAT):
            for key in list(self.own):
                with suppress(OSError):  # a file server that is away for a while
                    os.utime(self.path(key))


def host() -> str:
    """This machine, and which of its containers: their process numbers are not those of others."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


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
