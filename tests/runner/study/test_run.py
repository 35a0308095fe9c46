"""A study from file to records, interrupted and resumed, at the size of seconds."""

import json
import os
import signal
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch
import yaml
from commands import Command, nfloss
from watching import Watching

from runner.execution import Group

TINY = """
design: {one_at_a_time: ["1-1", "4-1", "10-1", "6-2"]}
seeds: 2
data: {train: 16, probe: 4, validation: 4, height: 16, width: 16}
training: {steps: 12, batch: 2, evaluate_every: 4}
device: cpu
group_size: 2
"""


def run_tiny(folder: Path, *more, text=TINY):
    folder.mkdir(exist_ok=True)
    (folder / "tiny.yaml").write_text(text)
    return nfloss("run", folder / "tiny.yaml", "--out-dir", folder / "study", "--no-report", "--no-tracking", *more)


def records(study: Path, kind: str) -> pd.DataFrame:
    parts = [pd.read_parquet(path) for path in sorted((study / "records").glob(f"{kind}-*.parquet"))]
    table = pd.concat(parts, ignore_index=True).drop(columns="seconds", errors="ignore")
    return table.sort_values(["seed", "key", *(["step"] if "step" in table else [])], ignore_index=True)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    done = run_tiny(folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "6 planned, 6 done, 0 diverged, 0 failed"
    return folder / "study"


def test_records_hold_what_the_plan_promises(study):
    plan = pd.read_parquet(study / "plan.parquet")
    trials, curves = records(study, "trials"), records(study, "curves")
    assert set(plan["status"]) == {"trained", "same as"}
    assert plan.set_index("cell")["same_as"].dropna().to_dict() == {"+4-1": "baseline", "+10-1": "+1-1"}
    assert set(zip(trials["key"], trials["seed"], strict=True)) == {
        (key, seed) for key in plan.loc[plan["status"] == "trained", "key"] for seed in (0, 1)
    }
    assert (trials["status"] == "finished").all() and trials["final_near_rmse_log"].notna().all()
    assert sorted(curves["step"].unique()) == [4, 8, 12]
    assert len(curves) == len(trials) * 3 and curves[["loss", "normalised_loss", "grad_norm"]].notna().all(axis=None)
    described = yaml.safe_load((study / "study.yaml").read_text())
    assert described["seeds"] == [0, 1] and described["versions"]["torch"]
    assert len(json.loads((study / "issues.json").read_text())) == 10


def test_two_runs_give_identical_records(study, tmp_path):
    assert run_tiny(tmp_path).returncode == 0
    for kind in ("trials", "curves"):
        pd.testing.assert_frame_equal(records(study, kind), records(tmp_path / "study", kind), check_exact=True)


def test_one_process_gives_the_same_records_as_two(study, tmp_path):
    assert run_tiny(tmp_path, "--set", "workers=1").returncode == 0
    pd.testing.assert_frame_equal(records(study, "trials"), records(tmp_path / "study", "trials"), check_exact=True)


def test_what_is_missing_is_trained_again_and_nothing_else(study, tmp_path):
    assert run_tiny(tmp_path, "--set", "workers=1").returncode == 0
    copy = tmp_path / "study"
    kept = copy / "records" / "trials-seed0-0.parquet"
    before = kept.stat().st_mtime_ns
    (copy / "records" / "trials-seed1-0.parquet").unlink()
    again = nfloss(
        "run", tmp_path / "tiny.yaml", "--out-dir", copy, "--no-report", "--no-tracking", "--resume", "--set", "workers=1"
    )
    assert again.returncode == 0, again.stderr
    assert kept.stat().st_mtime_ns == before
    pd.testing.assert_frame_equal(records(study, "trials"), records(copy, "trials"), check_exact=True)


def test_an_existing_study_is_refused_without_resume(study):
    (study.parent / "tiny.yaml").write_text(TINY)
    again = nfloss("run", study.parent / "tiny.yaml", "--out-dir", study)
    assert again.returncode == 2 and "--resume" in again.stderr and len(again.stderr.splitlines()) <= 2


def test_another_experiment_cannot_resume_a_study(study, tmp_path):
    (tmp_path / "other.yaml").write_text(TINY.replace("steps: 12", "steps: 16"))
    other = nfloss("run", tmp_path / "other.yaml", "--set", "name=tiny", "--out-dir", study, "--resume")
    assert other.returncode == 2 and "training" in other.stderr


def test_interrupt_exits_130_and_resumes(study, tmp_path):
    """SIGINT in the middle, then --resume: the records equal those of an undisturbed study."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    command = ["run", tmp_path / "tiny.yaml", "--out-dir", tmp_path / "study", "--no-report", "--no-tracking"]
    process = Command(*command, "--set", "workers=1")
    folder, deadline = tmp_path / "study" / "records", time.monotonic() + 60
    while not list(folder.glob("trials-*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (130, 0), errors
    assert process.returncode == 0 or "--resume" in errors
    again = nfloss(*command, "--resume", "--set", "workers=1")
    assert again.returncode == 0, again.stderr
    pd.testing.assert_frame_equal(records(study, "trials"), records(tmp_path / "study", "trials"), check_exact=True)


@pytest.mark.parametrize(("after", "again"), [(0.0, None), (0.5, 0.02)])
def test_ctrl_c_while_workers_load_is_one_line_and_leaves_nobody(tmp_path, after, again):
    """A terminal sends it to every process of the run; the parent alone is to hear it. Some press it twice."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    process = Command("run", tmp_path / "tiny.yaml", "--out-dir", tmp_path / "study", "--set", "workers=2")
    loading, deadline = [], time.monotonic() + 60
    while not any("forkserver" in " ".join(child.cmdline()) for child in loading) and time.monotonic() < deadline:
        time.sleep(0.05)
        loading = psutil.Process(process.pid).children(recursive=True)
    time.sleep(after)  # as they begin, and in the middle of it
    os.killpg(process.pid, signal.SIGINT)
    if again:
        time.sleep(again)
        os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    *before, last = errors.splitlines()  # the machine's speed decides whether the study's size was said yet
    assert (process.returncode, last) == (130, "nfloss: interrupted; what was recorded is safe, continue with --resume")
    assert not before or (len(before) == 1 and before[0].startswith("5 cells: ")), errors
    _, alive = psutil.wait_procs(loading, timeout=20)
    assert not alive


def test_max_seconds_stops_and_says_so(tmp_path):
    stopped = run_tiny(tmp_path, "--max-seconds", "0", "--set", "workers=1")
    assert stopped.returncode == 130 and "continue with --resume" in stopped.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [(["--seeds", "1"], "seeds"), (["--set", "group_size=3"], "group_size"), (["--set", "seeds=[1, 0]"], "seeds")],
)
def test_what_would_mix_two_studies_is_refused(study, change, said):
    (study.parent / "tiny.yaml").write_text(TINY.replace("group_size: 2\n", "") if said == "group_size" else TINY)
    other = nfloss("run", study.parent / "tiny.yaml", "--out-dir", study, "--resume", *change)
    assert other.returncode == 2 and (said in other.stderr and len(other.stderr.splitlines()) == 1)


