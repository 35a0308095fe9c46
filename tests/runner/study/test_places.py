"""A study that was moved and renamed, another user's, one that only its user may read; two runs of one study at once."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from commands import Command, nfloss, recorded

TINY = """
name: tiny
design: {one_at_a_time: ["1-1", "6-2"]}
seeds: 2
data: {train: 16, probe: 4, validation: 4, height: 16, width: 16}
training: {steps: 4, batch: 2, evaluate_every: 1}
device: cpu
group_size: 1
workers: 1
"""
NOBODY = 65534


def run(folder: Path, *more: object, **how: object):  # type: ignore[no-untyped-def]
    (folder / "tiny.yaml").write_text(TINY)
    words = ["run", folder / "tiny.yaml", "--out-dir", folder / "study", "--no-report", "--no-tracking"]
    return nfloss(*words, *more, **how)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    assert run(folder).returncode == 0
    return folder / "study"


def test_a_study_that_was_moved_and_renamed_goes_on(made: Path, tmp_path: Path) -> None:
    """Nothing in a study says where it is: with one seed taken away, it is trained again to the same bits."""
    moved = tmp_path / "another place" / "another-name"
    shutil.copytree(made, moved)
    assert nfloss("status", moved).stdout.startswith("tiny: 6 planned, 6 done")
    for path in (moved / "records").glob("*seed1*"):
        path.unlink()
    (tmp_path / "tiny.yaml").write_text(TINY)
    again = ["run", tmp_path / "tiny.yaml", "--out-dir", moved, "--resume", "--no-report", "--no-tracking"]
    done = nfloss(*again)
    assert done.returncode == 0, done.stderr
    whole, found = recorded(made), recorded(moved)
    assert list(found) == list(whole)
    for name, table in whole.items():
        pd.testing.assert_frame_equal(found[name], table, check_exact=True)


def test_what_is_written_is_as_private_as_the_umask_says(tmp_path: Path) -> None:
    """077: nobody else may read any of it, and the workers, who are of the same user, can."""
    assert run(tmp_path, "--set", "workers=2", umask=0o077).returncode == 0
    modes = {path.stat().st_mode & 0o077 for path in [tmp_path / "study", *(tmp_path / "study").rglob("*")]}
    assert modes == {0}


@pytest.fixture
def theirs(made: Path) -> Iterator[Path]:
    """A study of this user, which all may read, where another user can reach it."""
    if not hasattr(os, "setuid") or os.getuid() != 0:
        pytest.skip("only root can be another user")
    folder = Path(tempfile.mkdtemp(prefix="nfloss-theirs-"))
    folder.chmod(0o755)
    shutil.copytree(made, folder / "study")
    (folder / "tiny.yaml").write_text(TINY)
    yield folder
    shutil.rmtree(folder)


def test_a_study_of_another_user_can_be_read_and_what_cannot_be_written_is_one_line(theirs: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in theirs.rglob("*")}
    said = nfloss("status", "study", cwd=theirs, user=NOBODY)
    assert said.returncode == 0 and said.stdout.startswith("tiny: 6 planned, 6 done"), said.stderr
    for words in (["run", "tiny.yaml", "--out-dir", "study", "--resume"], ["run", "tiny.yaml"], ["report", "study"]):
        said = nfloss(*words, cwd=theirs, user=NOBODY)
        *progress, line = said.stderr.splitlines()
        assert said.returncode == 2 and line.startswith("nfloss: ") and line.endswith(": Permission denied"), said.stderr
        assert not progress or progress == ["drawing the report of study (about half a minute)"]
    assert {path: path.stat().st_mtime_ns for path in theirs.rglob("*")} == before


def test_a_second_run_is_refused_while_the_first_is_at_work_and_no_record_is_mixed(tmp_path: Path, made: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    words = ["run", tmp_path / "tiny.yaml", "--out-dir", tmp_path / "study", "--no-report", "--no-tracking", "--resume"]
    first = Command(*words)
    until = time.monotonic() + 60
    while not (tmp_path / "study" / "study.yaml").exists() and first.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    first.send_signal(signal.SIGSTOP)  # in the midst of it
    second = nfloss(*words)
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 2 and len(second.stderr.splitlines()) == 1, second.stderr
    assert f"another run is at work on it (process {first.pid} on" in second.stderr
    assert first.wait() == 0
    assert list(recorded(tmp_path / "study")) == list(recorded(made))
