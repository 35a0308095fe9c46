"""Several studies side by side: do the verdicts of the first last elsewhere, longer, on other data, with other networks?"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from analysis.agreement import SIDES, Agreement, SharedFix, agreement, every_fix, shared_fixes
from analysis.differences import difference_sentence
from analysis.files import own_folder, write_whole
from analysis.formatting import ratio
from analysis.judge import verdicts
from analysis.plots import draw_comparison
from analysis.pooling import Pooled, pool, pooled_studies
from analysis.regime import is_early, why_early
from analysis.statements import UNKNOWN, error, promise_estimate
from analysis.study import StudyError, load

LONGEST_NAME = 200  # bytes of a file's name, below the 255 of most file systems
LEGEND = (
    "Near, far: the error as a ratio to the baseline's (×0.94: 6 % lower), with the interval that decides in its study; below "
    "1 is better. Together: whether the words agree, and the error of all studies pooled (random effects, 95 %), unless the "
    "studies differ (Welch's test, p < 0.05)."
)


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; the first column names the row. Every `group` rows belong together, under their first."""

    header: list[str]
    rows: list[list[str]]
    group: int = 1


@dataclass(frozen=True)
class Comparison:
    """What is printed and written: sentences before the table of fixes, sentences after it, and the promises; and the file
    without its ending, to which .md and .png are added."""

    title: str
    before: list[str]
    fixes: Table
    after: list[str]
    promises: Table | None
    path: Path


def comparison(first: Path | str, others: Sequence[Path | str]) -> Comparison:
    """Compare a complete study with others, and write the comparison as Markdown and PNG into the first study's report folder.

    Raises:
        StudyError: a study is given twice, is broken or incomplete, or no fix was trained alone in two of them.
    """
    studies = [load(folder) for folder in _once([Path(first), *map(Path, others)])]
    judged = [verdicts(study) for study in studies]
    found = shared_fixes(judged)
    if not found:
        raise StudyError(
            f"{', '.join(str(study.folder) for study in studies)}: no fix was trained alone in two of these studies"
        )
    names = study_names([study.folder for study in studies])
    early = [is_early(own) for own in judged]
    chosen, why_not = pooled_studies(studies, names, early)
    pooled = [_pooled(fix, chosen) for fix in found]
    columns = [f"{name} (early)" if mark else name for name, mark in zip(names, early, strict=True)]
    result = Comparison(
        title=f"{names[0]} against {', '.join(names[1:])}",
        before=[difference_sentence(studies, names)],
        fixes=Table(["fix", *columns, "together"], _fix_rows(found, pooled), 1 + len(SIDES)),
        after=[
            *(agreement_sentence(names[0], name, agreement(found, at)) for at, name in enumerate(names[1:], 1)),
            *(
                f"{name} is early, so nothing is to be concluded from it: {why_early(own)}."
                for name, own in zip(names, judged, strict=True)
                if is_early(own)
            ),
            *filter(None, [LEGEND, why_not, *_not_shown(judged, names)]),
        ],
        promises=_promises(judged, columns),
        path=studies[0].folder / "report" / file_stem([study.folder for study in studies]),
    )
    _write(result, draw_comparison(columns, found, pooled))
    return result


def _once(folders: Sequence[Path]) -> Sequence[Path]:
    """The folders; a StudyError if two of them are the same."""
    known: dict[Path, Path] = {}
    for folder in folders:
        if (same := known.setdefault(folder.resolve(), folder)) is not folder:
            both = str(folder) if str(folder) == str(same) else f"{same} and {folder}, which are one study,"
            raise StudyError(f"{both} given twice: a study is compared with others, each given once")
    return folders


def _pooled(fix: SharedFix, chosen: Sequence[int]) -> dict[str, Pooled | None]:
    """Side -> the gain of the chosen studies that have the fix, pooled."""
    entries = [entry for at in chosen if (entry := fix.entries[at])]
    return {side: pool([entry[side]["values"] for entry in entries]) for side in SIDES}


def _fix_rows(found: Sequence[SharedFix], pooled: Sequence[dict[str, Pooled | None]]) -> list[list[str]]:
    """Three rows for each fix: the words, the near errors, the far errors."""
    rows = []
    for fix, together in zip(found, pooled, strict=True):
        rows.append([f"{fix.id} {fix.name}", *(entry["verdict"] if entry else UNKNOWN for entry in fix.entries), fix.together])
        for side in SIDES:
            rows.append([side, *(_error(entry, side) for entry in fix.entries), _pooled_text(together[side])])
    return rows


def _error(entry: dict[str, Any] | None, side: str) -> str:
    return UNKNOWN if entry is None else error(entry, side)


