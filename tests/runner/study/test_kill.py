"""Fifty runs killed (SIGKILL) at random instants and resumed: the records equal those of an undisturbed run, bit for bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from commands import recorded

KILLS = 50
TINY = """
design: {one_at_a_time: ["1-1", "6-2"]}
seeds: 2
data: {train: 16, probe: 4, validation: 4, height: 16, width: 16}
training: {steps: 2, batch: 2, evaluate_every: 1}
device: cpu
group_size: 1
workers: 1
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    (folder / "tiny.yaml").write_text(TINY)
    script = Path(__file__).parents[1] / "kills.py"
    command = [sys.executable, script, folder / "tiny.yaml", folder, KILLS, 0]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    groups = [int(line.split()[1]) for line in done.stdout.splitlines()]
    assert len(groups) == KILLS
    assert sum(0 < count < 6 for count in groups) >= KILLS // 10, groups  # in the midst of it, not before or after alone
    return folder


@pytest.mark.parametrize("number", range(KILLS))
def test_records_are_those_of_an_undisturbed_run(killed: Path, number: int) -> None:
    whole, resumed = recorded(killed / "whole"), recorded(killed / str(number))
    assert list(resumed) == list(whole)
    for name, table in whole.items():
        pd.testing.assert_frame_equal(resumed[name], table, check_exact=True)


@pytest.mark.parametrize("number", range(KILLS))
def test_nothing_is_left_half_written(killed: Path, number: int) -> None:
    """Hidden files are those that were being written; the lock's own stays."""
    assert {path.name for path in (killed / str(number)).rglob(".*")} <= {".running"}
    assert {path.name for path in (killed / str(number)).iterdir()} == {path.name for path in (killed / "whole").iterdir()}