def test_a_crash_is_counted_and_trained_again(tmp_path, monkeypatch):
    """Out of memory in one group: the others go on, the status is 1, and a resumed run fills the gap."""
    from runner.execution import run_group as execution
    from runner.experiment import load_experiment
    from runner.study import run_study

    (tmp_path / "tiny.yaml").write_text(TINY)
    experiment = load_experiment(tmp_path / "tiny.yaml", ["workers=1"])
    whole = execution.run_group

    def failing(group, *rest):
        if group.name == "seed0-1":
            raise MemoryError("no memory left")
        return whole(group, *rest)

    watching = Watching()
    monkeypatch.setattr(execution, "run_group", failing)
    outcome = run_study(experiment, tmp_path / "study", False, None, watching)
    assert (outcome.planned, outcome.done, outcome.failed) == (6, 5, 1)
    assert [crash.reason for crash in watching.crashes] == ["MemoryError: no memory left"]
    monkeypatch.setattr(execution, "run_group", whole)
    outcome = run_study(experiment, tmp_path / "study", True, None, watching)
    assert (outcome.planned, outcome.done, outcome.failed) == (6, 6, 0)


@pytest.mark.parametrize("error", [MemoryError("host"), torch.OutOfMemoryError("device")])
def test_out_of_memory_halves_the_group_and_loses_nothing(tmp_path, monkeypatch, error):
    """A machine with room for two networks: groups of six are halved until they fit, and every trial is there once."""
    from runner.execution import run_group as execution
    from runner.experiment import load_experiment
    from runner.study import run_study

    (tmp_path / "tiny.yaml").write_text(TINY)
    experiment = load_experiment(
        tmp_path / "tiny.yaml", ["workers=1", "group_size=6", "design.one_at_a_time=[1-1, 2-1, 5-1, 6-1]"]
    )
    whole, sizes = execution.run_group, []

    def short_of_memory(group, *rest):
        sizes.append(group.size)
        if group.size > 2:
            raise error
        return whole(group, *rest)

    watching = Watching()
    monkeypatch.setattr(execution, "run_group", short_of_memory)
    outcome = run_study(experiment, tmp_path / "study", False, None, watching)
    assert (outcome.planned, outcome.done, outcome.failed, watching.crashes) == (10, 10, 0, [])
    assert sizes == [4, 2, 2] * 2  # five configurations are four trainings: 6-1 reads the baseline's
    trials = records(tmp_path / "study", "trials")
    assert len(trials) == 10 and not trials.duplicated(["key", "seed"]).any()


