"""What the MLflow view reads of a study, and its metrics: which columns, under which names, averaged how.

NaN in the records is "not measured" and is left out; a mean over seeds that includes one is left out too, since a mean over
the seeds that survived would flatter. What is infinite is named in the tag `not_finite`.
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

from runner.records.files import read_table
from runner.records.fingerprint import stale
from runner.records.tables import keys_and_seeds

Metric = tuple[str, float, int]  # (name, value, step)

ERRORS = ("near_abs_rel", "far_abs_rel", "abs_rel")
STEADINESS = ("grad_norm_log_sd", "loss_spikes", "bn_gap")
LOSSES = ("loss", "normalised_loss", "ssi", "silog", "grad_norm")
WATCHED = ("batch_near_error", "batch_far_error", "near_share", "threshold")
RULERS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "silog", "delta1", "delta2", "delta3")

SECOND = 1000  # milliseconds

#: Column of the records -> name in MLflow.
CURVES = {f"probe_{name}": f"probe/{place}_{name}" for place, name in enumerate(ERRORS, 1)}
CURVES |= {name: f"training/{name}" for name in (*LOSSES, *WATCHED)}
FINALS = {f"final_{name}": f"final/{place}_{name}" for place, name in enumerate(ERRORS, 1)}
FINALS |= {name: f"steadiness/{name}" for name in STEADINESS}
FINALS |= {f"val_{where}_{name}": f"validation/{where}_{name}" for where in ("near", "far", "all") for name in RULERS}
SPREAD = ("final/", "probe/")  # of the training series and of 24 validation numbers it would bury the rest


@dataclass(frozen=True)
class Tables:
    """A study as it lies on disk."""

    meta: dict[str, Any]
    plan: pd.DataFrame
    issues: list[dict[str, Any]]
    verdicts: dict[str, str]
    trials: pd.DataFrame
    curves: pd.DataFrame

    @cached_property
    def trained(self) -> list[dict[Hashable, Any]]:
        """The plan's cells that are trained, in its order."""
        return self.plan[self.plan["status"] == "trained"].to_dict("records")

    @cached_property
    def varied(self) -> list[str]:
        """Numbers of the loss that some cell sets."""
        return sorted({name for text in self.plan["numbers"].unique() for name in json.loads(text)})

    @cached_property
    def twins(self) -> dict[Hashable, pd.DataFrame]:
        """Cell -> the cells that are the same as it and were therefore not trained."""
        return dict(list(self.plan[self.plan["status"] == "same as"].groupby("same_as")))


def read_tables(folder: Path) -> Tables:
    """Everything the view is made of; trials may still be missing."""
    plan = read_table(folder / "plan.parquet").fillna({"fixes": "", "numbers": "{}"})
    groups = sorted((folder / "records").glob("trials-*.parquet"))
    trials, curves, seen = [], [], set[tuple[str, int]]()
    for path in groups:
        counted = read_table(path)
        counted = counted[~stale(counted, plan)]
        counted = counted[[trial not in seen for trial in zip(counted["key"], counted["seed"], strict=True)]]
        seen |= keys_and_seeds(counted)
        trials.append(counted)
        own = read_table(path.with_name(path.name.replace("trials-", "curves-", 1)))
        curves.append(own.merge(counted[["key", "seed"]], on=["key", "seed"]))
    return Tables(
        yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8")),
        plan,
        json.loads((folder / "issues.json").read_text(encoding="utf-8")),
        verdict_of_each(folder / "verdicts.json"),
        pd.concat(trials, ignore_index=True) if trials else pd.DataFrame(columns=["key", "seed"]),
        pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=["key", "seed", "step"]),
    )


def verdict_of_each(path: Path) -> dict[str, str]:
    """Key of a configuration -> the verdicts of the fixes that it stands for; empty where nothing is judged yet."""
    found: dict[str, str] = {}
    for entry in json.loads(path.read_text(encoding="utf-8"))["fixes"] if path.exists() else []:
        if entry.get("key") and entry.get("verdict"):
            said = f"{entry['id']} {entry['verdict']}"
            found[entry["key"]] = f"{found[entry['key']]}; {said}" if entry["key"] in found else said
    return found


def averages(table: pd.DataFrame, names: dict[str, str]) -> dict[Hashable, list[Metric]]:
    """Means over a configuration's seeds at each step; the SDs of errors have headings of their own (`sd_probe/...`), below."""
    columns = [column for column in names if column in table]
    numbers = table.assign(**{column: pd.to_numeric(table[column]).astype(float) for column in columns})
    steps = numbers.groupby(["key", "step"])[columns]  # of all configurations at once: pandas is slow to call
    spread = {column: f"sd_{name}" for column, name in names.items() if name.startswith(SPREAD)}
    means = points_of_each(steps.mean(skipna=False).reset_index(), names, "key")
    sds = points_of_each(steps.std(skipna=False).reset_index(), spread, "key")
    return {key: metrics + sds[key] for key, metrics in means.items()}


def points_of_each(table: pd.DataFrame, names: dict[str, str], by: str | list[str]) -> dict[Hashable, list[Metric]]:
    """Every measured value of each group of rows, a column after the other."""
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


def infinite(metrics: list[Metric]) -> str:
    """Names of the metrics that are infinite somewhere; '-' where there are none."""
    return " ".join(sorted({name for name, value, _ in metrics if math.isinf(value)})) or "-"


MOST_TRIALS = 500  # of a study from before this was a setting


def why_no_seeds(tables: Tables) -> str | None:
    """Why the seeds get no run of their own, or None where they do.

    Planned trials count, so that an unfinished study has the same kind of view as the finished one.
    """
    settings = tables.meta["experiment"].get("tracking") or {}
    most, trials = settings.get("most_trials", MOST_TRIALS), len(tables.trained) * len(tables.meta["seeds"])
    if trials <= most:
        return None
    return f"one run per configuration ({trials} trials are more than most_trials={most}; their curves are artifacts)"
