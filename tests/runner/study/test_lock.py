"""A second run on a study is refused while the first lives, and only then."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runner.study import lock
from runner.study.lock import LockedError, holder, only_run

HOLD = """
import pathlib, runpy, sys, time
only_run = runpy.run_path(sys.argv[2])["only_run"]  # by itself: the package would load torch
with only_run(pathlib.Path(sys.argv[1])):
    print('held', flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_refused_while_the_first_lives(tmp_path: Path, end: signal.Signals) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "s"), lock.__file__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None and first.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=f"process {first.pid} on"), only_run(tmp_path / "s"):
            pass
        first.send_signal(end)
    with only_run(tmp_path / "s"):
        pass


def test_one_after_the_other(tmp_path: Path) -> None:
    for _ in range(2):
        with only_run(tmp_path):
            pass


def test_a_run_that_wrote_nothing_leaves_nothing(tmp_path: Path) -> None:
    """Neither its folder nor its lock; a folder that was there stays, and so does one with anything in it."""
    with only_run(tmp_path / "new"):
        pass
    assert not (tmp_path / "new").exists()
    (tmp_path / "there").mkdir()
    with only_run(tmp_path / "there"):
        pass
    with only_run(tmp_path / "used"):
        (tmp_path / "used" / "plan.parquet").touch()
    assert (tmp_path / "there").is_dir() and len(list((tmp_path / "used").iterdir())) == 2


def test_a_lock_on_a_file_that_is_gone_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run has left, and removed the file, between this one's opening and locking it."""
    import fcntl

    def flock(file: object, how: int) -> None:
        (tmp_path / "s" / lock.NAME).unlink()

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(LockedError, match="try again"), only_run(tmp_path / "s"):
        pass


def test_a_holder_that_said_nothing() -> None:
    assert holder("{") == holder("[]") == "it has not written its name"
