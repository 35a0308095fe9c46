"""What a run that was stopped can be judged by: the largest part of its plan that is complete and balanced."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd


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
