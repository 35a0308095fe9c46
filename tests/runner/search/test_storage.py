"""A search whose storage cannot be used for a while, or any more: a lock of another process, a server that stops."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import optuna
import pytest
from commands import begin

from runner.records import read_trials
from runner.search.storage import StorageError, retry

TINY = """
design: {{optuna: {{trials: 6, at_once: 2, storage: "sqlite:///{folder}/search.db?timeout=0.3"}}}}
seeds: 2
data: {{train: 16, probe: 4, validation: 4, height: 16, width: 16}}
training: {{steps: 12, batch: 2, evaluate_every: 4}}
device: cpu
workers: 1
"""


def lock(database: Path, seconds: float) -> None:
    """Lock the database as soon as there are records, long enough for the search to use its storage again."""
    end = time.monotonic() + 100
    while not any((database.parent / "study" / "records").glob("trials-*.parquet")) and time.monotonic() < end:
        time.sleep(0.01)
    held = sqlite3.connect(database, timeout=60, isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    time.sleep(seconds)
    held.execute("COMMIT")
    held.close()


@pytest.mark.slow
def test_a_locked_database_is_waited_for(tmp_path: Path) -> None:
    search = begin(tmp_path, TINY.format(folder=tmp_path))
    locking = threading.Thread(target=lock, args=(tmp_path / "search.db", 5.0))
    locking.start()
    _, complaint = search.communicate(timeout=120)
    locking.join()
    assert search.returncode == 0, complaint
    assert complaint.count("database is locked; trying again for 10 minutes") == 1, complaint
    told = optuna.load_study(study_name="tiny", storage=f"sqlite:///{tmp_path}/search.db").trials
    assert [trial.state.name for trial in told] == ["COMPLETE"] * len(told) and len(
        read_trials(tmp_path / "study" / "records")
    ) == 12


class Storage:
    """It cannot be used for the first `away` tries."""

    def __init__(self, away: int) -> None:
        self.away, self.tries = away, 0

    def __call__(self) -> str:
        self.tries += 1
        if self.tries <= self.away:
            raise StorageError("locked")
        return "done"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, which end at once."""
    slept: list[float] = []
    monkeypatch.setattr("runner.search.storage.time.sleep", slept.append)
    monkeypatch.setattr("runner.search.storage.time.monotonic", lambda: sum(slept))
    return slept


def test_pauses_grow_and_there_is_one_warning(clock: list[float]) -> None:
    warnings: list[str] = []
    assert retry(Storage(7), warnings.append) == "done"
    assert clock == [1, 2, 4, 8, 16, 30, 30] and warnings == ["locked; trying again for 10 minutes"]


def test_waiting_ends(clock: list[float]) -> None:
    with pytest.raises(StorageError, match="locked"):
        retry(Storage(1000), lambda why: None, max_wait=20)
    assert clock == [1, 2, 4, 8, 5]
