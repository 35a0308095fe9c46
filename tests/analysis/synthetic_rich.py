"""A synthetic study with all that a real one holds."""

from __future__ import annotations

from pathlib import Path

from synthetic import Planted, write_study
from synthetic_registry import FULL


def rich_study(folder: Path, seeds: int = 6) -> Path:
    """Every fix, the whole, leave one out and the near weights: what a real study holds."""
    fixes = {
        "1-1": Planted(0.015, 0.004),
        "1-2": Planted(0.05, -0.05),
        "1-3": Planted(0.012, 0.003),
        "2-1": Planted(-0.08, 0.09, wobble=0.7),
        "2-2a": Planted(-0.3, -0.2, diverge=2),
        "2-2b": Planted(0.0, 0.0),
        "3-1": Planted(0.01, 0.05, noise=0.03),
        "4-1": Planted(same_as="baseline"),
        "4-2": Planted(same_as="baseline"),
        "4-3": Planted(0.07, 0.03, speed=1.4, wobble=0.6),
        "5-1": Planted(0.03, 0.01),
        "5-1w": Planted(-0.25, 0.12),
        "5-2": Planted(0.02, 0.0, noise=0.04),
        "6-1": Planted(-0.15, -0.15, speed=0.8),
        "6-2": Planted(0.02, -0.06),
        "7-1": Planted(same_as="baseline"),
        "7-2": Planted(same_as="baseline"),
        "8-1": Planted(-0.9, -0.6, wobble=4, speed=0.6, loss_level=300),
        "8-1w": Planted(-1.0, -0.7, wobble=4, diverge=5),
        "8-2": Planted(0.1, 0.08, wobble=0.8, speed=1.3),
        "9-1": Planted(-0.06, 0.07),
        "9-2": Planted(0.0, 0.01, noise=0.03),
        "9-3": Planted(-0.01, 0.01, noise=0.03),
        "10-1": Planted(same_as="+1-1"),
        "10-2": Planted(same_as="baseline"),
    }
    full = Planted(-0.5, -0.3, wobble=2.0, speed=0.7, loss_level=200)
    without = {fix: Planted(-0.5 + 0.02 * i, -0.3, wobble=2.0, speed=0.7) for i, fix in enumerate(FULL)}
    without["8-1"] = Planted(0.05, 0.03)
    without |= {fix: Planted(same_as="full") for fix in ("1-1", "4-2", "7-1", "10-1")}
    work = {"1-1": Planted(same_as="+1-1"), "1-1+2-1": Planted(-0.07, 0.08)}
    weights = {
        1.0: Planted(-0.20, 0.16),
        2.0: Planted(-0.1, 0.09),
        3.0: Planted(-0.05, 0.05),
        5.0: Planted(same_as="baseline"),
        8.0: Planted(0.035, -0.06),
    }
    return write_study(folder, fixes, full=full, without=without, weights=weights, steps_of_work=work, seeds=seeds)
