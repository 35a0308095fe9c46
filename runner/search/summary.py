"""What a search says of itself: its best at the end of a run, its note in the dashboard."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from runner.experiment import Experiment
from runner.search.objectives import NAMES
from runner.search.space import Space


def best_lines(best: Sequence[Any], steadiest: Any, objectives: Sequence[str], seeds: int) -> list[str]:
    """The best cell, or the Pareto front, a line each; what was chosen for its value looks better than it is.

    Args:
        best: Optuna's trials.
        steadiest: the trial that the main effects of all cells speak for, or None.
    """
    if not best:
        return []
    few = "the best of the search" if len(objectives) == 1 else f"the Pareto front, {len(best)} cells"
    lines = [f"{few} (geometric means over {seeds} seeds; picked for its luck too: confirm it on fresh seeds)"]
    lines += [trial_line(trial, objectives) for trial in best]
    if steadiest is not None:
        lines += [
            "the one of them all that the fixes' main effects over all cells speak for",
            trial_line(steadiest, objectives),
        ]
    return lines


def trial_line(trial: Any, objectives: Sequence[str]) -> str:
    """A cell and what it came to."""
    attrs = trial.user_attrs
    numbers = "".join(f", {name} {value:g}" for name, value in attrs["numbers"].items())
    values = ", ".join(f"{NAMES[o]} {value:.4g}" for o, value in zip(objectives, trial.values, strict=True))
    return f"  {attrs['cell']}: {attrs['fixes'] or 'no fixes'}{numbers}: {values}"


def size_line(experiment: Experiment, space: Space) -> str:
    """How large the space is."""
    numbers = [f"{name} {low:g} to {high:g}" for name, (low, high) in space.numbers.items()]
    rates = [f"{len(space.rates)} learning rates"] if space.rates else []
    return ", ".join([f"{space.combinations} combinations of fixes (those that clash included)", *numbers, *rates])


def note_text(experiment: Experiment, space: Space) -> str:
    """What the study is, for whoever opens it in a year."""
    assert experiment.design.optuna is not None
    data, settings, search = experiment.data, experiment.training, experiment.design.optuna
    frames = f"frames of {data.folder}" if data.folder else f"{data.train} procedural scenes"
    goals = " and ".join(NAMES[objective] for objective in search.objectives)
    return (
        f"**{experiment.name}**: a search over fixes of a near-field-weighted depth loss ({size_line(experiment, space)}) for "
        f"the smallest {goals}, by {search.sampler}. Every cell is trained with all of the seeds "
        f"{', '.join(map(str, experiment.seeds))} for {settings.steps} steps of batch {settings.batch} on {frames} "
        f"({data.height}x{data.width}); a value is the geometric mean over the seeds. A diverged training counts as the worst "
        "that finished. The study's records are the truth; this is a view of them."
    )


COLUMNS = ("cell", "design", "fixes", "numbers", "key", "status", "same_as", "reason")


def plan_rows(trials: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """The plan's table from what the search's trials say of their cells, in their order.

    The first trial of each key is trained, later ones are the same as it. A cell that was given up after its first seeds has
    no key: there is nothing complete to compare it by.
    """
    first: dict[str, str] = {}
    rows = []
    for facts in trials:
        key, cell = facts["key"], facts["cell"]
        design = "baseline" if cell == "baseline" else "warm start" if "from" in facts else "optuna"
        row = {"cell": cell, "design": design, "fixes": facts["fixes"], "numbers": json.dumps(facts["numbers"], sort_keys=True)}
        known = first.setdefault(key, cell)
        if facts.get("pruned"):
            reason = "worse than the best on its first seeds"
            rows.append({**row, "key": None, "status": "pruned", "same_as": None, "reason": reason})
        elif known == cell and key not in {done["key"] for done in rows}:
            rows.append({**row, "key": key, "status": "trained", "same_as": None, "reason": ""})
        else:
            name = cell if cell != known else f"{cell} again"
            rows.append({**row, "cell": name, "key": key, "status": "same as", "same_as": known, "reason": "the same words"})
    return pd.DataFrame(rows, columns=list(COLUMNS))
