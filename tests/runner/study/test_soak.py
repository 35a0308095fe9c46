"""Many tiny trials in one process: memory, open files and threads stay as they are.

A short round in every test run; `make soak` sets NFLOSS_SOAK to the number of trials of the long one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import torch
from pytest import CaptureFixture

from runner.execution import Observer
from runner.experiment import parse_experiment
from runner.study import run_study

TRIALS = int(os.environ.get("NFLOSS_SOAK", "150"))
PER_SEED = 5
WARM = 0.3  # share of the run after which everything that is kept on purpose has been made
MIB_PER_THOUSAND = 10.0


def test_memory_and_files_stay_flat(tmp_path: Path, capsys: CaptureFixture[str]) -> None:
    """In a process of its own: what other tests have left open would close meanwhile."""
    done = subprocess.run([sys.executable, __file__, tmp_path / "study"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert len(seen) == TRIALS // PER_SEED
    rows = pd.DataFrame(seen, columns=["mib", "files", "threads"])[int(WARM * len(seen)) :]
    slope = np.polyfit(np.arange(len(rows)) * PER_SEED / 1000, rows["mib"], 1)[0]
    with capsys.disabled():
        print(f"\n{TRIALS} trials: {slope:+.2f} MiB per 1,000, files {rows['files'].min()} to {rows['files'].max()}, "
              f"largest {rows['mib'].max():.0f} MiB")  # fmt: skip
    assert rows["files"].max() == rows["files"].min()
    assert rows["threads"].max() == rows["threads"].min()
    if TRIALS >= 2000:  # over fewer, the slope is mostly what the allocator happens to do
        assert slope < MIB_PER_THOUSAND
    assert rows["mib"].max() - rows["mib"].min() < 60


def soak(folder: Path) -> list[tuple[float, int, int]]:
    """Train them all; gives MiB, open files and threads after each group."""
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
    experiment, process, seen = parse_experiment(content, "soak"), psutil.Process(), list[tuple[float, int, int]]()

    class Looking(Observer):
        def finished(self, trials: int, diverged: int) -> None:
            seen.append((process.memory_info().rss / 2**20, process.num_fds(), process.num_threads()))

    outcome = run_study(experiment, folder, False, None, Looking())
    assert outcome.done == outcome.planned == TRIALS
    return seen


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(soak(Path(sys.argv[1]))))
