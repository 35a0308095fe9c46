"""Where a study has too many trials for an MLflow run of each: what a configuration's own run then holds of its seeds.

A run costs MLflow about 0.03 s and each of its points 0.0002 s. A few points of the mean curves therefore go to the charts,
and everything that the records say of the seeds to two CSV files, which MLflow shows as tables on the run's page.
"""

from __future__ import annotations

from collections.abc import Hashable

import pandas as pd

from runner.tracking_tables import Metric, Tables

MOST_TRIALS = 500  # of a study from before this was a setting
CURVES_FILE, TRIALS_FILE = "curves.csv", "trials.csv"
CHARTS = ("probe/1_near_abs_rel", "probe/2_far_abs_rel", "training/loss")  # all others are in the files
MOST_POINTS = 5  # of a charted curve


def why_no_seeds(tables: Tables) -> str | None:
    """Why the seeds get no run of their own, or None where they do.

    Planned trials count, so that an unfinished study has the same kind of view as the finished one.
    """
    settings = tables.meta["experiment"].get("tracking") or {}
    most, trials = settings.get("most_trials", MOST_TRIALS), len(tables.trained) * len(tables.meta["seeds"])
    if trials <= most:
        return None
    return f"one run per configuration ({trials} trials are more than most_trials={most}; their curves are artifacts)"


def few_points(curves: list[Metric]) -> list[Metric]:
    """The charted curves, at a few steps from the first to the last."""
    charted = [metric for metric in curves if metric[0] in CHARTS]
    steps = sorted({step for _, _, step in charted})
    last = len(steps) - 1
    kept = {steps[last * i // (MOST_POINTS - 1)] for i in range(MOST_POINTS)} if last >= MOST_POINTS else set(steps)
    return [metric for metric in charted if metric[2] in kept]


def files_of_each(trials: pd.DataFrame, curves: pd.DataFrame) -> dict[Hashable, dict[str, str]]:
    """Key of a configuration -> the records of all its seeds: file name, text."""
    rows, points = texts(trials.sort_values("seed")), texts(curves.sort_values(["seed", "step"]))
    return {key: {TRIALS_FILE: rows[key], CURVES_FILE: points[key]} for key in rows}


def texts(table: pd.DataFrame) -> dict[Hashable, str]:
    """Each configuration's rows as CSV: written at once and cut apart, since a call for each takes seconds."""
    header, *lines = table.to_csv(index=False).splitlines()
    return {key: "\n".join([header, *(lines[row] for row in rows), ""]) for key, rows in table.groupby("key").indices.items()}
