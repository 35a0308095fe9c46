"""Seeds until every fix has its word: which trials are trained after each look, and that an interruption changes nothing."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from commands import nfloss, recorded

from runner.experiment import ExperimentError, Plan, load_experiment, make_plan, parse_experiment
from runner.records import read_trials
from runner.study import run_study
from runner.study.looks import read_looks, wanted_trials

TINY = {
    "name": "tiny",
    "design": {
        "one_at_a_time": ["1-1", "3-1", "6-2", "4-1", "10-1"],
        "near_weights": [1, 2],
        "explicit": {"full": ["1-1", "3-1"]},
    },
    "seeds": {"looks": [2, 3, 5], "until": "decided"},
    "data": {"train": 16, "probe": 4, "validation": 4, "height": 16, "width": 16},
    "training": {"steps": 4, "batch": 2, "evaluate_every": 2},
    "device": "cpu",
    "workers": 1,
}  # baseline, three weights' two others, 1-1 (10-1 repeats it), 3-1, 6-2, full; 4-1 is the baseline
TEXT = """
design: {one_at_a_time: ["1-1", "3-1", "6-2"], near_weights: [1, 2, 8]}
seeds: SEEDS
data: {train: 16, probe: 4, validation: 4, height: 16, width: 16}
training: {steps: 4, batch: 2, evaluate_every: 1}
device: cpu
group_size: 3
"""


def key_of(plan: Plan, cell: str) -> str:
    (own,) = (a.configuration.key for a in plan.cells if a.cell.name == cell and a.configuration)
    return own


def run(folder: Path, words: dict[int, Collection[str]], asked: list[int] | None = None, **more: object) -> None:
    """Run the study, with these cells open at each look."""
    experiment = parse_experiment(TINY, "here")
    plan = make_plan(experiment)

    def decide(study: Path, at: int) -> set[str]:
        assert study == folder and len(pd.read_parquet(study / "plan.parquet")) == len(plan.cells)
        if asked is not None:
            asked.append(at)
        return {key_of(plan, cell) for cell in words[at]}

    run_study(experiment, folder, True, more.get("max_seconds"), decide=decide)  # type: ignore[arg-type]


def trained(folder: Path) -> dict[str, int]:
    """Cell -> how many seeds it has, and they are the first."""
    plan = pd.read_parquet(folder / "plan.parquet")
    cells = plan[plan["status"] == "trained"].set_index("key")["cell"]
    trials = read_trials(folder / "records")
    for _, own in trials.groupby("key"):
        assert sorted(own["seed"]) == list(range(len(own)))
    return {str(cells[key]): len(own) for key, own in trials.groupby("key")}


EVERY = {"baseline", "near weight 1", "near weight 2", "+1-1", "+3-1", "+6-2", "full"}


def test_what_is_decided_stops_and_the_baseline_and_the_near_weights_go_on(tmp_path: Path) -> None:
    """1-1 is decided after two seeds, 6-2 after three, 3-1 never; a combination has the seeds of the first look."""
    asked = list[int]()
    run(tmp_path / "study", {2: {"+3-1", "+6-2"}, 3: {"+3-1"}}, asked)
    stays = {"baseline": 5, "near weight 1": 5, "near weight 2": 5}
    assert trained(tmp_path / "study") == {**stays, "+1-1": 2, "+3-1": 5, "+6-2": 3, "full": 2}
    assert asked == [2, 3]  # at the last look nothing can go on
    assert {at: len(keys) for at, keys in read_looks(tmp_path / "study").items()} == {2: 5, 3: 4}


def test_where_all_is_decided_nothing_goes_on(tmp_path: Path) -> None:
    run(tmp_path / "study", {2: set()})
    assert trained(tmp_path / "study") == dict.fromkeys(EVERY, 2)
    assert read_looks(tmp_path / "study") == {2: []}


def test_a_fix_that_was_decided_does_not_come_back(tmp_path: Path) -> None:
    """Whatever is said of it later, on seeds that it does not have: only what went on after a look is asked about."""
    run(tmp_path / "study", {2: {"+3-1"}, 3: {"+3-1"}})
    assert trained(tmp_path / "study")["+1-1"] == 2


@pytest.mark.parametrize("lost", ["trials-seed0-0", "trials-seed2-0", "trials-seed4-0", "looks"])
def test_what_is_missing_is_trained_again_whichever_look_it_is_of(tmp_path: Path, lost: str) -> None:
    """As if the run had been killed: the same words, the same records."""
    words: dict[int, Collection[str]] = {2: {"+3-1", "+6-2"}, 3: {"+3-1"}}
    run(tmp_path / "whole", words)
    run(tmp_path / "study", words)
    (file,) = (path for path in (tmp_path / "study").rglob("*") if path.stem == lost)
    file.unlink()
    run(tmp_path / "study", words)
    for name, table in recorded(tmp_path / "whole").items():
        pd.testing.assert_frame_equal(recorded(tmp_path / "study")[name], table, check_exact=True)
    assert read_looks(tmp_path / "study") == read_looks(tmp_path / "whole")


def test_the_plan_counts_at_most_and_expected_trials() -> None:
    """Seven configurations with two seeds; then the baseline, two weights and three fixes with three more. Expected: the share
    of fixes that is open after two seeds, as after six where nothing smaller was measured: 0.3 of 3."""
    plan = make_plan(parse_experiment(TINY, "here"))
    assert plan.trials == 7 * 2 + 6 * 3 == plan.networks
    assert plan.expected_trials == round(7 * 2 + 3 * (3 + 0.3 * 3))
    fixed = make_plan(parse_experiment({**TINY, "seeds": 5}, "here"))
    assert fixed.trials == fixed.expected_trials == 7 * 5
    assert "looked at after 2, 3 and 5 seeds = 32 trials at most, about 26 expected" in plan.summary


def test_what_a_study_needs_as_far_as_it_was_looked_at() -> None:
    wanted = partial(wanted_trials, ["a", "b", "c"], [7, 8, 9, 10], (2, 3, 4))
    first = [("a", 7), ("b", 7), ("c", 7), ("a", 8), ("b", 8), ("c", 8)]
    assert wanted({}) == first == wanted({2: []})
    assert wanted({2: ["a", "c"]}) == [*first, ("a", 9), ("c", 9)]
    assert wanted({2: ["a", "c"], 3: ["a"]}) == [*first, ("a", 9), ("c", 9), ("a", 10)]


@pytest.mark.parametrize(
    ("seeds", "looks"),
    [
        ({"until": "decided"}, [6, 10, 16, 24]),
        ({"first": 6, "looks": [6, 10, 16, 24], "until": "decided"}, [6, 10, 16, 24]),
        ({"first": 8}, [8, 10, 16, 24]),
        ({"first": 30}, [30]),
        ({"looks": [4, 36]}, [4, 36]),
        (7, []),
        ([3, 1], []),
    ],
)
def test_the_forms_of_seeds(seeds: object, looks: list[int], tmp_path: Path) -> None:
    """What is resolved can be read again, as a study's description is."""
    experiment = parse_experiment({**TINY, "seeds": seeds}, "here")
    assert experiment.looks == looks
    assert not looks or experiment.seeds == list(range(looks[-1]))
    assert parse_experiment(experiment.model_dump(mode="json"), "again") == experiment
    (tmp_path / "x.yaml").write_text(json.dumps({**TINY, "seeds": seeds}))
    assert load_experiment(tmp_path / "x.yaml", ["seeds=9"]).looks == []  # a number is a fixed number


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": {"looks": [6, 6]}}, "here: seeds: looks [6, 6]: rising numbers of seeds, 2 at least, are needed"),
        ({"seeds": {"looks": [1, 6]}}, "looks [1, 6]: rising numbers of seeds, 2 at least"),
        ({"seeds": {"first": 4, "looks": [6, 10]}}, "first is 4, and the first of looks 6: give one of them"),
        ({"seeds": {"first": 1}}, "first: Input should be greater than or equal to 2"),
        ({"seeds": {"until": "bored"}}, "until: Input should be 'decided'"),
        ({"seeds": {"look": [6]}}, "look: Extra inputs are not permitted; known here: first, looks, until"),
        ({"seeds": {"looks": [2, 3]}, "looks": [2, 3]}, "looks stand in seeds already"),
        ({"seeds": 6, "looks": [2, 3]}, "looks [2, 3] end at 3 seeds, and 6 are given"),
        ({"design": {"cartesian": [1, 2]}}, "design.cartesian needs every seed: give a number of seeds"),
        ({"design": {"pairs": ["1-1", "3-1"]}}, "design.pairs needs every seed"),
        ({"design": {"optuna": {"trials": 4}}}, "design.optuna needs every seed"),
    ],
)
def test_what_does_not_fit_is_one_line(change: dict, said: str) -> None:
    with pytest.raises(ExperimentError) as error:
        parse_experiment({**TINY, **change}, "here")
    assert said in str(error.value) and "\n" not in str(error.value)


