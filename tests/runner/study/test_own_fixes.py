"""A study of a user's own fixes, from the experiment's line to what is exported: in spawned workers, resumed, edited."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from watching import run_watched

from nfloss import load_extension
from runner.cli import main
from runner.experiment import ExperimentError, load_experiment
from runner.records import read_trials
from runner.records.fingerprint import fingerprint
from runner.study import plan_experiment

TINY = """
extensions: [own/steep.py]
design: {one_at_a_time: ["5-2", "5-9", "11-1"]}
seeds: 2
data: {train: 16, probe: 6, validation: 6, height: 16, width: 32}
training: {steps: 6, batch: 4, evaluate_every: 3}
device: cpu
workers: 2
group_size: 2
"""
STEEP = '''
from nfloss import Choice, Fix, Issue, add_fix, register
from parts import steepness

def steep(depth, threshold, *, near_weight):
    """Falls with depth."""
    return 1.0 + (near_weight - 1.0) / (1.0 + (depth / threshold) ** steepness)

def squared(ssi):
    """SSI squared."""
    return ssi.square()

add_fix(5, Fix("5-9", "steep", "a power of depth", {"weigh": Choice("steep", steep)}))
register(Issue(11, "Large errors", "medium", "They count too little.", (
    Fix("11-1", "squared", "SSI squared", {"squash": Choice("square", squared)}),)))
'''


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The experiment, in a folder its fixes' file is seen from as own/steep.py."""
    monkeypatch.setattr("runner.study.description.audit", list)  # the document's numbers take longer than all else here
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "parts.py").write_text("steepness = 4.0\n")
    (tmp_path / "own" / "steep.py").write_text(STEEP)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path / "tiny.yaml"


def run(settings, study: Path, resume: bool = False) -> list[str]:
    """Names of the configurations that were trained."""
    return sorted(c.name for c in run_watched(settings, study, resume)[1])


def test_from_the_line_to_records_in_workers_and_trained_anew_where_edited(file, tmp_path, own_code):
    """Two spawned workers, which read no experiment. An edit of the file, or of one beside it, concerns its fixes alone."""
    study = tmp_path / "study"
    each = ["11-1", "5-2", "5-9", "baseline"]
    assert run(load_experiment(file), study) == sorted(2 * each)
    trials = read_trials(study / "records")
    assert len(trials) == 8 and (trials["status"] == "finished").all()
    near = trials.pivot(index="seed", columns="key", values="final_near_rmse_log")
    assert near.nunique(axis=1).tolist() == [4, 4]  # each fix trains another network

    issues = {issue["number"]: issue for issue in json.loads((study / "issues.json").read_text())}
    assert issues[11]["symptom"] is None
    assert issues[11]["fixes"][0]["extension"] == str(tmp_path / "own" / "steep.py")
    assert 11 not in set(pd.read_parquet(study / "symptoms.parquet")["issue"])
    assert "5-9" in set(pd.read_parquet(study / "symptoms.parquet")["fix"])

    assert run(load_experiment(file), study, resume=True) == []
    (tmp_path / "own" / "steep.py").write_text(STEEP + "# a remark\n")
    own_code()
    assert run(load_experiment(file), study, resume=True) == []
    (tmp_path / "own" / "parts.py").write_text("steepness = 3.0\n")
    (tmp_path / "own" / "steep.py").write_text(STEEP)
    own_code()
    assert run(load_experiment(file), study, resume=True) == sorted(2 * ["11-1", "5-9"])


def test_the_file_is_part_of_the_fingerprint_of_its_own_fixes_alone(file):
    plan = plan_experiment(load_experiment(file))
    marks = {a.configuration.name: fingerprint(a.configuration, plan.experiment.data) for a in plan.trained}
    assert "weigh:" in marks["5-9"] and "squash:" in marks["11-1"]
    assert marks["baseline"].split() == marks["5-9"].split()[: len(marks["baseline"].split())]


def test_all_and_products_hold_them(file):
    everything = load_experiment(file, ["design={one_at_a_time: all}"])
    assert {"+5-9", "+11-1"} <= {a.cell.name for a in plan_experiment(everything).cells}
    product = load_experiment(file, ["design={cartesian: [6, 11]}"])
    assert {a.cell.name for a in plan_experiment(product).cells} >= {"+11-1", "+6-1+11-1", "+6-2+11-1"}
    documents = load_experiment(file, ["design={one_at_a_time: document}"])
    assert not {"+5-9", "+11-1"} & {a.cell.name for a in plan_experiment(documents).cells}


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("extensions=[own/none.py]", r"extensions: extension own/none.py cannot be loaded: FileNotFoundError"),
        ("extensions=[nowhere.at.all]", r"extensions: extension nowhere.at.all cannot be loaded: ModuleNotFoundError"),
        ("extensions=own/steep.py", r"extensions: Input should be a valid list"),
        ("extensions=[]", r"design.one_at_a_time: unknown fix '5-9'"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(file, override, says):
    with pytest.raises(ExperimentError, match=says):
        load_experiment(file, [override])


def command(*line: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(line)
    return int(ended.value.code or 0)


def test_check_says_what_holds_and_what_breaks(file, tmp_path, capsys):
    """A weight that is negative far away breaks the promise of weights; the file's other fix keeps to all."""
    own = tmp_path / "own" / "steep.py"
    assert command("check", str(own)) == 0
    said = capsys.readouterr().out
    assert "5-9 steep (fills weigh): keeps 15 of 15 promises" in said
    assert "11-1 squared (fills squash): keeps 15 of 15 promises" in said
    bad = tmp_path / "own" / "bad.py"
    bad.write_text(
        "from nfloss import Choice, Fix, add_fix\ndef sloping(depth, threshold):\n    '.'\n    return 5 - depth\n"
        "add_fix(5, Fix('5-8', 'sloping', '.', {'weigh': Choice('sloping', sloping)}))\n"
    )
    assert command("check", str(bad)) == 1
    said = capsys.readouterr().out
    assert "broken: a weight depends on its pixel's own depth alone" in said and "not negative" in said
    assert command("check", str(bad), "--json") == 1
    assert json.loads(capsys.readouterr().out)[0]["broken"][0]["promise"].startswith("a weight depends")


def test_the_command_line_lists_and_refuses(file, tmp_path, capsys):
    assert command("issues", "--extensions", str(tmp_path / "own" / "steep.py")) == 0
    assert "11 Large errors (medium): They count too little." in capsys.readouterr().out
    assert command("check", "none.py") == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.splitlines() == [
        "nfloss: extension none.py cannot be loaded: FileNotFoundError: [Errno 2] No such file or directory: 'none.py'"
    ]


def test_the_same_study_goes_on_with_more_extensions(file, tmp_path):
    """Studies written before there was such a key are resumed, too."""
    from runner.study.folder import comparable

    load_extension(str(tmp_path / "own" / "steep.py"))
    assert comparable(load_experiment(file)) == comparable(load_experiment(file, ["extensions=[]"]))
