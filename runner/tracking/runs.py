"""From a study directory to the runs of its MLflow view: plain data, no MLflow.

A configuration becomes one run with the means over its seeds, its seeds become that run's children. Names are chosen for
MLflow's pages, which sort by name and take the first: the fixes come first among the parameters (`1 fixes`), the near error
first among the metrics (`final/1_near_abs_rel`), and the word before the slash is the heading that charts are grouped under.
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

from runner.tracking.metrics import CURVES, FINALS, SECOND, Metric, Tables, averages, infinite, points_of_each

#: Okabe-Ito; the baseline is black, the others take turns, so that a configuration has the same colour at every writing.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b8a800")


@dataclass(frozen=True)
class Run:
    """What one MLflow run holds. Times in milliseconds since 1970."""

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
        """A hash of what cannot be changed once written (parameters, metrics, files), the children's included; tags can.

        Values to twelve digits: the last bits of a mean depend on what else is in the table that pandas groups.
        """
        metrics = [(name, f"{value:.12g}", step) for name, value, step in self.metrics]
        parts = [self.name, sorted(self.params.items()), metrics, [child.content for child in self.children]]
        parts += sorted(self.files.items())
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def all_runs(tables: Tables, started: str, each_seed: bool = True) -> list[Run]:
    """A run for each configuration with at least one recorded trial, in the plan's order; its seeds are its children.

    Without `each_seed` there are no children; what they would have held is in the run's files.
    `started` is ISO time. Pages list the youngest run first and load a hundred: the baseline is therefore dated youngest of
    the configurations, every child older than all of them, and the first seeds younger than the later ones.
    """
    base = int(datetime.fromisoformat(started).timestamp() * SECOND)
    trials = tables.trials.assign(step=0)
    finals, curves = averages(trials, FINALS), averages(tables.curves, CURVES)
    rows: dict[str, list[dict[Any, Any]]] = {}
    for row in tables.trials.sort_values("seed").to_dict("records"):
        rows.setdefault(row["key"], []).append(row)
    seeds = points_of_seeds(trials, tables.curves) if each_seed else {}
    files = {} if each_seed else files_of_each(tables.trials, tables.curves)
    runs = []
    for place, cell in enumerate(tables.trained):
        if (key := cell["key"]) not in rows:
            continue
        plain = not cell["fixes"] and cell["numbers"] == "{}"
        colour = "#000000" if plain else COLOURS[place % len(COLOURS)]
        youth = base + SECOND * (len(tables.trained) - place)
        run = configuration_run(tables, cell, rows[key], finals[key] + curves[key], youth, colour)
        if each_seed:
            children = [seed_run(run, row, seeds[key, row["seed"]], base - SECOND * i) for i, row in enumerate(rows[key])]
            run = replace(run, children=children)
        else:
            run = replace(run, metrics=finals[key] + few_points(curves[key]), files=files[key])
        runs.append(run)
    return runs


def points_of_seeds(trials: pd.DataFrame, curves: pd.DataFrame) -> dict[Hashable, list[Metric]]:
    """(key, seed) -> a trial's last errors and its curves."""
    by = ["key", "seed"]
    ends, series = points_of_each(trials, FINALS, by), points_of_each(curves.sort_values("step"), CURVES, by)
    return {trial: metrics + series[trial] for trial, metrics in ends.items()}


def configuration_run(
    tables: Tables, cell: Mapping[Any, Any], trials: list[dict[Any, Any]], metrics: list[Metric], started: int, colour: str
) -> Run:
    """The parent: means and SDs over its seeds."""
    diverged = sum(trial["status"] == "diverged" for trial in trials)
    tags = shared_tags(tables, cell) | {
        "mlflow.runColor": colour,
        "seed": "all",
        "seeds": " ".join(str(trial["seed"]) for trial in trials),
        "diverged": f"{diverged} of {len(trials)}",
        "status": "diverged" if diverged == len(trials) else "finished",
        "not_finite": infinite(metrics),
    }
    ended = started + int(SECOND * sum(trial["seconds"] for trial in trials))
    return Run(cell["cell"], started, ended, diverged == len(trials), parameters(tables, cell), metrics, tags)


def seed_run(parent: Run, trial: Mapping[Any, Any], metrics: list[Metric], started: int) -> Run:
    """One trial: its own metrics, its configuration's parameters."""
    dead = trial["status"] == "diverged"
    own = {
        "seed": str(trial["seed"]),
        "status": trial["status"],
        "diverged": f"at step {int(trial['diverged_step'])}" if dead else "no",
        "not_finite": infinite(metrics),
    }
    tags = {tag: text for tag, text in parent.tags.items() if tag != "seeds"} | own
    ended = started + int(SECOND * trial["seconds"])
    return Run(f"{parent.name} seed {trial['seed']}", started, ended, dead, parent.params, metrics, tags)


def parameters(tables: Tables, cell: Mapping[Any, Any]) -> dict[str, str]:
    """What was trained; the same names in every run, so that all can be compared: '-' where an issue is left as it is."""
    on, numbers = cell["fixes"].split(), json.loads(cell["numbers"])
    params = {"1 fixes": cell["fixes"] or "-", "2 number of fixes": str(len(on)), "3 cell": cell["cell"]}
    for issue in tables.issues:
        known = {fix["id"]: f"{fix['id']} {fix['name']}" for fix in issue["fixes"]}
        title = "".join(letter if letter.isalnum() or letter in " -_" else " " for letter in issue["title"])
        params[f"issue {issue['number']:02} {title}"] = ", ".join(known[fix] for fix in on if fix in known) or "-"
    shared = tables.meta["experiment"].get("loss") or {}
    return params | {f"number {name}": str(numbers.get(name, shared.get(name, "default"))) for name in tables.varied}


def shared_tags(tables: Tables, cell: Mapping[Any, Any]) -> dict[str, str]:
    """What a configuration's run and its children have in common."""
    twins = tables.twins.get(cell["cell"], tables.plan[:0])
    return {
        "key": cell["key"],
        "design": ", ".join(dict.fromkeys([cell["design"], *twins["design"]])),
        "same_as": ", ".join(twins["cell"]) or "-",
        "verdict": tables.verdicts.get(cell["key"], "-"),
        "git_commit": str(tables.meta.get("git_commit") or "-"),
        "device": str(tables.meta.get("device") or "-"),
    }


CURVES_FILE, TRIALS_FILE = "curves.csv", "trials.csv"
CHARTS = ("probe/1_near_abs_rel", "probe/2_far_abs_rel", "training/loss")  # all others are in the files
MOST_POINTS = 5  # of a charted curve


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
