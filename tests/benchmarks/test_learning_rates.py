"""The sweep of learning rates: both losses at a rate, and the table's line."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd

PATH = Path(__file__).parents[2] / "benchmarks" / "learning_rates.py"
TINY = {
    "name": "rates",
    "seeds": 2,
    "data": {"train": 12, "probe": 4, "validation": 4, "height": 16, "width": 16},
    "training": {"steps": 4, "batch": 4, "evaluate_every": 2, "start": "neutral", "start_steps": 3, "start_batch": 4},
    "workers": 1,
}


def test_both_losses_at_two_rates_from_the_same_start_networks(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("learning_rates", PATH)
    assert spec is not None and spec.loader is not None
    rates = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rates)
    first = rates.measure(TINY, 0.001, tmp_path / "a", tmp_path / "a")
    second = rates.measure(TINY, 0.1, tmp_path / "b", tmp_path / "a")
    assert list(first) == list(second) == ["baseline", "near weight 1"] and len(first["baseline"]) == 2
    assert not first["baseline"]["final_near_rmse_log"].equals(second["baseline"]["final_near_rmse_log"])
    assert not list((tmp_path / "b" / "starts").glob("*.pt"))
    half = pd.DataFrame({"status": ["finished", "diverged"], **{name: [0.25, 0.75] for name in rates.COLUMNS}})
    assert rates.row("x", 0.1, half) == "| x | 0.1 | 0.500 | 0.500 | 0.500 | 0.500 | 1 of 2 |"
