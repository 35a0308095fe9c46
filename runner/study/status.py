"""How a study stands: what is done, which part of its plan is complete, what a resumed run would find."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from runner.experiment import Plan
from runner.records import keys_and_seeds, read_table, read_trials
from runner.records.fingerprint import stale, what_changed
from runner.study.folder import read_study
from runner.study.looks import looks_of, read_looks, wanted_trials


def balanced_part(plan: pd.DataFrame, seeds: Sequence[int], done: Collection[tuple[str, int]], in_blocks: bool) -> str:
    """One line. Of a whole product, the configurations that have all their seeds (they are trained in balanced blocks, see
    `runner/execution/groups.py`); of fewer configurations, the seeds that have been through all of them.

    `plan` is the plan's table, `done` has (key, seed).
    """
    keys = list(plan.loc[plan["status"] == "trained", "key"])
    if in_blocks:
        complete = {key for key in keys if all((key, seed) in done for seed in seeds)}
        cells = int(plan["key"].isin(complete).sum())
        return (
            f"balanced part: {len(complete)} of {len(keys)} configurations with all {len(seeds)} seeds, "
            f"standing for {cells} of {len(plan)} cells"
            + ("; nfloss report judges it" if complete else "; a smaller group_size makes smaller blocks, complete sooner")
        )
    whole = [seed for seed in seeds if all((key, seed) in done for key in keys)]
    return f"balanced part: all {len(keys)} configurations with {len(whole)} of {len(seeds)} seeds"


def resumption(plan: Plan, folder: Path) -> str:
    """What a resumed run of the plan would find in its folder, in a line; empty where there is nothing."""
    trials = read_trials(folder / "records")
    if not len(trials):
        return ""
    table = plan.table()
    outdated = stale(trials, table)
    line = f"in {folder}: {len(keys_and_seeds(trials[~outdated]))} trials are there"
    if changed := what_changed(trials, table):
        line += (
            f"; {outdated.sum()} records are of other code or frames (changed: {', '.join(changed)}) and would be trained anew"
        )
    return line


def status_lines(folder: Path) -> list[str]:
    """What is done and what is missing of the study in a folder. Raises StudyError: no study there."""
    settings, cells = read_study(folder), read_table(folder / "plan.parquet")
    trials = read_trials(folder / "records", cells)
    keys, looks = list(cells.loc[cells["status"] == "trained", "key"]), looks_of(settings["experiment"])
    wanted = set(wanted_trials(keys, settings["seeds"], looks, read_looks(folder)))
    is_wanted = [trial in wanted for trial in zip(trials["key"], trials["seed"].astype(int), strict=True)]
    trials = trials[np.array(is_wanted, dtype=bool)]  # a search may have given a cell up after its first seeds
    planned, diverged = len(wanted), int((trials["status"] == "diverged").sum())
    missing = planned - len(trials)
    lines = [f"{settings['name']}: {planned} planned, {len(trials)} done, {diverged} diverged, {missing} missing"]
    if missing > 0:
        product = settings["experiment"]["design"]["cartesian"] is not None
        lines.append(balanced_part(cells, settings["seeds"][: looks[0]], keys_and_seeds(trials), product))
        for seed in dict.fromkeys(seed for _, seed in sorted(wanted, key=lambda trial: settings["seeds"].index(trial[1]))):
            lines.append(f"  seed {seed}: {int((trials['seed'] == seed).sum())} trials")
    return lines


def differing_software(folder: Path, now: Mapping[str, Any]) -> str:
    """With which other versions or processor than these columns name the records were made, as text; empty where with none."""
    trials = read_trials(folder / "records")
    before = {name: sorted(set(trials[name].dropna()), key=str) for name in now if name in trials}
    others = {name: [value for value in values if value != now[name]] for name, values in before.items()}
    parts = [f"{name} {', '.join(map(str, values))} (now {now[name]})" for name, values in others.items() if values]
    return f"trained before with {'; '.join(parts)}" if parts else ""
