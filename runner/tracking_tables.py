"""What the MLflow view reads of a study, and its metrics: which columns, under which names, averaged how.

NaN in the records is "not measured" and is left out; a mean over seeds that includes one is left out too, since a mean over
the seeds that survived would flatter. What is infinite is named in the tag `not_finite`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

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


def read_tables(folder: Path) -> Tables:
    """Everything the view is made of; trials may still be missing."""
    plan = pd.read_parquet(folder / "plan.parquet").fillna({"fixes": "", "numbers": "{}"})
    groups = sorted((folder / "records").glob("trials-*.parquet"))
    trials = [pd.read_parquet(path) for path in groups]
    curves = [pd.read_parquet(path.with_name(path.name.replace("trials-", "curves-", 1))) for path in groups]
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


def average(table: pd.DataFrame, names: dict[str, str]) -> list[Metric]:
    """Means over seeds at each step; the SDs of errors have headings of their own (`sd_probe/...`), below the means."""
    steps = table.groupby("step")[[column for column in names if column in table]]
    spread = {column: f"sd_{name}" for column, name in names.items() if name.startswith(SPREAD)}
    return points(steps.mean(skipna=False).reset_index(), names) + points(steps.std(skipna=False).reset_index(), spread)


def points(table: pd.DataFrame, names: dict[str, str]) -> list[Metric]:
    """Every measured value, a column after the other."""
    return [
        (name, float(value), int(step))
        for column, name in names.items()
        if column in table
        for step, value in zip(table["step"], pd.to_numeric(table[column]), strict=True)
        if not pd.isna(value)
    ]


def infinite(metrics: list[Metric]) -> str:
    """Names of the metrics that are infinite somewhere; '-' where there are none."""
    return " ".join(sorted({name for name, value, _ in metrics if math.isinf(value)})) or "-"
