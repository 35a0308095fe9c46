"""From a study directory to the runs of its MLflow view: plain data, no MLflow.

A configuration becomes one run with the means over its seeds, its seeds become that run's children. Names are chosen for
MLflow's pages, which sort by name and take the first: the fixes come first among the parameters (`1 fixes`), the near error
first among the metrics (`final/1_near_abs_rel`), and the word before the slash is the heading that charts are grouped under.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from runner.tracking_tables import CURVES, FINALS, SECOND, Metric, Tables, average, infinite, points

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

    @property
    def content(self) -> str:
        """A hash of what cannot be changed once written (parameters, metrics), the children's included; tags can."""
        parts = [self.name, sorted(self.params.items()), self.metrics, [child.content for child in self.children]]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def all_runs(tables: Tables, started: str) -> list[Run]:
    """A run for each configuration with at least one recorded trial, in the plan's order.

    `started` is ISO time. Pages list the youngest run first and load a hundred: the baseline is therefore dated youngest of
    the configurations, every child older than all of them, and the first seeds younger than the later ones.
    """
    base = int(datetime.fromisoformat(started).timestamp() * SECOND)
    trained = tables.plan[tables.plan["status"] == "trained"].to_dict("records")
    trials, curves = dict(list(tables.trials.groupby("key"))), dict(list(tables.curves.groupby("key")))
    runs = []
    for place, cell in enumerate(trained):
        if cell["key"] in trials:
            times, plain = (base, base + SECOND * (len(trained) - place)), not cell["fixes"] and cell["numbers"] == "{}"
            colour = "#000000" if plain else COLOURS[place % len(COLOURS)]
            runs.append(configuration_run(tables, cell, trials[cell["key"]], curves[cell["key"]], times, colour))
    return runs


def configuration_run(
    tables: Tables, cell: Mapping[Any, Any], trials: pd.DataFrame, curves: pd.DataFrame, times: tuple[int, int], colour: str
) -> Run:
    """The parent: means and SDs over its seeds; its children the seeds."""
    params, tags = parameters(tables, cell), shared_tags(tables, cell) | {"mlflow.runColor": colour}
    apart = dict(list(curves.groupby("seed")))
    rows = trials.sort_values("seed").to_dict("records")
    children = [
        seed_run(cell["cell"], trial, apart[trial["seed"]], params, tags, times[0] - SECOND * place)
        for place, trial in enumerate(rows)
    ]
    metrics = average(trials.assign(step=0), FINALS) + average(curves, CURVES)
    diverged = sum(trial["status"] == "diverged" for trial in rows)
    tags |= {
        "seed": "all",
        "seeds": " ".join(str(trial["seed"]) for trial in rows),
        "diverged": f"{diverged} of {len(rows)}",
        "status": "diverged" if diverged == len(rows) else "finished",
        "not_finite": infinite(metrics),
    }
    ended = times[1] + int(SECOND * trials["seconds"].sum())
    return Run(cell["cell"], times[1], ended, diverged == len(rows), params, metrics, tags, children)


def seed_run(
    cell: str, trial: Mapping[Any, Any], curves: pd.DataFrame, params: dict[str, str], tags: dict[str, str], started: int
) -> Run:
    """One trial."""
    metrics = points(pd.DataFrame([trial]).assign(step=0), FINALS) + points(curves.sort_values("step"), CURVES)
    dead = trial["status"] == "diverged"
    own = {
        "seed": str(trial["seed"]),
        "status": trial["status"],
        "diverged": f"at step {int(trial['diverged_step'])}" if dead else "no",
        "not_finite": infinite(metrics),
    }
    ended = started + int(SECOND * trial["seconds"])
    return Run(f"{cell} seed {trial['seed']}", started, ended, dead, params, metrics, tags | own)


def parameters(tables: Tables, cell: Mapping[Any, Any]) -> dict[str, str]:
    """What was trained; the same names in every run, so that all can be compared: '-' where an issue is left as it is."""
    on, numbers = cell["fixes"].split(), json.loads(cell["numbers"])
    params = {"1 fixes": cell["fixes"] or "-", "2 number of fixes": str(len(on)), "3 cell": cell["cell"]}
    for issue in tables.issues:
        known = {fix["id"]: f"{fix['id']} {fix['name']}" for fix in issue["fixes"]}
        title = "".join(letter if letter.isalnum() or letter in " -_" else " " for letter in issue["title"])
        params[f"issue {issue['number']:02} {title}"] = ", ".join(known[fix] for fix in on if fix in known) or "-"
    varied = sorted({name for text in tables.plan["numbers"] for name in json.loads(text)})
    shared = tables.meta["experiment"].get("loss") or {}
    return params | {f"number {name}": str(numbers.get(name, shared.get(name, "default"))) for name in varied}


def shared_tags(tables: Tables, cell: Mapping[Any, Any]) -> dict[str, str]:
    """What a configuration's run and its children have in common."""
    twins = tables.plan[(tables.plan["status"] == "same as") & (tables.plan["same_as"] == cell["cell"])]
    return {
        "key": cell["key"],
        "design": ", ".join(dict.fromkeys([cell["design"], *twins["design"]])),
        "same_as": ", ".join(twins["cell"]) or "-",
        "verdict": tables.verdicts.get(cell["key"], "-"),
        "git_commit": str(tables.meta.get("git_commit") or "-"),
        "device": str(tables.meta.get("device") or "-"),
    }
