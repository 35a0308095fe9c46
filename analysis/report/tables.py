"""Tables for papers, pull requests and other programs: each fix in CSV, LaTeX and Markdown, and each trial in CSV."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.files import own_folder, write_whole
from analysis.formatting import name_of
from analysis.judge import verdicts
from analysis.regime import is_early, said
from analysis.report.compare import Table, markdown_table
from analysis.rulers import RULERS
from analysis.rules import trained_alone
from analysis.statements import error, place, why
from analysis.study import Study, load

if TYPE_CHECKING:
    import pandas as pd

RATIOS = {"near": "near error", "far": "far error", "curve": "near error, to that of the near-weight curve at its far error"}
#: Column of table.csv -> what it holds.
FIX_COLUMNS = {
    "study": "name of the study",
    "fix": "id of the fix, trained alone; as text: a spreadsheet may read `1-2` as a date",
    "name": "name of the fix",
    "issue": "number of its issue",
    "word": "adopt, harmful, trade, open or no effect",
    "early": "true: nothing is to be concluded from the study yet, whatever the word",
    **{
        f"{side}{end}": text
        for side, what in RATIOS.items()
        for end, text in (
            ("_ratio", f"{what}: ratio to the baseline's" if side != "curve" else f"{what}: ratio"),
            ("_low", "lower end of its interval"),
            ("_high", "upper end of its interval"),
        )
    },
    "confidence": "of these intervals, which tell whether an error is lower or higher",
    "seeds": "number of paired seeds",
    "diverged": "number of them that diverge",
    "same_as": "the fix (or `baseline`) that is provably the same training; else empty",
    "holds": "number of repeats without one seed in which the word stays",
    "place": "where it lies beside the near weights, if its word rests on that",
    "reason": "of the word",
}
SIDES = {"near": "pixels under 1 m", "far": "pixels from 1 m on", "": "all pixels"}
KINDS = {"final": "of the trained network", "trivial": "of one depth everywhere, the training median"}
#: Column of trials.csv -> what it holds.
TRIAL_COLUMNS = {
    "study": "name of the study",
    "cell": "first cell of the plan that is this configuration",
    "cells": "all cells that are, separated by semicolons: what is provably the same is trained once",
    "fixes": "ids of its fixes, separated by spaces; empty: the loss as it is",
    "numbers": "numbers of the loss that differ from the study's, as JSON",
    "seed": "of initial weights, order of batches, scenes",
    "status": "finished or diverged",
    "diverged_step": "step from which on nothing was learnt; else empty",
    "steps": "optimiser steps",
    "seconds": "of its group's training, shared equally",
    **{
        "_".join(filter(None, (kind, side, ruler))): f"{name}, {where}, {whose}"
        for kind, whose in KINDS.items()
        for side, where in SIDES.items()
        for ruler, name in RULERS.items()
    },
}
HEADER = ["fix", "name", "near error", "far error", "word", "seeds"]
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins so is run by spreadsheets
SYMBOLS = {"×": r"$\times$", "∞": r"$\infty$", "–": "--"}


def write_tables(study_dir: Path | str) -> list[Path]:
    """Write table.csv, table.tex, table.md and trials.csv into the study's report folder; gives their paths.

    Raises:
        StudyError: the study is broken, or not one seed is complete; nothing is written.
    """
    study = load(study_dir)
    judged = verdicts(study)
    texts = {
        "table.csv": csv(fix_table(judged)),
        "table.tex": latex(judged),
        "table.md": "\n".join(markdown_table(Table(HEADER, words(judged)))) + "\n",
        "trials.csv": csv(trial_table(study)),
    }
    folder = own_folder(study.folder / "report")
    return [write_whole(folder / name, text) for name, text in texts.items()]


def fix_table(judged: dict[str, Any]) -> pd.DataFrame:
    """A row for each fix that was trained alone, the columns of `FIX_COLUMNS`."""
    import pandas as pd

    return pd.DataFrame([_fix(judged, fix) for fix in trained_alone(judged)], columns=list(FIX_COLUMNS))


def _fix(judged: dict[str, Any], fix: dict[str, Any]) -> dict[str, Any]:
    equal, held = fix["same_as"] == "baseline", fix["support"]
    curve = None if equal else fix["beyond_near_weight_curve"]
    gains = {"near": fix["near"], "far": fix["far"], "curve": curve}
    return {
        "study": judged["study"],
        **{key: fix[key] for key in ("name", "issue", "same_as")},
        "fix": fix["id"],
        "word": fix["verdict"],
        "early": is_early(judged),
        **{f"{side}{end}": value for side, gain in gains.items() if gain for end, value in _ratios(gain, equal).items()},
        "confidence": fix["near"]["level"],
        "seeds": fix["n"],
        "diverged": fix["divergence"]["diverged"],
        "holds": held and held["holds"],
        "place": place(fix),
        "reason": why(fix),
    }


def _ratios(gain: dict[str, Any], equal: bool) -> dict[str, float]:
    """exp(-gain): the lower end of the ratio is the upper end of the gain."""
    ends = {"_ratio": "estimate", "_low": "high", "_high": "low"}
    return {end: 1.0 if equal else math.exp(min(-gain[name], 700.0)) for end, name in ends.items()}


def trial_table(study: Study) -> pd.DataFrame:
    """A row for each trial, the columns of `TRIAL_COLUMNS`."""
    plan = study.plan.dropna(subset=["key"]).assign(cell=lambda table: table["cell"].str.removeprefix("+"))
    first = plan.drop_duplicates("key").set_index("key")[["cell", "fixes", "numbers"]]
    every = plan.groupby("key")["cell"].agg("; ".join).rename("cells")
    found = study.trials.join(first, on="key").join(every, on="key").assign(study=study.name)
    return found.reindex(columns=list(TRIAL_COLUMNS)).sort_values(["cell", "seed"], ignore_index=True)


def words(judged: dict[str, Any]) -> list[list[str]]:
    """The rows under `HEADER`."""
    return [
        [fix["id"], name_of(fix), error(fix, "near"), error(fix, "far"), said(judged, fix["verdict"]), str(fix["n"])]
        for fix in trained_alone(judged)
    ]


def csv(table: pd.DataFrame) -> str:
    """The table as CSV; text that a spreadsheet would run as a formula stays text, behind an apostrophe."""
    return str(
        table.map(lambda cell: _as_text(cell) if isinstance(cell, str) else cell).to_csv(index=False, float_format="%.6g")
    )


def _as_text(cell: str) -> str:
    """
    >>> _as_text("=1+1"), _as_text("1-1")
    ("'=1+1", '1-1')
    """
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def latex(judged: dict[str, Any]) -> str:
    """The table with booktabs' rules."""
    import pandas as pd

    rows = [[" ".join(cell.split()) for cell in row] for row in words(judged)]
    text = str(pd.DataFrame(rows, columns=HEADER).to_latex(index=False, escape=True, column_format="llllll"))
    for symbol, command in SYMBOLS.items():
        text = text.replace(symbol, command)
    return text
