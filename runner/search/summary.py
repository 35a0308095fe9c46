"""Summaries of a search: its best cells at the end of a run, its note in the dashboard, the table of its plan."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from runner.experiment import Experiment
from runner.search.objectives import OBJECTIVE_NAMES
from runner.search.space import Space


def best_lines(best: Sequence[Any], by_effects: Any, objectives: Sequence[str], seeds: int) -> list[str]:
    """The best cell, or the Pareto front, a line each; empty where there is none.

    Args:
        best: Optuna's trials.
        by_effects: the trial with the smallest error by the main effects of all, or None.
    """
    if not best:
        return []
    which = "the best of the search" if len(objectives) == 1 else f"the Pareto front, {len(best)} cells"
    lines = [f"{which} (geometric means over {seeds} seeds; chosen for values that are partly luck: confirm on fresh seeds)"]
    lines += [trial_line(trial, objectives) for trial in best]
    if by_effects is not None:
        lines += ["the best by the fixes' main effects over all cells", trial_line(by_effects, objectives)]
    return lines


def trial_line(trial: Any, objectives: Sequence[str]) -> str:
    attrs = trial.user_attrs
    numbers = "".join(f", {name} {value:g}" for name, value in attrs["numbers"].items())
    values = ", ".join(f"{OBJECTIVE_NAMES[o]} {value:.4g}" for o, value in zip(objectives, trial.values, strict=True))
    return f"  {attrs['cell']}: {attrs['fixes'] or 'no fixes'}{numbers}: {values}"


def space_size(space: Space) -> str:
    numbers = [f"{name} {low:g} to {high:g}" for name, (low, high) in space.numbers.items()]
    rates = [f"{len(space.rates)} learning rates"] if space.rates else []
    return ", ".join([f"{space.combinations} combinations of fixes (those that clash included)", *numbers, *rates])


def plain(value: Any) -> str:
    """Text for a note of the dashboard, which is Markdown with HTML: what a study says is shown as it is.

    >>> plain("<b> [a](b)")
    '&lt;b&gt; \\\\[a\\\\]\\\\(b\\\\)'
    """
    return re.sub(r"([\\`*_{}\[\]()#+!|~$])", r"\\\1", html.escape(" ".join(str(value).split()), quote=False))


def search_note(experiment: Experiment, space: Space) -> str:
    """The note that the dashboard shows for a search."""
    assert experiment.design.optuna is not None
    data, settings, search = experiment.data, experiment.training, experiment.design.optuna
    frames = f"frames of {plain(data.folder)}" if data.folder else f"{data.train} procedural scenes"
    goals = " and ".join(OBJECTIVE_NAMES[objective] for objective in search.objectives)
    return (
        f"**{experiment.name}**: a search over fixes of a near-field-weighted depth loss ({space_size(space)}) for "
        f"the smallest {goals}, by {search.sampler}. Every cell is trained with all of the seeds "
        f"{', '.join(map(str, experiment.seeds))} for {settings.steps} steps of batch {settings.batch} on {frames} "
        f"({data.height}x{data.width}); a value is the geometric mean over the seeds. A diverged training counts as the worst "
        "that finished. This is a view of the study's records."
    )


PLAN_COLUMNS = ("cell", "design", "fixes", "numbers", "key", "status", "same_as", "reason")


def plan_table(trials: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """The plan's table of a search, from `Searcher.cell_attributes`.

    The first trial of each key is trained, later ones are the same as it. A pruned cell has no key, because its records are
    incomplete and must not be compared.
    """
    first: dict[str, str] = {}
    rows = []
    for trial in trials:
        key, cell = trial["key"], trial["cell"]
        design = "baseline" if cell == "baseline" else "warm start" if "from" in trial else "optuna"
        row = {"cell": cell, "design": design, "fixes": trial["fixes"], "numbers": json.dumps(trial["numbers"], sort_keys=True)}
        known = first.setdefault(key, cell)
        if trial.get("pruned"):
            reason = "worse than the best on its first seeds"
            rows.append({**row, "key": None, "status": "pruned", "same_as": None, "reason": reason})
        elif known == cell and key not in {done["key"] for done in rows}:
            rows.append({**row, "key": key, "status": "trained", "same_as": None, "reason": ""})
        else:
            name = cell if cell != known else f"{cell} again"
            rows.append({**row, "cell": name, "key": key, "status": "same as", "same_as": known, "reason": "the same choices"})
    return pd.DataFrame(rows, columns=list(PLAN_COLUMNS))
