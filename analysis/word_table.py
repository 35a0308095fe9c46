"""The table of words: each fix alone, its near and far error as ratios to the baseline's, its word so far, its seeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.deciding import settling
from analysis.formatting import name_of
from analysis.judge import fix_words
from analysis.rules import OPEN
from analysis.statements import error
from analysis.study import Study, StudyError, load

HEADER = ["fix", "name", "word", "near error", "far error", "seeds"]


@dataclass(frozen=True)
class Words:
    """The words on the fixes of a study so far.

    rows:  one for each fix that is trained alone
    notes: what is unfinished of the study, and what would settle the fixes that are open, a line each
    """

    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def words_of(study: Study) -> Words:
    """The words of a study. Raises StudyError: not one seed is complete."""
    fixes = [fix for fix in fix_words(study) if fix["key"]]
    still_open = [fix for fix in fixes if fix["verdict"] == OPEN and fix["same_as"] is None]
    settled = "; ".join(f"{fix['id']}: {settling(fix)}" for fix in still_open if fix["n"] in study.looks)
    return Words([_row(fix) for fix in fixes], [study.part] * bool(study.part) + [f"open: {settled}"] * bool(settled))


def _row(fix: dict[str, Any]) -> list[str]:
    """The same training as the baseline needs no seeds."""
    seeds = "-" if fix["same_as"] == "baseline" else str(fix["n"])
    return [fix["id"], name_of(fix), fix["verdict"], error(fix, "near"), error(fix, "far"), seeds]


def words_so_far(study_dir: Path) -> Words:
    """The words of the study in a folder; none before a seed is complete, or where the study trains no fix alone."""
    try:
        return words_of(load(study_dir))
    except StudyError:
        return Words()