def test_what_a_halved_group_left_undone_is_trained_on_resume(tmp_path, monkeypatch):
    from runner.execution import run_group as execution
    from runner.experiment import load_experiment
    from runner.study import run_study

    (tmp_path / "tiny.yaml").write_text(TINY)
    experiment = load_experiment(tmp_path / "tiny.yaml", ["workers=1", "group_size=6"])
    whole = execution.run_group

    def second_half_dies(group, *rest):
        if group.size > 2 or group.name.endswith("b"):
            raise MemoryError("none left") if group.size > 2 else RuntimeError("a machine")
        return whole(group, *rest)

    watching = Watching()
    monkeypatch.setattr(execution, "run_group", second_half_dies)
    assert run_study(experiment, tmp_path / "study", False, None, watching).done == 4
    assert len(watching.crashes) == 2
    monkeypatch.setattr(execution, "run_group", whole)
    assert run_study(experiment, tmp_path / "study", True, None, watching).done == 6
    assert not records(tmp_path / "study", "trials").duplicated(["key", "seed"]).any()


class Deadly(Group):
    """A group that kills the worker that receives it."""

    def __reduce__(self):
        return os._exit, (1,)


def test_a_worker_that_dies_takes_only_what_ran_along(tmp_path):
    from runner.execution import FrameCache
    from runner.execution.queue import Crash, GroupQueue, Results
    from runner.execution.workers import Workers
    from runner.experiment import load_experiment
    from runner.study import plan_experiment
    from runner.study.run import groups_of

    (tmp_path / "tiny.yaml").write_text(TINY)
    experiment = load_experiment(tmp_path / "tiny.yaml")
    groups = groups_of(plan_experiment(experiment), 2)
    deadly = Deadly("deadly", 0, groups[0].configurations, 2)
    with Workers(1, experiment, FrameCache(experiment.data)) as worker:
        endings = list(worker.run(GroupQueue([deadly, *groups], lambda kind: True), lambda *news: None))
    assert [e.group.name for e in endings if isinstance(e, Crash)] == ["deadly"]
    assert [e.group.name for e in endings if isinstance(e, Results)] == [group.name for group in groups]


def test_workers_leave_with_a_parent_that_is_killed(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY.replace("steps: 12", "steps: 100000"))
    process = Command("run", tmp_path / "tiny.yaml", "--out-dir", tmp_path / "study", "--set", "workers=2")
    workers, deadline = [], time.monotonic() + 60
    while len(workers) < 4 and time.monotonic() < deadline:  # two, their template, multiprocessing's tracker
        time.sleep(0.2)
        workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=20)
    for worker in alive:
        worker.kill()
    assert not alive


def test_a_budget_starts_nothing_that_would_end_too_late():
    from runner.study.run import Budget

    budget = Budget(100.0)
    assert budget.may_start()
    budget.took(30.0)
    budget.started -= 60.0  # a minute has passed
    assert budget.may_start() and not budget.spent
    budget.took(50.0)
    assert not budget.may_start() and budget.spent
    assert all(Budget(None).may_start() for _ in range(3))


def test_a_stopped_product_says_which_part_is_complete(tmp_path):
    product = TINY.replace('one_at_a_time: ["1-1", "4-1", "10-1", "6-2"]', "cartesian: [2, 6]")
    assert product != TINY
    (tmp_path / "tiny.yaml").write_text(product)
    first = nfloss("run", tmp_path / "tiny.yaml", "--out-dir", tmp_path / "study", "--max-seconds", "0", "--set", "workers=1")
    assert first.returncode == 130, first.stderr
    assert (
        "balanced part: 0 of " in first.stdout and "with all 2 seeds" in first.stdout and "smaller group_size" in first.stdout
    )
    assert "balanced part" in nfloss("status", tmp_path / "study").stdout


def test_a_part_that_is_complete_says_what_it_stands_for():
    """Two trainings, one of which stands for two cells and has both its seeds."""
    from runner.study.status import balanced_part

    plan = pd.DataFrame({"key": ["a", "a", "b"], "status": ["trained", "same", "trained"]})
    said = balanced_part(plan, [0, 1], {("a", 0), ("a", 1), ("b", 0)}, in_blocks=True)
    assert said.startswith("balanced part: 1 of 2 configurations with all 2 seeds, standing for 2 of 3 cells; nfloss report")


def test_status_counts(study):
    said = nfloss("status", study)
    assert said.returncode == 0 and "6 planned, 6 done, 0 diverged, 0 missing" in said.stdout


def test_environment_is_left_as_it_was(monkeypatch):
    from runner.execution import ALLOCATOR_ENVIRONMENT, worker_environment

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    for name in ALLOCATOR_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    with worker_environment():
        assert os.environ["OMP_NUM_THREADS"] == "1" and ALLOCATOR_ENVIRONMENT.items() <= os.environ.items()
    assert os.environ["OMP_NUM_THREADS"] == "7" and not set(ALLOCATOR_ENVIRONMENT) & set(os.environ)
