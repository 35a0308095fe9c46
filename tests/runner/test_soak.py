"""Many tiny trials in one process: memory, open files and threads stay as they are.

A short round in every test run; `make soak` sets NFLOSS_SOAK to the number of trials of the long one.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from pytest import CaptureFixture

from runner.experiment import parse_experiment
from runner.study import run_study

TRIALS = int(os.environ.get("NFLOSS_SOAK", "300"))
PER_SEED = 5
WARM = 0.3  # share of the run after which everything that is kept on purpose has been made
MIB_PER_THOUSAND = 10.0


def test_memory_and_files_stay_flat(tmp_path: Path, capsys: CaptureFixture[str]) -> None:
    content = {
        "name": "soak",
        "design": {"one_at_a_time": ["1-1", "2-1", "5-1", "8-2"]},
        "seeds": TRIALS // PER_SEED,
        "data": {"train": 4, "probe": 2, "validation": 2, "height": 16, "width": 16},
        "training": {"steps": 2, "batch": 2, "evaluate_every": 1},
        "device": "cpu",
        "workers": 1,
        "group_size": PER_SEED,
    }
    experiment, process, seen = parse_experiment(content, "soak"), psutil.Process(), []

    def look(trials: int, diverged: int) -> None:
        seen.append((process.memory_info().rss / 2**20, process.num_fds(), process.num_threads()))

    outcome = run_study(experiment, tmp_path / "study", False, None, lambda *begin: lambda *news: None, look, print)
    assert outcome.done == outcome.planned == TRIALS
    rows = pd.DataFrame(seen, columns=["mib", "files", "threads"])[int(WARM * len(seen)) :]
    slope = np.polyfit(np.arange(len(rows)) * PER_SEED / 1000, rows["mib"], 1)[0]
    with capsys.disabled():
        print(f"\n{TRIALS} trials: {slope:+.2f} MiB per 1,000, files {rows['files'].min()} to {rows['files'].max()}, "
              f"largest {rows['mib'].max():.0f} MiB")  # fmt: skip
    for held in ("files", "threads"):  # what tests before this one left open may close meanwhile
        assert rows[held].is_monotonic_decreasing, rows[held].tolist()
    if TRIALS >= 2000:  # over fewer, the slope is mostly what the allocator happens to do
        assert slope < MIB_PER_THOUSAND
    assert rows["mib"].max() - rows["mib"].min() < 60
