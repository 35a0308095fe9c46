"""Several workers on one study: each group trained once, whoever dies, and one of them ends it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from commands import begin, recorded

from runner.claims import Claims
from runner.execution import run_here
from runner.experiment import load_experiment
from runner.joint import check_same
from runner.lock import LockedError, among_workers, only_run
from runner.records import read_trials, write_group
from runner.study import groups_of, plan_experiment
from runner.study_folder import StudyError
from runner.tracking_tables import read_tables
from runner.waiting import Waiting

TINY = """
design: {one_at_a_time: ["1-1", "4-1", "10-1", "6-2"]}
seeds: 2
data: {train: 16, probe: 4, validation: 4, height: 16, width: 16}
training: {steps: 60, batch: 2, evaluate_every: 20}
device: cpu
group_size: 1
workers: 1
"""


def wait_for(what, process: subprocess.Popen) -> None:
    until = time.monotonic() + 120
    while not what():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture(scope="module")
def joint(tmp_path_factory) -> Path:
    """A study that one worker began, and was killed in; two others together end it."""
    folder = tmp_path_factory.mktemp("joint")
    killed = begin(folder, TINY, "--worker")
    wait_for(lambda: list((folder / "study" / "claims").glob("seed*.json")), killed)
    killed.kill()
    killed.communicate()
    assert list((folder / "study" / "claims").glob("seed*.json")) and not recorded(folder / "study")
    two = [begin(folder, TINY, "--worker") for _ in range(2)]
    said = [process.communicate(timeout=300) for process in two]
    assert [process.returncode for process in two] == [0, 0], said
    last = [out.splitlines()[-1] for out, _ in said]
    assert last.count("6 planned, 6 done, 0 diverged, 0 failed") == 1, said
    assert sum("another worker trains the rest and draws the report" in line for line in last) == 1, said
    return folder


def test_together_they_train_what_one_trains(joint, tmp_path):
    experiment = load_experiment(joint / "tiny.yaml")
    groups = Waiting(groups_of(plan_experiment(experiment), 1), lambda: True)
    for result in run_here(groups, experiment, torch.device("cpu"), lambda *news: None):
        write_group(tmp_path / "records", result.group.name, result.records)
    here, there = recorded(tmp_path), recorded(joint / "study")
    assert here.keys() == there.keys() and len([name for name in here if name.startswith("trials-")]) == 6
    for name, table in here.items():
        pd.testing.assert_frame_equal(table, there[name], check_exact=True, obj=name)
    assert not list((joint / "study" / "claims").iterdir())


def test_what_two_have_trained_is_counted_once(joint, tmp_path):
    from shutil import copy, copytree

    study = tmp_path / "study"
    copytree(joint / "study", study)
    for kind in ("trials", "curves", "profiles", "samples"):
        copy(study / "records" / f"{kind}-seed0-0.parquet", study / "records" / f"{kind}-seed0-0.2.parquet")
    plan = pd.read_parquet(study / "plan.parquet")
    assert len(read_trials(study / "records")) == 7 and len(read_trials(study / "records", plan)) == 6
    tables = read_tables(study)
    assert len(tables.trials) == 6 and not tables.curves.duplicated(["key", "seed", "step"]).any()


def test_a_worker_with_other_code_does_not_join(joint):
    plan = pd.read_parquet(joint / "study" / "plan.parquet")
    check_same(joint / "study", plan)
    with pytest.raises(StudyError, match="have another shared; install the same here"):
        check_same(joint / "study", plan.assign(fingerprint=plan["fingerprint"].str.replace("shared:", "shared:0")))


HOLD = """
import contextlib, pathlib, sys, time
from runner.lock import among_workers, only_run
folder = pathlib.Path(sys.argv[2])
with only_run(folder) if sys.argv[1] == "run" else among_workers(folder, lambda: time.sleep(float(sys.argv[3]))):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(kind: str, folder: Path, prepares: float = 0.0) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", HOLD, kind, str(folder), str(prepares)], stdout=subprocess.PIPE, text=True)


def test_a_run_and_workers_keep_out_of_each_others_way(tmp_path):
    prepared = []
    with holder("worker", tmp_path / "a", 1.0) as first, holder("run", tmp_path / "b") as run:
        try:
            wait_for((tmp_path / "a" / ".running").exists, first)
            wait_for(lambda: "worker" in (tmp_path / "a" / ".running").read_text(), first)
            with among_workers(tmp_path / "a", lambda: prepared.append(1)):  # waits until the first has prepared it
                assert first.stdout.readline() == "held\n" and prepared == []
            with (
                pytest.raises(LockedError, match=f"workers are at work on it, the first .process {first.pid}"),
                only_run(tmp_path / "a"),
            ):
                pass
            assert run.stdout.readline() == "held\n"
            refused = pytest.raises(LockedError, match=f"another run is at work on it .process {run.pid}")
            with refused, among_workers(tmp_path / "b", lambda: prepared.append(2)):
                pass
        finally:
            first.kill()
            run.kill()
    with among_workers(tmp_path / "a", lambda: prepared.append(3)), pytest.raises(LockedError), only_run(tmp_path / "a"):
        pass
    with only_run(tmp_path / "a"):
        assert prepared == [3]


def test_a_claim_from_elsewhere_holds_while_it_shows_life(tmp_path):
    mine, other = Claims(tmp_path, lost=60.0), Claims(tmp_path)
    other.me["host"] = "elsewhere"
    assert other.take("a") and mine.held("a") and not mine.take("a") and mine.any_held()
    os.utime(mine.path("a"), (time.time() - 61, time.time() - 61))
    assert not mine.any_held() and mine.take("a")
    (tmp_path / "b.json").write_text('{"pid": 1, "ho')  # its process is writing it
    assert mine.held("b") and not mine.take("b")
    os.utime(mine.path("b"), (time.time() - 61, time.time() - 61))
    assert mine.take("b")
    mine.release()
    assert not list(tmp_path.iterdir())


def test_a_claim_that_was_just_taken_over_is_left_to_its_new_owner(tmp_path):
    """Two see the same dead claim; the slower one buries what the faster one has put there, and notices."""
    faster, slower = Claims(tmp_path), Claims(tmp_path)
    faster.take("a")
    live = faster.path("a").read_text()
    slower.bury("a", "what the dead one said")
    assert faster.path("a").read_text() == live
    slower.bury("a", live)
    assert not list(tmp_path.iterdir())


def test_signs_of_life_are_given_until_the_release(tmp_path, monkeypatch):
    monkeypatch.setattr("runner.claims.BEAT", 0.05)
    claims = Claims(tmp_path)
    claims.take("a")
    os.utime(claims.path("a"), (1.0, 1.0))
    until = time.monotonic() + 20
    while claims.path("a").stat().st_mtime == 1.0 and time.monotonic() < until:
        time.sleep(0.02)
    assert claims.path("a").stat().st_mtime > 1.0
    claims.release()
    assert not claims.path("a").exists() and claims.released is None
