"""The symptom of each issue, for the baseline and for each fix: does a fix improve what it was made for?"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from analysis.comparisons import MeasuredStudy, known_mean
from analysis.promises import LOGGED_SERIES
from analysis.study import Study

if TYPE_CHECKING:
    import pandas as pd

TRAINED = {6: "bn_gap"}  # issue -> column of the records, for a symptom that needs training
CHANGED = 0.01  # relative; a smaller change counts as no change


def symptom_table(study: Study) -> pd.DataFrame:
    """The study's symptoms with the values from training filled in, and the column `change`."""
    import pandas as pd

    measured = MeasuredStudy.of(study)
    rows = study.symptoms.to_dict("records")
    for row in rows:
        row["fix"] = row["fix"] or ""
        if math.isnan(row["value"]):
            row["value"] = _from_training(measured, row["issue"], row["fix"], row["key"])
    before = {row["issue"]: row["value"] for row in rows if row["fix"] == ""}
    for row in rows:
        start = before.get(row["issue"], math.nan)
        row["change"] = symptom_change(row["cured"], start, row["value"]) if row["fix"] else "start"
    return pd.DataFrame(rows)


def symptom_change(cured: str, before: float, value: float) -> str:
    """How a fix changes a symptom, given what the issue calls cured: "eases", "worsens", "no change", "no direction" (the issue
    does not say which values are good) or "unknown"."""
    number = re.search(r"[\d.]+", cured)
    if not (math.isfinite(before) and math.isfinite(value)):
        return "unknown"
    if not number and not cured.startswith(("small", "below")):
        return "no direction"
    aim = float(number.group()) if number else 0.0
    floor = aim if cured.startswith("at most") else -math.inf  # all values below are equally good
    distance, distance_before = abs(max(value, floor) - aim), abs(max(before, floor) - aim)
    if abs(distance - distance_before) <= CHANGED * max(abs(before - aim), abs(value - aim)):
        return "no change"
    return "eases" if distance < distance_before else "worsens"


def _from_training(measured: MeasuredStudy, issue: int, fix: str, key: str | None) -> float:
    if key not in measured.table.index:
        return math.nan
    column = f"agree_{LOGGED_SERIES.get(fix, 'loss')}" if issue == 7 else TRAINED.get(issue, "")
    return known_mean(measured.values(column, str(key))) if column in measured.table else math.nan
