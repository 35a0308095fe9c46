"""What algebra says comes out of training too: the whole way, at the size that users train."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from runner.experiment import parse_experiment
from runner.study import run_study

EXPERIMENT = {
    "name": "facts",
    "design": {"one_at_a_time": ["1-1", "4-1", "5-1w", "8-1w", "10-1"], "near_weights": [1.0, 2.0, 3.0, 8.0]},
    "seeds": 4,
    "data": {"train": 2000},
    "training": {"steps": 240, "batch": 8, "evaluate_every": 8},
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Eight configurations on four seeds of the full scenes: a minute on two cores."""
    from analysis import verdicts

    folder = tmp_path_factory.mktemp("facts") / "study"
    outcome = run_study(parse_experiment(EXPERIMENT, "facts"), folder, False, None)
    assert outcome.failed == 0 and outcome.done == outcome.planned == 32
    return verdicts(Path(folder))


def test_known_facts(judged: dict[str, Any]) -> None:
    """The code of 5-1 to the letter weighs near pixels less than far ones, whose error falls; that of 8-1 harms; 4-1 is the
    baseline, 10-1 is 1-1: to the last digit."""
    fixes = {fix["id"]: fix for fix in judged["fixes"]}
    assert fixes["5-1w"]["verdict"] == "trade"
    assert fixes["5-1w"]["near"]["high"] < -math.log(1.5) and fixes["5-1w"]["far"]["low"] > math.log(1.5)
    assert fixes["8-1w"]["verdict"] == "harmful"
    assert fixes["4-1"]["verdict"] == "no effect" and fixes["4-1"]["same_as"] == "baseline"
    assert fixes["10-1"]["same_as"] == "1-1" and fixes["10-1"]["near"]["values"] == fixes["1-1"]["near"]["values"]


def test_weighting_trades_far_for_near(judged: dict[str, Any]) -> None:
    """And a near weight, presented as a fix, is named as what it is; the outermost are judged too, and are beyond nothing."""
    assert [control["weight"] for control in judged["controls"]] == [1.0, 2.0, 3.0, 8.0]
    for control in judged["controls"][1:3]:
        assert control["near"]["estimate"] < 0 < control["far"]["low"]
        assert control["verdict"] in ("trade", "open")  # four seeds may not be enough
    assert not any(control["beyond_near_weight_curve"]["beyond"] for control in judged["controls"])
    three = judged["controls"][2]["beyond_near_weight_curve"]
    assert abs(three["estimate"]) < 0.1 and not three["words"].startswith(("beyond", "near weight"))
