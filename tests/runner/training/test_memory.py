"""The memory of training: evaluations need hardly more than steps, however many there are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

from nfloss import Configuration
from runner.data import Data, make_seed_data
from runner.execution import worker_environment
from runner.networks import DepthRange
from runner.training import Training, train

FIXES = ([], ["1-1"], ["1-2"], ["2-1"], ["3-1"], ["5-1"], ["8-1"], ["8-2"])  # enough to be trained in lanes
HEIGHT, WIDTH, VALIDATION = 64, 96, 160
MIB = 2**20
#: MiB of all predictions on the validation frames, in float32.
PREDICTED = len(FIXES) * VALIDATION * HEIGHT * WIDTH * 4 / MIB


@pytest.mark.slow
def test_evaluations_take_no_memory_for_good() -> None:
    """The workers' allocator returns no memory: tensors larger than a step's would accumulate to gigabytes in a study of
    1,920 steps. After the tenth evaluation, with seven on the validation frames, the process grows by the predictions on
    these (twice while they are concatenated, once more with batch statistics) and some slack."""
    with worker_environment():
        done = subprocess.run([sys.executable, __file__], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen, peak = json.loads(done.stdout)
    assert seen[-8] - seen[9] < 40  # sixteen evaluations on the probe
    assert peak - seen[9] < 4 * PREDICTED + 60


def evaluate_often() -> tuple[list[float], float]:
    """MiB after each of 33 evaluations, the last seven on the validation frames too, and at most."""
    torch.set_num_threads(1)
    data = make_seed_data(Data(train=16, validation=VALIDATION, height=HEIGHT, width=WIDTH), 0)  # type: ignore[call-arg]
    settings = Training(steps=33, evaluate_every=1)  # type: ignore[call-arg]
    configurations = [Configuration.of(*fixes) for fixes in FIXES]
    process, seen = psutil.Process(), list[float]()

    def look(steps: int, diverged: int) -> None:
        seen.append(process.memory_info().rss / MIB)

    train(configurations, data, settings, DepthRange(), torch.device("cpu"), look)
    # Not getrusage: its maximum is also that of the process this one was begun from.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return seen, int(peak.split()[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(evaluate_often()))
