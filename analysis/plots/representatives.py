"""The configurations in figures that show only a few: baseline, recommendation, best and worst single fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.formatting import label_of
from analysis.promises import full_key
from analysis.rules import distinct_fixes
from analysis.study import Study


@dataclass(frozen=True)
class Shown:
    """A configuration, with a label for a legend and a short one for a narrow column."""

    key: str
    label: str
    short: str


def representatives(study: Study, judged: dict[str, Any]) -> dict[str, Shown]:
    """Role ("baseline", "full", "best", "worst") -> configuration; best and worst of the distinct fixes by near error."""
    shown = {"baseline": Shown(study.baseline, "baseline", "baseline")}
    whole = full_key(study)
    if whole:
        shown["full"] = Shown(whole, "the document's whole recommendation", "recommendation")
    moving = sorted(distinct_fixes(judged), key=lambda fix: fix["estimate"])
    if len(moving) == 1:
        only = moving[0]
        shown["best"] = Shown(only["key"], f"the one fix trained alone: {label_of(only)}", only["id"])
    elif moving:
        best, worst = moving[-1], moving[0]
        shown["best"] = Shown(best["key"], f"lowest near error of one fix: {label_of(best)}", f"best: {best['id']}")
        shown["worst"] = Shown(worst["key"], f"highest near error of one fix: {label_of(worst)}", f"worst: {worst['id']}")
    return shown
