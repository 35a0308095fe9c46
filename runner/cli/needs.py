"""What a command needs installed, and what is missing of it, in a line."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

REPORT_NEEDS = ("scipy", "statsmodels", "matplotlib", "nbformat", "nbclient", "nbconvert", "ipykernel")


def report_lacks() -> str:
    """What the report needs and this machine lacks, as words; empty where it can be drawn. Training needs none of it."""
    missing = [name for name in REPORT_NEEDS if find_spec(name) is None]
    return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed" if missing else ""


def need_report(study: Path) -> None:
    """A study, and what its conclusions need installed."""
    from runner.study.folder import read_study

    read_study(study)
    if missing := report_lacks():
        raise ValueError(f"no report here ({missing}); install it with pip")


def need_optuna(what: str, *more: str) -> None:
    """Say in one line what is to be installed."""
    missing = [name.replace("_", "-") for name in ("optuna", *more) if find_spec(name) is None]
    if missing:
        raise ValueError(f"{what} needs {' and '.join(missing)}, not installed here: pip install {' '.join(missing)}")
