"""plan.parquet of a search: a row per cell asked for so far, grown as the search goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pandas as pd

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
