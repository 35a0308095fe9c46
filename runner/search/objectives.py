"""The objective values of a cell: one finite value per objective, the geometric mean over all seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from runner.records import read_table, read_trials
from runner.training import DECIDING, RULERS

#: Objective -> its name in the dashboard and on the terminal.
OBJECTIVE_NAMES = {
    "near": f"near {RULERS[DECIDING]}",
    "far": f"far {RULERS[DECIDING]}",
    "wobble": "wobble",
    "time_to_target": "steps to target",
}
FINAL_COLUMNS = {side: f"final_{side}_{DECIDING}" for side in ("near", "far")}
PROBE_NEAR = f"probe_near_{DECIDING}"


@dataclass(frozen=True)
class ObjectiveValues:
    """A cell's values in the order of the objectives, the values of each seed, and the number of diverged seeds."""

    values: tuple[float, ...]
    seeds: dict[str, list[float]]  # objective -> value of each seed, in the seeds' order
    diverged: int = 0


def objective_values(
    folder: Path, seeds: Sequence[int], objectives: Sequence[str], baseline: str
) -> dict[str, ObjectiveValues]:
    """Key -> objective values of every cell whose records have all of the seeds.

    A diverged training counts with the errors of the trivial predictor, as it is recorded, and with the wobble of the worst one
    that has finished so far: a search learns nothing from a trial that is left out.

    Args:
        baseline: the baseline's key; its curves set the target of `time_to_target`.
    """
    trials = trials_of_seeds(folder / "records", seeds)
    if not len(trials):
        return {}
    table = trials.set_index(["key", "seed"])
    if set(objectives) - set(FINAL_COLUMNS):
        table = table.join(curve_measures(folder / "records", trials, baseline))
    columns = {objective: FINAL_COLUMNS.get(objective, objective) for objective in objectives}
    if any(column not in table or table[column].isna().all() for column in columns.values()):
        return {}  # the target is not known before the baseline is recorded
    found = {}
    for key, rows in table.groupby("key"):
        if len(rows) == len(seeds):
            each = {objective: rows[column].droplevel("key").loc[list(seeds)] for objective, column in columns.items()}
            values = tuple(float(np.exp(np.log(value.clip(lower=1e-12)).mean())) for value in each.values())
            diverged = int((rows["status"] == "diverged").sum())
            seed_values = {name: [float(v) for v in value] for name, value in each.items()}
            found[str(key)] = ObjectiveValues(values, seed_values, diverged)
    return found


def trials_of_seeds(records: Path, seeds: Sequence[int]) -> pd.DataFrame:
    """The recorded trials of these seeds, each once."""
    trials = read_trials(records)
    return trials[trials["seed"].isin(seeds)].drop_duplicates(["key", "seed"], ignore_index=True)


def curve_measures(records: Path, trials: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Wobble and steps to the target of each trial; a diverged one has the worst values of the finished ones."""
    from analysis.measures import first_arrival, target_error, wobble

    parts = [p.with_name(p.name.replace("trials-", "curves-", 1)) for p in sorted(records.glob("trials-*.parquet"))]
    curves = pd.concat([read_table(part) for part in parts]).drop_duplicates(["key", "seed", "step"])
    by_trial = {trial: rows.sort_values("step") for trial, rows in curves.groupby(["key", "seed"])}
    own = [rows[PROBE_NEAR].to_numpy() for (key, _), rows in by_trial.items() if key == baseline]
    if not own:
        return pd.DataFrame(columns=["wobble", "time_to_target"])
    target, measured = target_error(own), {}
    for key, seed, status in trials[["key", "seed", "status"]].itertuples(index=False):
        rows = by_trial[key, seed]
        steps, errors = rows["step"].to_numpy(float), rows[PROBE_NEAR].to_numpy(float)
        diverged = status == "diverged"
        arrival = steps[-1] if diverged else min(first_arrival(steps, errors, target), steps[-1])
        measured[key, seed] = {"wobble": np.nan if diverged else wobble(errors), "time_to_target": arrival}
    table = pd.DataFrame.from_dict(measured, orient="index").rename_axis(["key", "seed"])
    worst = table["wobble"].replace(np.inf, np.nan).max()
    return table.assign(wobble=table["wobble"].replace(np.inf, np.nan).fillna(1.0 if np.isnan(worst) else worst))
