"""What the MLflow view reads from a study, and its metrics: their columns, their names, and their means over seeds.

NaN in the records means "not measured" and is left out. So is a mean over seeds that includes a NaN: a mean over the other
seeds would be too good. Metrics that are infinite are named in the tag `not_finite`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from runner.records import keys_and_seeds, read_table, read_words
from runner.records.fingerprint import stale
from runner.training import DECIDING, METRICS, RULERS

Metric = tuple[str, float, int]  # (name, value, step)

SIDES = ("near_", "far_", "")
DECIDING_ERRORS = {f"{side}{DECIDING}": f"{place}_{side}{DECIDING}" for place, side in enumerate(SIDES, 1)}
OTHER_ERRORS = [f"{side}{ruler}" for ruler in RULERS if ruler != DECIDING for side in SIDES]
#: Error -> its name in MLflow: that of the ruler that decides comes first in MLflow's order, and has a number.
ERRORS = DECIDING_ERRORS | {name: name for name in OTHER_ERRORS}
STEADINESS = ("grad_norm_log_sd", "loss_spikes", "bn_gap")
LOSSES = ("loss", "normalised_loss", "ssi", "silog", "grad_norm")
BATCH_MEASURES = ("batch_near_error", "batch_far_error", "near_share", "threshold")

SECOND = 1000  # milliseconds

#: Column of the records -> name in MLflow.
CURVES = {f"probe_{error}": f"probe/{name}" for error, name in ERRORS.items()}
CURVES |= {name: f"training/{name}" for name in (*LOSSES, *BATCH_MEASURES, "learning_rate")}
#: A seed's own curves: all others are those of the configuration's means, and in the records. They are most of a view's rows.
SEED_CURVES = {f"probe_{error}": f"probe/{name}" for error, name in DECIDING_ERRORS.items()}
SEED_CURVES |= {name: f"training/{name}" for name in ("loss", "normalised_loss", "grad_norm")}
FINALS = {f"final_{error}": f"final/{name}" for error, name in ERRORS.items()}
FINALS |= {name: f"steadiness/{name}" for name in STEADINESS}
FINALS |= {f"val_{at}_{name}": f"validation/{at}_{name}" for at in ("near", "far", "all") for name in METRICS}
#: Metrics whose SD is written, those of the ruler that decides; of all metrics, the SDs would hide the means.
WITH_SD = {f"{kind}/{name}" for kind in ("final", "probe") for name in DECIDING_ERRORS.values()}


@dataclass(frozen=True)
class StudyTables:
    """What the view reads from a study's folder."""

    meta: dict[str, Any]
    plan: pd.DataFrame
    issues: list[dict[str, Any]]
    words: dict[str, dict[str, str]]
    trials: pd.DataFrame
    curves: pd.DataFrame

    @cached_property
    def trained(self) -> list[dict[Hashable, Any]]:
        """The plan's cells that are trained, in the order of the plan."""
        return self.plan[self.plan["status"] == "trained"].to_dict("records")

    @cached_property
    def varied(self) -> list[str]:
        """Numbers of the loss that some cell sets."""
        return sorted({name for text in self.plan["numbers"].unique() for name in json.loads(text)})

    @cached_property
    def repeats(self) -> dict[Hashable, pd.DataFrame]:
        """Cell -> the cells that are the same as it and were therefore not trained."""
        return dict(list(self.plan[self.plan["status"] == "same as"].groupby("same_as")))


def read_tables(folder: Path) -> StudyTables:
    """Read a study, in which trials may still be missing. Raises TableError for a file that is missing or damaged."""
    plan = read_table(folder / "plan.parquet").fillna({"fixes": "", "numbers": "{}"})
    groups = sorted((folder / "records").glob("trials-*.parquet"))
    trials, curves, seen = [], [], set[tuple[str, int]]()
    for path in groups:
        current = read_table(path)
        current = current[~stale(current, plan)]
        current = current[[trial not in seen for trial in zip(current["key"], current["seed"], strict=True)]]
        seen |= keys_and_seeds(current)
        trials.append(current)
        group_curves = read_table(path.with_name(path.name.replace("trials-", "curves-", 1)))
        curves.append(group_curves.merge(current[["key", "seed"]], on=["key", "seed"]))
    return StudyTables(
        yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8")),
        plan,
        json.loads((folder / "issues.json").read_text(encoding="utf-8")),
        read_words(folder / "verdicts.json"),
        pd.concat(trials, ignore_index=True) if trials else pd.DataFrame(columns=["key", "seed"]),
        pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=["key", "seed", "step"]),
    )


def seed_means(table: pd.DataFrame, names: dict[str, str]) -> dict[Hashable, list[Metric]]:
    """Key -> means over the configuration's seeds at each step, and the SDs of errors under names such as `sd_probe/...`."""
    columns = [column for column in names if column in table]
    numbers = table.assign(**{column: pd.to_numeric(table[column]).astype(float) for column in columns})
    steps = numbers.groupby(["key", "step"])[columns]  # all configurations at once, because each call of pandas is slow
    sd_names = {column: f"sd_{name}" for column, name in names.items() if name in WITH_SD}
    means = metrics_by(steps.mean(skipna=False).reset_index(), names, "key")
    sds = metrics_by(steps.std(skipna=False).reset_index(), sd_names, "key")
    return {key: metrics + sds[key] for key, metrics in means.items()}


def metrics_by(table: pd.DataFrame, names: dict[str, str], by: str | list[str]) -> dict[Hashable, list[Metric]]:
    """Value of the column(s) `by` -> every measured value of its rows, one column after the other."""
    steps = table["step"].to_numpy()
    columns = {name: pd.to_numeric(table[column]).to_numpy(float) for column, name in names.items() if column in table}
    return {
        key: [
            (name, value, step)
            for name, values in columns.items()
            for step, value in zip(steps[rows].tolist(), values[rows].tolist(), strict=True)
            if not math.isnan(value)
        ]
        for key, rows in table.groupby(by).indices.items()
    }


def infinite_names(metrics: list[Metric]) -> str:
    """The names of the metrics that are infinite at some step; '-' where there are none."""
    return " ".join(sorted({name for name, value, _ in metrics if math.isinf(value)})) or "-"


def why_no_seed_runs(tables: StudyTables) -> str | None:
    """Why the seeds have no runs of their own, or None where they have.

    Planned trials are counted, so that an unfinished study has the same kind of view as the finished one.
    """
    experiment = tables.meta["experiment"]
    seeds = (experiment.get("looks") or [len(tables.meta["seeds"])])[0]  # few configurations have more
    most, trials = experiment["tracking"]["most_trials"], len(tables.trained) * seeds
    if trials <= most:
        return None
    return f"one run per configuration ({trials} trials are more than most_trials={most}; their curves are artifacts)"
