"""SIGKILL at random instants: a process that has everything loaded forks a run, kills it, and lets another run finish.

    python kills.py EXPERIMENT.yaml FOLDER COUNT SEED

Leaves FOLDER/whole, undisturbed, and FOLDER/0, FOLDER/1, ..., each killed once and resumed. Prints a line per kill: the share
of an undisturbed run's time at which it came, and how many groups had been recorded.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from commands import audit_once, load_everything, write_without_waiting

from runner.cli import main
from runner.data import make_seed_data
from runner.experiment import load_experiment
from runner.study import description, plan_experiment

torch.set_num_threads(1)  # threads do not survive a fork


def describe_once(experiment: Path) -> None:
    """What describes a study is made once, for all runs: they differ in when they are killed."""
    audit_once()
    with multiprocessing.get_context("fork").Pool(1) as apart:
        symptoms = apart.apply(symptom_table, (experiment,))
    description.symptom_table = lambda plan, first: symptoms


def symptom_table(experiment: Path) -> pd.DataFrame:
    settings = load_experiment(experiment)
    return description.symptom_table(plan_experiment(settings), make_seed_data(settings.data, 0))


def begin(experiment: Path, folder: Path) -> int:
    """Fork a run of the experiment; gives its process."""
    child = os.fork()
    os.setpgid(child, child)  # in both, so that whichever goes on first has a group to kill
    if child:
        return child
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    try:
        main(["run", str(experiment), "--out-dir", str(folder), "--resume", "--no-report", "--no-tracking"])
    except SystemExit as end:
        os._exit(int(end.code or 0))
    finally:
        os._exit(99)


def finish(experiment: Path, folder: Path) -> None:
    _, status = os.waitpid(begin(experiment, folder), 0)
    assert os.waitstatus_to_exitcode(status) == 0, (folder, status)


def kill_one(experiment: Path, folder: Path, after: float) -> int:
    """Kill a run so many seconds after its start; gives how many groups it had recorded."""
    child = begin(experiment, folder)
    time.sleep(after)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return len(list((folder / "records").glob("trials-*.parquet")))


def kill_many(experiment: Path, folder: Path, count: int, seed: int) -> None:
    describe_once(experiment)
    load_everything()
    write_without_waiting()
    finish(experiment, folder / "warm")
    started = time.monotonic()
    finish(experiment, folder / "whole")
    whole, rng = time.monotonic() - started, random.Random(seed)
    for number in range(count):
        share = rng.uniform(0.0, 1.05)
        recorded = kill_one(experiment, folder / str(number), share * whole)
        finish(experiment, folder / str(number))
        print(f"{share:.3f} {recorded}", flush=True)


if __name__ == "__main__":
    kill_many(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
