"""Synthetic studies, written once per session and never changed by a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic import Planted, write_study
from synthetic_rich import rich_study

from analysis import load, verdicts

SMALL = {
    "1-1": Planted(near=0.10, far=0.03),
    "2-1": Planted(near=-0.12),
    "2-2b": Planted(noise=0.002),
    "3-1": Planted(near=0.01, noise=0.08),
    "4-1": Planted(same_as="baseline"),
    "5-1": Planted(near=0.08, far=-0.10),
    "6-2": Planted(near=-0.1, far=-0.1, diverge=3),
    "7-1": Planted(same_as="baseline"),
    "7-2": Planted(same_as="baseline"),
    "9-2": Planted(clash=True),
    "10-1": Planted(same_as="+1-1"),
}
STEADIER = Planted(near=0.12, far=0.02, wobble=0.2, speed=2.0)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Planted truth at eight seeds, with a recommendation that keeps all its promises."""
    return write_study(tmp_path_factory.mktemp("studies") / "small", SMALL, full=STEADIER, seeds=8)


@pytest.fixture(scope="session")
def judged(small: Path) -> dict:
    """Verdicts on the small study."""
    return verdicts(load(small))


@pytest.fixture(scope="session")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every fix, the whole, leave one out and near weights."""
    return rich_study(tmp_path_factory.mktemp("studies") / "rich", seeds=4)
