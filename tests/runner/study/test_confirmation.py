"""A study's recommendation on fresh seeds: its experiment, and the way through the command line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from runner.cli import main
from runner.experiment import RECOMMENDATION, ExperimentError, confirmation_experiment

TINY = {
    "design": {"one_at_a_time": ["1-1", "3-1"], "explicit": {"full": list(RECOMMENDATION)}},
    "seeds": 2,
    "confirm": 2,
    "data": {"train": 16, "probe": 8, "validation": 8},
    "training": {"steps": 8, "batch": 4, "evaluate_every": 1},
}


def command(*words: str) -> int:
    """The command line's exit status."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def test_the_experiment_is_the_study_s_on_later_seeds() -> None:
    settings = {
        "name": "s",
        "design": {"one_at_a_time": "all"},
        "seeds": [0, 7],
        "training": {"steps": 20},
        "loss": {"near_weight": 3.0},
    }
    made = confirmation_experiment(
        settings, {"supported together": {"fixes": ["1-1", "5-2"], "numbers": {"near_weight": 2.0}}}, 3
    )
    assert made.name == "s-confirmation" and made.seeds == [8, 9, 10]
    assert made.training.steps == 20 and made.loss == {"near_weight": 3.0}
    assert {name: cell.fixes for name, cell in made.design.explicit.items()} == {
        "full": list(RECOMMENDATION),
        "supported together": ["1-1", "5-2"],
    }
    assert made.design.explicit["supported together"].numbers == {"near_weight": 2.0}
    assert made.design.one_at_a_time is None


def test_a_clash_is_refused() -> None:
    with pytest.raises(ExperimentError, match="1-1 and 1-2"):
        confirmation_experiment({"name": "s", "seeds": [0]}, {"x": {"fixes": ["1-1", "1-2"]}}, 3)


def test_a_run_confirms_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way; confirming again with more seeds trains only those."""
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    folder = tmp_path / "study"
    assert command("run", str(tmp_path / "tiny.yaml"), "--out-dir", str(folder), "--no-tracking") == 0
    fresh = folder / "confirmation"
    assert yaml.safe_load((fresh / "study.yaml").read_text())["seeds"] == [2, 3]
    assert "recommendation:" in capsys.readouterr().out
    before = {path.name for path in (fresh / "records").glob("trials-*")}
    monkeypatch.setattr("runner.cli.run.draw_report", lambda study: None)  # drawn above, and takes long
    assert command("confirm", str(folder), "--seeds", "3") == 0
    trials = pd.concat(map(pd.read_parquet, (fresh / "records").glob("trials-*")))
    assert sorted(trials["seed"].unique()) == [2, 3, 4] and not trials.duplicated(["key", "seed"]).any()
    assert before < {path.name for path in (fresh / "records").glob("trials-*")}
    assert command("export", str(folder)) == 0
    assert "ssi-silog-nearfield" in capsys.readouterr().out
    assert command("power", str(folder), "--gain", "10") == 0
    assert "for 10 % run" in capsys.readouterr().out
