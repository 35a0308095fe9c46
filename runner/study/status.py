"""What a run that was stopped can be judged by: the largest part of its plan that is complete and balanced."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from runner.experiment.plan import Plan
from runner.records.fingerprint import stale, what_changed
from runner.records.tables import keys_and_seeds, read_trials


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
    trials, table = read_trials(folder / "records"), plan.table()
    if not len(trials):
        return ""
    outdated = stale(trials, table)
    line = f"in {folder}: {len(keys_and_seeds(trials[~outdated]))} trials are there"
    if changed := what_changed(trials, table):
        line += (
            f"; {outdated.sum()} records are of other code or frames (changed: {', '.join(changed)}) and would be trained anew"
        )
    return line
