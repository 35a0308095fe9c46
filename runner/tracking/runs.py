"""The runs of a study's MLflow view, as plain data: MLflow is not imported here.

A configuration becomes a run with the means over its seeds; its seeds become child runs. MLflow's pages sort by name: the
fixes come first among the parameters (`1 fixes`), the near error first among the metrics (`final/1_near_rmse_log`). Charts are
grouped under the part of a metric's name before the slash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import pandas as pd

from runner.records import WORD_COLUMNS
from runner.tracking.metrics import (
    CURVES,
    DECIDING_ERRORS,
    FINALS,
    SECOND,
    SEED_CURVES,
    Metric,
    StudyTables,
    infinite_names,
    metrics_by,
    seed_means,
)

#: Okabe-Ito. The baseline is black; the others are coloured in the order of the plan, so that colours never change.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b8a800")


@dataclass(frozen=True)
class Run:
    """The content of one MLflow run. Times in milliseconds since 1970."""

    name: str
    started: int
    ended: int
    failed: bool
    params: dict[str, str]
    metrics: list[Metric]
    tags: dict[str, str]
    children: list[Run] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)  # name: text

    @cached_property
    def content(self) -> str:
        """A hash of the parameters, metrics and files of the run and its children. Tags are left out: they can change.

        Values have twelve digits, because the last bits of a mean depend on the other rows of the table that pandas groups.
        """
        metrics = [(name, f"{value:.12g}", step) for name, value, step in self.metrics]
        parts = [self.name, sorted(self.params.items()), metrics, [child.content for child in self.children]]
        parts += sorted(self.files.items())
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def all_runs(tables: StudyTables, started: str, each_seed: bool = True) -> list[Run]:
    """A run for each configuration with at least one recorded trial, in the order of the plan.

    MLflow lists the latest run first and loads a hundred. Start times are therefore set so that the baseline is the latest
    configuration, every child is earlier than all configurations, and the first seeds are later than the others.

    Args:
        started: when the study started, in ISO format.
        each_seed: whether the seeds are child runs; if not, the run has files with their records.
    """
    base = int(datetime.fromisoformat(started).timestamp() * SECOND)
    trials = tables.trials.assign(step=0)
    finals, curves = seed_means(trials, FINALS), seed_means(tables.curves, CURVES)
    rows: dict[str, list[dict[Any, Any]]] = {}
    for row in tables.trials.sort_values("seed").to_dict("records"):
        rows.setdefault(row["key"], []).append(row)
    seeds = metrics_of_trials(trials, tables.curves) if each_seed else {}
    files = {} if each_seed else csv_files(tables.trials, tables.curves)
    runs = []
    for place, cell in enumerate(tables.trained):
        if (key := cell["key"]) not in rows:
            continue
        is_baseline = not cell["fixes"] and cell["numbers"] == "{}"
        colour = "#000000" if is_baseline else COLOURS[place % len(COLOURS)]
        start = base + SECOND * (len(tables.trained) - place)
        run = configuration_run(tables, cell, rows[key], finals[key] + curves[key], start, colour)
        if each_seed:
            children = [seed_run(run, row, seeds[key, row["seed"]], base - SECOND * i) for i, row in enumerate(rows[key])]
            run = replace(run, children=children)
        else:
            run = replace(run, metrics=finals[key] + chart_points(curves[key]), files=files[key])
        runs.append(run)
    return runs


def metrics_of_trials(trials: pd.DataFrame, curves: pd.DataFrame) -> dict[Hashable, list[Metric]]:
    """(key, seed) -> a trial's final errors and the curves of `SEED_CURVES`."""
    by = ["key", "seed"]
    finals, series = metrics_by(trials, FINALS, by), metrics_by(curves.sort_values("step"), SEED_CURVES, by)
    return {trial: metrics + series[trial] for trial, metrics in finals.items()}


def configuration_run(
    tables: StudyTables, cell: Mapping[Any, Any], trials: list[dict[Any, Any]], metrics: list[Metric], started: int, colour: str
) -> Run:
    """A configuration's run: means and SDs over its seeds."""
    diverged = sum(trial["status"] == "diverged" for trial in trials)
    tags = shared_tags(tables, cell) | {
        "mlflow.runColor": colour,
        "seed": "all",
        "seeds": " ".join(str(trial["seed"]) for trial in trials),
        "diverged": f"{diverged} of {len(trials)}",
        "status": "diverged" if diverged == len(trials) else "finished",
        "not_finite": infinite_names(metrics),
    }
    ended = started + int(SECOND * sum(trial["seconds"] for trial in trials))
    return Run(cell["cell"], started, ended, diverged == len(trials), parameters(tables, cell), metrics, tags)


