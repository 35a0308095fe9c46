"""Each issue's own symptom for the baseline and for each of its fixes: does a fix cure what it is for?"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from analysis.comparisons import Rulers
from analysis.promises import READINGS
from analysis.study import Study

if TYPE_CHECKING:
    import pandas as pd

TRAINED = {6: "bn_gap"}  # symptoms that only training shows, and where the records keep them
CHANGED = 0.01  # relative; a smaller change is none


def symptom_table(study: Study) -> pd.DataFrame:
    """The study's symptoms with the values that come from training filled in, and `moves` (see below)."""
    rulers = Rulers.of(study)
    rows = study.symptoms.to_dict("records")
    for row in rows:
        row["fix"] = row["fix"] or ""
        if math.isnan(row["value"]):
            row["value"] = _from_training(rulers, row["issue"], row["fix"], row["key"])
    before = {row["issue"]: row["value"] for row in rows if row["fix"] == ""}
    for row in rows:
        row["moves"] = moves(row["cured"], before.get(row["issue"], math.nan), row["value"]) if row["fix"] else "start"
    import pandas as pd

    return pd.DataFrame(rows)


def moves(cured: str, before: float, value: float) -> str:
    """Where a value moves, against what the issue calls cured: "eases", "worsens", "no change", or "no direction"."""
    number = re.search(r"[\d.]+", cured)
    if not (math.isfinite(before) and math.isfinite(value)):
        return "unknown"
    if not number and not cured.startswith(("small", "below")):
        return "no direction"
    aim = float(number.group()) if number else 0.0
    floor = aim if cured.startswith("at most") else -math.inf  # below "at most" all is well
    distance, distance_before = abs(max(value, floor) - aim), abs(max(before, floor) - aim)
    if abs(distance - distance_before) <= CHANGED * max(abs(before - aim), abs(value - aim)):
        return "no change"
    return "eases" if distance < distance_before else "worsens"


def _from_training(rulers: Rulers, issue: int, fix: str, key: str | None) -> float:
    if key not in rulers.table.index:
        return math.nan
    column = f"agree_{READINGS.get(fix, 'loss')}" if issue == 7 else TRAINED.get(issue, "")
    if column not in rulers.table:
        return math.nan
    values = rulers.values(column, str(key))
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan
