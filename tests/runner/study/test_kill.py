"""Runs killed (SIGKILL) at random instants and resumed: the records equal those of an undisturbed run, bit for bit, and so do
the start networks of those that go on from them, and what was decided at a look. NFLOSS_KILLS=60 kills so many of each kind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
import torch
from commands import recorded

from runner.study.looks import read_looks

KILLS = {start: int(os.environ.get("NFLOSS_KILLS", count)) for start, count in (("scratch", 4), ("neutral", 2), ("looks", 1))}
EACH = [(start, number) for start, count in KILLS.items() for number in range(count)]
TINY = """
design: {one_at_a_time: ["1-1", "6-2"]}
seeds: SEEDS
data: {train: 16, probe: 4, validation: 4, height: 16, width: 16}
training: {steps: 2, batch: 2, evaluate_every: 1, START}
device: cpu
group_size: 1
workers: 1
"""
STARTS = {"scratch": "start: scratch", "neutral": "start: neutral, start_steps: 20, start_batch: 2", "looks": "start: scratch"}
SEEDS = {"looks": "{looks: [2, 3], until: decided}"}  # a run that also looks at its results, and decides what goes on


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of the runs with this kind of start, made when first asked for."""

    @cache
    def folder_of(start: str) -> Path:
        folder, kills = tmp_path_factory.mktemp(start), KILLS[start]
        (folder / "tiny.yaml").write_text(TINY.replace("START", STARTS[start]).replace("SEEDS", SEEDS.get(start, "2")))
        script = Path(__file__).parents[1] / "kills.py"
        command = [sys.executable, script, folder / "tiny.yaml", folder, kills, 0]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr
        groups = [int(line.split()[1]) for line in done.stdout.splitlines()]
        assert len(groups) == kills
        assert sum(0 < count < 6 for count in groups) >= kills // 10, groups  # in the midst of it, not before or after alone
        return folder

    return folder_of


@pytest.mark.parametrize(("start", "number"), EACH)
def test_records_are_those_of_an_undisturbed_run(killed: Callable[[str], Path], start: str, number: int) -> None:
    whole, resumed = recorded(killed(start) / "whole"), recorded(killed(start) / str(number))
    assert list(resumed) == list(whole)
    for name, table in whole.items():
        pd.testing.assert_frame_equal(resumed[name], table, check_exact=True)
    assert read_looks(killed(start) / str(number)) == read_looks(killed(start) / "whole")
    assert bool(read_looks(killed(start) / "whole")) == (start == "looks")


@pytest.mark.parametrize("number", range(KILLS["neutral"]))
def test_start_networks_are_those_of_an_undisturbed_run(killed: Callable[[str], Path], number: int) -> None:
    names = ["seed0.pt", "seed1.pt"]
    folder = killed("neutral")
    whole, resumed = (
        [torch.load(folder / run / "starts" / name, weights_only=True) for name in names] for run in ("whole", str(number))
    )
    for one, other in zip(whole, resumed, strict=True):
        assert one["fingerprint"] == other["fingerprint"] and one["state"].keys() == other["state"].keys()
        assert all(torch.equal(value, other["state"][part]) for part, value in one["state"].items())


@pytest.mark.parametrize(("start", "number"), EACH)
def test_nothing_is_left_half_written(killed: Callable[[str], Path], start: str, number: int) -> None:
    """Hidden files are those that were being written; the lock's own stays."""
    folder = killed(start)
    assert {path.name for path in (folder / str(number)).rglob(".*")} <= {".running"}
    assert {path.name for path in (folder / str(number)).iterdir()} == {path.name for path in (folder / "whole").iterdir()}
