"""Comparison of two studies, such as CPU and GPU: which verdicts agree, and which gains have the same sign."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.formatting import interval, signed
from analysis.judge import verdicts
from analysis.plots import draw_comparison
from analysis.regime import is_early, said, why_early
from analysis.report import sentences
from analysis.study import Study, load
from analysis.two_studies import SIDES, SharedFix, shared_fixes


def comparison(first_dir: Path | str, second_dir: Path | str) -> str:
    """Compare two complete studies, write report/compare-OTHER.md and .png into the first, and return the Markdown.

    Raises:
        StudyError: a study is broken or incomplete.
    """
    studies = load(first_dir), load(second_dir)
    judged = [verdicts(study) for study in studies]
    found = shared_fixes(*judged)
    folder = studies[0].folder / "report"
    folder.mkdir(exist_ok=True)
    names = study_names(studies)
    stem = f"compare-{studies[1].folder.resolve().name}"
    early = any(map(is_early, judged))
    (folder / f"{stem}.png").write_bytes(draw_comparison(names[0], names[1], found, early))
    text = markdown(studies, judged, found) + f"\n![gains in both studies]({stem}.png)\n"
    (folder / f"{stem}.md").write_text(text, encoding="utf-8")
    return text + f"\nwritten to {folder / stem}.md and .png"


def markdown(studies: tuple[Study, Study], judged: list[dict[str, Any]], found: list[SharedFix]) -> str:
    """The agreement, then a line per fix and per promise."""
    names = study_names(studies)
    lines = [f"## {names[0]} against {names[1]}", "", agreement_sentence(found), ""]
    for name, one in zip(names, judged, strict=True):
        lines += [f"* {name} is early, so nothing is to be concluded from it: {why_early(one)}."] if is_early(one) else []
    lines += [
        f"* {name}: {sentences.measured_on(study)} {study.seeds_in_words}." for name, study in zip(names, studies, strict=True)
    ]
    lines += [
        "",
        f"| fix | near gain, {names[0]} | near gain, {names[1]} | far gain, {names[0]} | far gain, {names[1]} | verdicts |",
    ]
    lines.append("|---|---|---|---|---|---|")
    for pair in found:
        gains = [pair.first["near"], pair.second["near"], pair.first["far"], pair.second["far"]]
        cells = [f"{signed(gain['estimate'])} {interval(gain)}" for gain in gains]
        words = [said(one, entry["verdict"]) for one, entry in zip(judged, (pair.first, pair.second), strict=True)]
        both = words[0] if words[0] == words[1] else f"**{words[0]} / {words[1]}**"
        lines.append("| " + " | ".join([f"{pair.id} {pair.name}", *cells, both]) + " |")
    return "\n".join(lines + _promises(judged, names)) + "\n"


def agreement_sentence(found: list[SharedFix]) -> str:
    """How many verdicts agree; and how many of the gains that are sure in both studies have the same sign, and which not."""
    same = sum(pair.same_verdict for pair in found)
    sure = [(pair, side) for pair in found for side in SIDES if pair.sure(side)]
    against = [f"{side} error of {pair.id}" for pair, side in sure if not pair.same_sign(side)]
    text = f"{same} of {len(found)} verdicts agree. Of {len(sure)} gains (near and far) whose interval excludes zero "
    text += f"in both, {len(sure) - len(against)} have the same sign"
    return f"{text}; opposite signs: {', '.join(against)}." if against else f"{text}."


def _promises(judged: list[dict[str, Any]], names: tuple[str, str]) -> list[str]:
    """A table of the promises that both studies judge; no line if there are none."""
    first, second = ({entry["promise"]: entry for entry in each["promises"]} for each in judged)
    both = [(first[name], second[name]) for name in first if name in second]
    cells = [
        [one["asked"], *(f"{sentences.promise_estimate(entry)}: {entry['verdict']}" for entry in (one, other))]
        for one, other in both
    ]
    head = ["", f"| promise | {names[0]} | {names[1]} |", "|---|---|---|"] if both else []
    return head + [f"| {' | '.join(row)} |" for row in cells]


def study_names(studies: tuple[Study, Study]) -> tuple[str, str]:
    """The names of the folders, with their parents if equal; two runs of one experiment have the same study name."""
    one, two = (study.folder.resolve() for study in studies)
    return (one.name, two.name) if one.name != two.name else (f"{one.parent.name}/{one.name}", f"{two.parent.name}/{two.name}")