def seed_run(parent: Run, trial: Mapping[Any, Any], metrics: list[Metric], started: int) -> Run:
    """A trial's run: its metrics, and the parameters of its configuration."""
    diverged = trial["status"] == "diverged"
    own = {
        "seed": str(trial["seed"]),
        "status": trial["status"],
        "diverged": f"at step {int(trial['diverged_step'])}" if diverged else "no",
        "not_finite": infinite_names(metrics),
    }
    tags = {tag: text for tag, text in parent.tags.items() if tag != "seeds"} | own
    ended = started + int(SECOND * trial["seconds"])
    return Run(f"{parent.name} seed {trial['seed']}", started, ended, diverged, parent.params, metrics, tags)


def parameters(tables: StudyTables, cell: Mapping[Any, Any]) -> dict[str, str]:
    """A run's parameters. Every run has the same names, so that all can be compared; '-' stands for no fix."""
    on, numbers = cell["fixes"].split(), json.loads(cell["numbers"])
    params = {"1 fixes": cell["fixes"] or "-", "2 number of fixes": str(len(on)), "3 cell": cell["cell"]}
    for issue in tables.issues:
        known = {fix["id"]: " ".join(dict.fromkeys([fix["id"], fix["name"]])) for fix in issue["fixes"]}
        title = "".join(letter if letter.isalnum() or letter in " -_" else " " for letter in issue["title"])
        params[f"issue {issue['number']:02} {title}" if issue["number"] else title.lower()] = (
            ", ".join(known[fix] for fix in on if fix in known) or "-"
        )
    shared = tables.meta["experiment"].get("loss") or {}
    return params | {f"number {name}": str(numbers.get(name, shared.get(name, "default"))) for name in tables.varied}


def shared_tags(tables: StudyTables, cell: Mapping[Any, Any]) -> dict[str, str]:
    """The tags that a configuration's run shares with its children."""
    repeats = tables.repeats.get(cell["cell"], tables.plan[:0])
    return {
        "key": cell["key"],
        "design": ", ".join(dict.fromkeys([cell["design"], *repeats["design"]])),
        "same_as": ", ".join(repeats["cell"]) or "-",
        **dict.fromkeys(WORD_COLUMNS, "-"),
        **tables.words.get(cell["key"], {}),
        "git_commit": str(tables.meta.get("git_commit") or "-"),
        "device": str(tables.meta.get("device") or "-"),
    }


CURVES_FILE, TRIALS_FILE = "curves.csv", "trials.csv"
CHARTS = (*(f"probe/{name}" for name in list(DECIDING_ERRORS.values())[:2]), "training/loss")  # all others are in the files
MOST_POINTS = 5  # of a charted curve


def chart_points(curves: list[Metric]) -> list[Metric]:
    """The curves of `CHARTS` at up to five steps, the first and the last among them."""
    charted = [metric for metric in curves if metric[0] in CHARTS]
    steps = sorted({step for _, _, step in charted})
    last = len(steps) - 1
    chosen = {steps[last * i // (MOST_POINTS - 1)] for i in range(MOST_POINTS)} if last >= MOST_POINTS else set(steps)
    return [metric for metric in charted if metric[2] in chosen]


def csv_files(trials: pd.DataFrame, curves: pd.DataFrame) -> dict[Hashable, dict[str, str]]:
    """Key of a configuration -> the records of all its seeds: file name -> text."""
    rows, points = csv_by_key(trials.sort_values("seed")), csv_by_key(curves.sort_values(["seed", "step"]))
    return {key: {TRIALS_FILE: rows[key], CURVES_FILE: points[key]} for key in rows}


def csv_by_key(table: pd.DataFrame) -> dict[Hashable, str]:
    """Key -> its rows as CSV. The table is written once and then split: one call for each key would take seconds."""
    header, *lines = table.to_csv(index=False).splitlines()
    return {key: "\n".join([header, *(lines[row] for row in rows), ""]) for key, rows in table.groupby("key").indices.items()}