def command(folder: Path, seeds: str, *more: str):  # type: ignore[no-untyped-def]
    (folder / "tiny.yaml").write_text(TEXT.replace("SEEDS", seeds))
    plain = ("--out-dir", folder / "study", "--no-report", "--no-tracking")
    return nfloss("run", folder / "tiny.yaml", *plain, *more)


def test_a_run_looks_shows_the_words_and_says_what_stays_open(tmp_path: Path) -> None:
    """Networks of four steps tell nothing apart: all is open to the end. Stopped between looks, status and report say so."""
    looks = "{looks: [2, 3, 4], until: decided}"
    stopped = command(tmp_path, looks, "--max-seconds", "0", "--set", "workers=1")
    assert stopped.returncode == 130 and "continue with --resume" in stopped.stdout
    done = command(tmp_path, looks, "--resume", "--set", "workers=1")
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert said[0] == (
        "7 cells: 7 to train, 0 the same as another, 0 clash; looked at after 2, 3 and 4 seeds = 28 trials at most, "
        "about 24 expected, 3 trials there already"
    )
    looked = read_looks(tmp_path / "study")
    for before, at in ((2, 3), (3, 4)):
        still_open = len(looked.get(before, [])) - 4
        if still_open > 0:
            fixes = f"{still_open} fix{'es' * (still_open > 1)} of 3"
            line = f"after {before} seeds {fixes} open: on to {at} seeds, with the baseline and 3 near weights"
            assert f"looked at after {before} of at most 4 seeds" in said[: said.index(line)]
    trials = 14 + sum(len(keys) for keys in looked.values())
    assert done.stdout.splitlines()[-1] == f"{trials} planned, {trials} done, 0 diverged, 0 failed"
    table = [line.split() for line in nfloss("status", tmp_path / "study").stdout.splitlines()]
    rows = {line[0]: line for line in table[2:] if line[0] != "open:"}
    assert list(rows) == ["1-1", "3-1", "6-2"]
    plan = pd.read_parquet(tmp_path / "study" / "plan.parquet").set_index("fixes")["key"]
    for fix, row in rows.items():
        went_on = sum(plan[fix] in keys for keys in looked.values())
        assert int(row[-1]) == 2 + went_on
    other = command(tmp_path, "{looks: [2, 4], until: decided}", "--resume")
    assert other.returncode == 2 and "another looks" in other.stderr
    fixed = command(tmp_path, "6", "--resume")
    assert fixed.returncode == 2 and "looks" in fixed.stderr
