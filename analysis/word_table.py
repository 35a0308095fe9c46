"""The table of words: each fix alone, its near and far error as ratios to the baseline's, its word so far, its seeds."""

from __future__ import annotations

from pathlib import Path

from analysis.formatting import ratio
from analysis.judge import fix_words
from analysis.study import Study, StudyError, load

HEADER = ["fix", "name", "word", "near error", "far error", "seeds"]


def word_rows(study: Study) -> list[list[str]]:
    """A row for each fix that the study trains alone; the same training as the baseline needs no seeds.

    Raises:
        StudyError: not one seed is complete.
    """
    rows = []
    for fix in fix_words(study):
        if fix["key"]:
            proved = fix["same_as"] == "baseline"
            numbers = ["1 (proved)"] * 2 + ["-"] if proved else [ratio(fix["near"]), ratio(fix["far"]), str(fix["n"])]
            rows.append([fix["id"], fix["name"], fix["verdict"], *numbers])
    return rows


def words_so_far(study_dir: Path) -> tuple[list[list[str]], str]:
    """The rows of the study in a folder, and what is unfinished of it, as text; no rows before a seed is complete, or where the
    study trains no fix alone."""
    try:
        study = load(study_dir)
        return word_rows(study), study.part
    except StudyError:
        return [], ""
