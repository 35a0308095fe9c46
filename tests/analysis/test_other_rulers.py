"""RMSE of ln depth decides alone; where the other rulers disagree, that is said. By planted studies and hand-worked ratios."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from synthetic import Planted, key_of, write_study

from analysis import load, verdicts
from analysis.comparisons import MeasuredStudy
from analysis.other_rulers import agreement, by_ruler, log_ratio
from analysis.report import appendix
from analysis.rulers import DECIDING, RULERS
from analysis.study import StudyError


def table(baseline: dict[str, list[float]], fix: dict[str, list[float]]) -> SimpleNamespace:
    """What `log_ratio` asks of a measured study: two seeds of a baseline and a fix."""
    rows = {
        (key, seed): {column: values[seed] for column, values in columns.items()}
        for key, columns in (("base", baseline), ("fix", fix))
        for seed in (0, 1)
    }
    study = SimpleNamespace(baseline="base", seeds_of=lambda *keys: (0, 1))
    return SimpleNamespace(table=pd.DataFrame.from_dict(rows, orient="index"), study=study)


def test_a_ratio_is_the_geometric_mean_over_the_seeds() -> None:
    """2 and 8 times as high: 4 times."""
    measured = table({"final_near_abs_rel": [0.1, 0.1]}, {"final_near_abs_rel": [0.2, 0.8]})
    assert math.exp(log_ratio(measured, "abs_rel", "near", "fix")) == pytest.approx(4)


def test_a_share_within_bounds_counts_as_the_share_outside() -> None:
    """0.1 and 0.2 outside against 0.05 and 0.1: half as many; where one of two is zero the mean is infinite or unknown."""
    measured = table({"final_far_delta1": [0.9, 0.8]}, {"final_far_delta1": [0.95, 0.9]})
    assert math.exp(log_ratio(measured, "delta1", "far", "fix")) == pytest.approx(0.5)
    found = [
        log_ratio(table({"final_far_delta1": baseline}, {"final_far_delta1": [1.0, 0.9]}), "delta1", "far", "fix")
        for baseline in ([0.9, 0.9], [0.9, 1.0], [1.0, 0.9])
    ]
    assert found == [-math.inf, pytest.approx(math.nan, nan_ok=True), 0.0]


@pytest.fixture(scope="module")
def contradicted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1-1 and the whole lower the RMSE of ln depth near, which AbsRel reads as higher; 3-1 is the other way round."""
    folder = tmp_path_factory.mktemp("rulers") / "contradicted"
    write_study(folder, {"1-1": Planted(0.10), "3-1": Planted(-0.10), "5-1": Planted(0.005)}, full=Planted(0.12), seeds=6)
    for part in sorted((folder / "records").glob("trials-*.parquet")):
        trials = pd.read_parquet(part)
        for cell, gain in (("+1-1", -0.2), ("+3-1", 0.2), ("full", -0.2)):
            own = trials["key"] == key_of(cell)
            trials.loc[own, "final_near_abs_rel"] *= math.exp(-gain)
        trials.to_parquet(part)
    return folder


def test_the_ruler_that_decides_decides_alone(contradicted: Path) -> None:
    judged = verdicts(load(contradicted))
    found = {fix["id"]: fix for fix in judged["fixes"]}
    assert found["1-1"]["verdict"] == "adopt" and found["3-1"]["verdict"] == "harmful"
    near = next(entry for entry in judged["promises"] if entry["promise"] == "near field")
    assert near["verdict"] == "confirmed"
    assert near["estimate"] == pytest.approx(0.12, abs=0.02)  # noise 0.008 a trial, sqrt(2 / 6) of it in the mean: 4 SD
    assert near["abs_rel"]["estimate"] == pytest.approx(near["estimate"] - 0.2)
    assert near["abs_rel"]["level"] == near["level"]


def test_where_they_disagree_is_counted_and_shown(contradicted: Path) -> None:
    study = load(contradicted)
    judged = verdicts(study)
    rows = by_ruler(MeasuredStudy.of(study), judged)
    assert [row.label.split()[0] for row in rows] == ["1-1", "3-1", "5-1", "the"]
    against = {row.label.split()[0] for row in rows if row.contradicts("abs_rel", "near")}
    assert against == {"1-1", "3-1", "the"}
    assert agreement(rows, "abs_rel", "near") == (0, 3)  # 5-1 moves by under 2 %
    assert agreement(rows, "median_rel", "near") == agreement(rows, DECIDING, "near") == (3, 3)
    assert agreement(rows, "silog", "far") == (0, 0)
    text = appendix.other_rulers(study, judged).text
    assert text.count("<tr") == 1 + 4 + 1 and text.count("<b>") == 3 + 1  # what contradicts, and the last row's name
    ratio = math.exp(rows[0].logs["abs_rel", "near"])
    assert f"<b>×{ratio:.2f}</b> / " in text and "0 of 3 / 0 of 0" in text
    assert all(said.split()[0] in text for said in RULERS.values())


def test_records_without_the_rulers_are_refused_in_one_line(contradicted: Path) -> None:
    part = sorted((contradicted / "records").glob("trials-*.parquet"))[0]
    trials = pd.read_parquet(part)
    trials.drop(columns=["final_near_rmse_log", "final_silog"]).to_parquet(part)
    try:
        with pytest.raises(StudyError, match="lacks the columns final_near_rmse_log, final_silog") as error:
            load(contradicted)
    finally:
        trials.to_parquet(part)
    assert "\n" not in str(error.value)
