"""Commands killed (SIGKILL) at random instants and given again. Of runs, the records equal those of an undisturbed run, bit for
bit, and so do the start networks of those that go on from them, and what was decided at a look; so does what `report`, `sync`
and `confirm` make of a study. NFLOSS_KILLS=60 kills so many of each kind of run, and a tenth as many of the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from commands import recorded

from runner.study.looks import read_looks

MANY = int(os.environ.get("NFLOSS_KILLS", 0))
KILLS = {kind: MANY or few for kind, few in {"scratch": 2, "neutral": 1, "looks": 1}.items()}
KILLS |= dict.fromkeys(("confirm", "sync", "report"), MANY // 10)  # half a minute each
TINY = """
name: tiny
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
EACH = [(start, number) for start in STARTS for number in range(KILLS[start])]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one of each kind, and in that the killed ones beside the whole one."""
    folder = tmp_path_factory.mktemp("killed")
    for start, text in STARTS.items():
        (folder / f"{start}.yaml").write_text(TINY.replace("START", text).replace("SEEDS", SEEDS.get(start, "2")))
    script, kinds = Path(__file__).parents[1] / "kills.py", [f"{kind}={count}" for kind, count in KILLS.items()]
    unset = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    done = subprocess.run([sys.executable, script, folder, "0", *kinds], capture_output=True, text=True, env=unset)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    for start in STARTS:
        groups = [int(count) for kind, _, count in lines if kind == start]
        assert len(groups) == KILLS[start]
        assert sum(0 < count < 6 for count in groups) >= KILLS[start] // 10, groups  # in the midst of it
    return folder


def equal_records(one: Path, other: Path) -> None:
    found, expected = recorded(one), recorded(other)
    assert list(found) == list(expected) and expected
    for name, table in expected.items():
        pd.testing.assert_frame_equal(found[name], table, check_exact=True)


@pytest.mark.parametrize(("start", "number"), EACH)
def test_records_are_those_of_an_undisturbed_run(killed: Path, start: str, number: int) -> None:
    folder = killed / start
    equal_records(folder / str(number), folder / "whole")
    assert read_looks(folder / str(number)) == read_looks(folder / "whole")
    assert bool(read_looks(folder / "whole")) == (start == "looks")


@pytest.mark.parametrize("number", range(KILLS["neutral"]))
def test_start_networks_are_those_of_an_undisturbed_run(killed: Path, number: int) -> None:
    names = ["seed0.pt", "seed1.pt"]
    folder = killed / "neutral"
    whole, resumed = (
        [torch.load(folder / run / "starts" / name, weights_only=True) for name in names] for run in ("whole", str(number))
    )
    for one, other in zip(whole, resumed, strict=True):
        assert one["fingerprint"] == other["fingerprint"] and one["state"].keys() == other["state"].keys()
        assert all(torch.equal(value, other["state"][part]) for part, value in one["state"].items())


@pytest.mark.parametrize("number", range(KILLS["confirm"]))
def test_a_confirmation_is_that_of_an_undisturbed_one(killed: Path, number: int) -> None:
    equal_records(*(killed / "confirm" / name / "tiny" / "confirmation" for name in (str(number), "whole")))


@pytest.mark.parametrize("number", range(KILLS["report"]))
def test_a_report_is_that_of_an_undisturbed_one(killed: Path, number: int) -> None:
    """Figures, page, notebook and verdicts, each byte."""

    def drawn(name: str) -> dict[str, bytes]:
        study = killed / "report" / name / "tiny"
        paths = [study / "verdicts.json", *(path for path in (study / "report").rglob("*") if path.is_file())]
        return {str(path.relative_to(study)): path.read_bytes() for path in paths}

    whole, again = drawn("whole"), drawn(str(number))
    assert {"verdicts.json", "report/report.html", "report/figures/forest.png"} <= set(whole)
    assert again == whole


@pytest.mark.parametrize("number", range(KILLS["sync"]))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_view_is_that_of_an_undisturbed_one(killed: Path, number: int) -> None:
    """Of each run: what was measured at each step, its parameters, its tags but for those that name other runs."""
    from mlflow import MlflowClient

    def content(client: MlflowClient, run: Any) -> tuple[Any, ...]:
        tags = {name: value for name, value in run.data.tags.items() if name not in ("content", "mlflow.parentRunId")}
        curves = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
        steps = {name: [(metric.step, metric.value) for metric in metrics] for name, metrics in curves.items()}
        return run.info.status, run.data.params, tags, steps

    def runs(name: str) -> dict[str, Any]:
        client = MlflowClient(tracking_uri=f"sqlite:///{killed / 'sync' / name / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("tiny")
        found = client.search_runs([experiment.experiment_id], max_results=1000)
        assert len({run.info.run_name for run in found}) == len(found) == 9  # three configurations, and two seeds of each
        return {run.info.run_name: content(client, run) for run in found}

    assert runs(str(number)) == runs("whole")
    assert {path.name for path in (killed / "sync" / str(number)).iterdir() if path.name.startswith(".")} == set()


@pytest.mark.parametrize("kind", STARTS | {"report": "", "confirm": ""})
def test_nothing_is_left_half_written(killed: Path, kind: str) -> None:
    """Hidden files are those that were being written; the lock's own stays."""
    for number in map(str, range(KILLS[kind])):
        assert {path.name for path in (killed / kind / number).rglob(".*")} <= {".running"}
        there, whole = ({path.name for path in (killed / kind / name).iterdir()} for name in (number, "whole"))
        assert there == whole
