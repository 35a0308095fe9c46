"""Frames that workers share are removed, also after a SIGKILL: by the next run, and only what no process holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.execution import shared_folder
from runner.execution.shared_folder import PREFIX, SharedFolder

HOLD = """
import runpy, sys, tempfile, time
tempfile.tempdir = sys.argv[1]
held = runpy.run_path(sys.argv[2])["SharedFolder"]()  # by itself: the package would load torch
(held.path / "0.pt").write_text("frames")
print(held.path, flush=True)
time.sleep(60)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def held(temporary: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], Path]]]:
    """Begins another process that holds a folder."""
    begun = []

    def begin() -> tuple[subprocess.Popen[str], Path]:
        command = [sys.executable, "-c", HOLD, str(temporary), shared_folder.__file__]
        begun.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert begun[-1].stdout is not None
        return begun[-1], Path(begun[-1].stdout.readline().strip())

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def test_what_a_killed_process_left_is_removed_and_what_is_held_stays(temporary: Path, held) -> None:  # type: ignore[no-untyped-def]
    killed, left = held()
    _, living = held()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert (left / "0.pt").exists()
    mine = SharedFolder()
    assert not left.exists() and (living / "0.pt").exists()
    SharedFolder().remove()
    assert mine.path.exists()
    mine.remove()
    assert list(temporary.iterdir()) == [living]


def test_nothing_else_is_removed(temporary: Path) -> None:
    """A link, a file, and the folder of another user."""
    (temporary / "mine").mkdir()
    (temporary / f"{PREFIX}link").symlink_to(temporary / "mine")
    (temporary / f"{PREFIX}file").touch()
    (temporary / f"{PREFIX}theirs").mkdir()
    if os.getuid() == 0:
        os.chown(temporary / f"{PREFIX}theirs", 12345, 12345)
    SharedFolder().remove()
    left = {path.name.removeprefix(PREFIX) for path in temporary.iterdir()}
    assert left == {"mine", "link", "file"} | ({"theirs"} if os.getuid() == 0 else set())
