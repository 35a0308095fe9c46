"""SIGKILL at random instants: a process that has everything loaded forks a command, kills it, and lets it be given again.

    python kills.py FOLDER SEED KIND=COUNT ...

A kind is a run of FOLDER/KIND.yaml, or `report`, `sync` or `confirm` of the study FOLDER/scratch/whole. Leaves
FOLDER/KIND/whole, undisturbed, and FOLDER/KIND/0, FOLDER/KIND/1, ..., each killed once and finished by the same command. Prints
a line per kill: the kind, the share of an undisturbed command's time at which it came, and how many groups had been recorded.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from commands import audit_once, load_everything, write_without_waiting

from runner.cli import main
from runner.data import make_seed_data
from runner.experiment import load_experiment
from runner.study import description, plan_experiment

torch.set_num_threads(1)  # threads do not survive a fork
VIEWS = {"report": [], "sync": [], "confirm": ["--seeds", "3"]}
Begin = Callable[[Path], list[str]]  # gives the command line that works in a folder


def describe_once(experiment: Path) -> None:
    """What describes a study is made once, for all runs: they differ in when they are killed."""
    audit_once()
    with multiprocessing.get_context("fork").Pool(1) as apart:
        symptoms = apart.apply(symptom_table, (experiment,))
    description.symptom_table = lambda plan, first: symptoms


def symptom_table(experiment: Path) -> pd.DataFrame:
    settings = load_experiment(experiment)
    return description.symptom_table(plan_experiment(settings), make_seed_data(settings.data, 0))


def load_views() -> None:
    """What they load; of the report one figure, and of what is confirmed a fix: more would take minutes."""
    import statsmodels.stats.power  # noqa: F401

    import analysis.recommendation
    import analysis.regime
    import analysis.report.notebook
    import runner.cli.run
    from runner.tracking.store import tracking_errors

    with tracking_errors("mlflow"):
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
    analysis.report.notebook.available = lambda study: ["forest"]
    analysis.report.notebook._issue = lambda study, issue: []
    analysis.regime.is_early = lambda judged: False
    analysis.recommendation.candidates = lambda study, fixes: {"one": {"fixes": ["1-1"], "numbers": {}}}
    runner.cli.run.draw_report = runner.cli.run.say_conclusions = lambda study: None


def begin(command: list[str]) -> int:
    """Fork a command; gives its process."""
    child = os.fork()
    os.setpgid(child, child)  # in both, so that whichever goes on first has a group to kill
    if child:
        return child
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    try:
        main(command)
    except SystemExit as end:
        os._exit(int(end.code or 0))
    finally:
        os._exit(99)


def finish(command: list[str]) -> float:
    """Let a command finish; gives the seconds that it took."""
    began = time.monotonic()
    _, status = os.waitpid(begin(command), 0)
    assert os.waitstatus_to_exitcode(status) == 0, (command, status)
    return time.monotonic() - began


def kill(command: list[str], after: float) -> None:
    """Kill a command so many seconds after its start."""
    child = begin(command)
    time.sleep(after)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)


def kill_many(kind: str, begun_in: Begin, folder: Path, count: int, rng: random.Random) -> None:
    whole = finish(begun_in(folder / "whole"))
    for number in range(count):
        share, command = rng.uniform(0.0, 1.05), begun_in(folder / str(number))
        kill(command, share * whole)
        recorded = len(list((folder / str(number) / "records").glob("trials-*.parquet")))
        for path in folder.rglob(".*"):
            os.utime(path, (0, 0))  # what was being written was so minutes ago
        finish(command)
        print(kind, f"{share:.3f}", recorded, flush=True)


def kill_all(folder: Path, seed: int, kinds: dict[str, int]) -> None:
    runs = [kind for kind in kinds if kind not in VIEWS]
    describe_once(folder / f"{runs[0]}.yaml")
    load_everything()
    write_without_waiting()
    for kind in runs:
        finish(run(folder / f"{kind}.yaml", folder / kind / "warm"))
        kill_many(kind, partial(run, folder / f"{kind}.yaml"), folder / kind, kinds[kind], random.Random(seed))
    load_views()
    for kind in [kind for kind in VIEWS if kinds.get(kind)]:
        kill_many(kind, partial(view, kind, folder / "scratch" / "whole"), folder / kind, kinds[kind], random.Random(seed))


def run(experiment: Path, folder: Path) -> list[str]:
    """The command line of a run in the folder."""
    return ["run", str(experiment), "--out-dir", str(folder), "--resume", "--no-report", "--no-tracking"]


def view(kind: str, study: Path, folder: Path) -> list[str]:
    """The command line that works on a copy of the study in the folder."""
    shutil.copytree(study, folder / "tiny")
    return [kind, str(folder / "tiny"), *VIEWS[kind]]


if __name__ == "__main__":
    kill_all(Path(sys.argv[1]), int(sys.argv[2]), {kind: int(n) for kind, n in (word.split("=") for word in sys.argv[3:])})