def _pooled_text(found: Pooled | None) -> str:
    return UNKNOWN if found is None else "studies differ" if found.differs else ratio(found.as_dict())


def agreement_sentence(first: str, other: str, found: Agreement) -> str:
    """How many words, signs and ranks of one study agree with those of the first."""
    turned = f" ({', '.join(found.opposite)})" if found.opposite else ""
    against = f"; not {', '.join(found.against)}" if found.against else ""
    ranks = ", ".join(f"{side} {_rank(*found.ranks[side])}" for side in SIDES)
    words = f"{found.equal} with the same word and {len(found.opposite)} with the opposite{turned}"
    signs = f"{found.sure - len(found.against)} with the same sign{against}"
    return (
        f"{other} against {first}: of {found.fixes} fixes {found.decided} decided in both, {words}; of {found.sure} gains sure "
        f"in both (near and far, interval without zero) {signs}; rank correlation of the gains (Spearman): {ranks}."
    )


def _rank(correlation: float, fixes: int) -> str:
    """
    >>> _rank(0.874, 12), _rank(math.nan, 2)
    ('0.87 (12 fixes)', 'not defined (2 fixes)')
    """
    said = "not defined" if math.isnan(correlation) else f"{correlation:.2f}".replace("-", "−")
    return f"{said} ({fixes} fix{'es' * (fixes != 1)})"


def _not_shown(judged: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    """Which fixes are not in the table, and why."""
    every = every_fix(judged)
    repeats = [fix.id for fix in every if len(fix.words) > 1 and fix.repeats_everywhere]
    lines = [f"Not shown, in every study the training of the baseline or of another fix: {', '.join(repeats)}."] * bool(repeats)
    alone: dict[str, list[str]] = {}
    for fix in every:
        if len(fix.words) == 1:
            name = next(name for name, entry in zip(names, fix.entries, strict=True) if entry)
            alone.setdefault(name, []).append(fix.id)
    return [*lines, *(f"In {name} alone: {', '.join(ids)}." for name, ids in alone.items())]


def _promises(judged: Sequence[dict[str, Any]], columns: Sequence[str]) -> Table | None:
    """The promises that at least two studies judge; None if there are none."""
    every = [{entry["asked"]: entry for entry in own["promises"]} for own in judged]
    asked = dict.fromkeys(text for own in every for text in own)
    rows = [[text, *(_promise(own.get(text)) for own in every)] for text in asked if sum(text in own for own in every) > 1]
    return Table(["promise", *columns], rows) if rows else None


def _promise(entry: dict[str, Any] | None) -> str:
    return f"{entry['verdict']}: {promise_estimate(entry)}" if entry else UNKNOWN


def study_names(folders: Sequence[Path]) -> list[str]:
    """The folders' names, all of them with as many of their parents as tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-length:]) for own in parts]
        if len(set(names)) == len(names):
            break
    return names


def file_stem(folders: Sequence[Path]) -> str:
    """The comparison's file without its ending: `compare-B` or `compare-B+C`, of the folders as seen from beside the first.

    Other studies give other names: what is not a plain letter of a path is quoted. A name that is too long is a hash of it.
    """
    beside = folders[0].resolve().parent
    stem = "compare-" + "+".join(quote(os.path.relpath(folder.resolve(), beside), safe="") for folder in folders[1:])
    return stem if len(stem) <= LONGEST_NAME else f"compare-{hashlib.sha256(stem.encode()).hexdigest()[:16]}"


def _write(result: Comparison, png: bytes) -> None:
    own_folder(result.path.parent)
    write_whole(Path(f"{result.path}.png"), png)
    write_whole(Path(f"{result.path}.md"), markdown(result))


def markdown(result: Comparison) -> str:
    """The comparison as Markdown; its text is text, whatever the studies call their fixes."""
    lines = [f"## {_plain(result.title)}", ""]
    lines += [text for sentence in result.before for text in (_plain(sentence), "")]
    lines += [*markdown_table(result.fixes), ""]
    lines += [f"* {_plain(sentence)}" for sentence in result.after]
    if result.promises:
        lines += ["", *markdown_table(result.promises)]
    return "\n".join(lines) + f"\n\n![error of each fix in each study]({quote(result.path.name)}.png)\n"


def markdown_table(table: Table) -> list[str]:
    """The lines of a table; its text is text."""
    body = [[_plain(cell) for cell in row] for row in table.rows]
    for row in body[:: table.group]:
        row[0] = f"**{row[0]}**"
    rows = [list(map(_plain, table.header)), ["---"] * len(table.header), *body]
    return [f"| {' | '.join(row)} |" for row in rows]


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
