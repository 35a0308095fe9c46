"""Importance: the issue that was planted is found, and where there is nothing to tell nothing is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic import Planted, write_study

from analysis import importance, load
from analysis.comparisons import MeasuredStudy
from runner.experiment import Design, design_cells

GAINS = {"1-1": 0.05, "1-2": -0.05, "2-1": 0.5, "2-2a": -0.5, "2-2b": 0.1, "5-1": -0.03, "5-2": 0.02}


def test_the_planted_issue_matters_most(tmp_path: Path) -> None:
    """Of the 36 cells of a product."""
    design = Design.model_validate({"cartesian": {"issues": [1, 2, 5]}, "one_at_a_time": None})
    chosen = [cell.fixes for cell in design_cells(design) if cell.fixes and {*cell.fixes} <= {*GAINS}]
    product = {f"+{'+'.join(fixes)}": (" ".join(fixes), Planted(near=sum(GAINS[fix] for fix in fixes))) for fixes in chosen}
    found = importance.ped_anova(MeasuredStudy.of(load(write_study(tmp_path / "s", {}, explicit=product, seeds=3, probes=10))))
    assert list(found) == ["1", "2", "5"]
    assert sum(found.values()) == pytest.approx(1.0)
    assert max(found, key=lambda issue: found[issue]) == "2"


@pytest.mark.parametrize(
    ("count", "errors", "said"), [(4, [0.5] * 4, False), (3, [0.1, 0.2, 0.3], False), (4, [0.5, 0.5, 0.4, 0.4], True)]
)
def test_of_equal_or_too_few_configurations_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, count: int, errors: list[float], said: bool
) -> None:
    rows = [{"1": "1-1" if at % 2 else "none", "2": "none" if at < 2 else "2-1"} for at in range(count)]
    levels = {"1": ["none", "1-1"], "2": ["none", "2-1"]}
    monkeypatch.setattr(importance, "fixes_by_issue", lambda measured: (levels, rows, errors))
    assert bool(importance.ped_anova(None)) is said
