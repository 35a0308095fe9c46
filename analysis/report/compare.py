"""Two studies side by side (synthetic and real, CPU and GPU): which verdicts agree, and which gains have the same sign."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.agreement import SIDES, Pair, pairs
from analysis.formatting import interval, signed
from analysis.judge import verdicts
from analysis.report import sentences
from analysis.study import Study, load


def comparison(first_dir: Path | str, second_dir: Path | str) -> str:
    """Compare two complete studies; writes report/compare-OTHER.md and .png into the first, and gives the Markdown."""
    from analysis.plots.compare import draw

    studies = load(first_dir), load(second_dir)
    judged = [verdicts(study) for study in studies]
    found = pairs(*judged)
    folder = studies[0].folder / "report"
    folder.mkdir(exist_ok=True)
    names = labels(studies)
    stem = f"compare-{studies[1].folder.resolve().name}"
    (folder / f"{stem}.png").write_bytes(draw(names[0], names[1], found))
    text = markdown(studies, judged, found) + f"\n![gains in both studies]({stem}.png)\n"
    (folder / f"{stem}.md").write_text(text, encoding="utf-8")
    return text + f"\nkept as {folder / stem}.md and .png"


def markdown(studies: tuple[Study, Study], judged: list[dict[str, Any]], found: list[Pair]) -> str:
    """The answer, then a line per fix."""
    names = labels(studies)
    lines = [f"## {names[0]} against {names[1]}", "", answer(found), ""]
    lines += [
        f"* {name}: {sentences.ground(study)} {study.seeds_in_words}." for name, study in zip(names, studies, strict=True)
    ]
    lines += [
        "",
        f"| fix | near gain, {names[0]} | near gain, {names[1]} | far gain, {names[0]} | far gain, {names[1]} | verdicts |",
    ]
    lines.append("|---|---|---|---|---|---|")
    for pair in found:
        gains = [pair.first["near"], pair.second["near"], pair.first["far"], pair.second["far"]]
        cells = [f"{signed(gain['estimate'])} {interval(gain)}" for gain in gains]
        said = pair.first["verdict"] if pair.same_word else f"**{pair.first['verdict']} / {pair.second['verdict']}**"
        lines.append("| " + " | ".join([f"{pair.id} {pair.name}", *cells, said]) + " |")
    return "\n".join(lines + _promises(judged, names)) + "\n"


def answer(found: list[Pair]) -> str:
    """How many verdicts agree; of the gains sure in both, how many have the same sign, and which have not."""
    same = sum(pair.same_word for pair in found)
    sure = [(pair, side) for pair in found for side in SIDES if pair.sure(side)]
    against = [f"{side} error of {pair.id}" for pair, side in sure if not pair.same_sign(side)]
    text = (
        f"{same} of {len(found)} verdicts are the same word. Of {len(sure)} gains (near and far) whose interval excludes zero "
    )
    text += f"in both, {len(sure) - len(against)} have the same sign"
    return f"{text}; not: {', '.join(against)}." if against else f"{text}."


def _promises(judged: list[dict[str, Any]], names: tuple[str, str]) -> list[str]:
    """A line per promise that both studies judge, under a heading."""
    first, second = ({entry["promise"]: entry for entry in each["promises"]} for each in judged)
    both = [(first[name], second[name]) for name in first if name in second]
    cells = [
        [one["asked"], *(f"{sentences.measured(entry)}: {entry['verdict']}" for entry in (one, other))] for one, other in both
    ]
    head = ["", f"| promise | {names[0]} | {names[1]} |", "|---|---|---|"] if both else []
    return head + [f"| {' | '.join(row)} |" for row in cells]


def labels(studies: tuple[Study, Study]) -> tuple[str, str]:
    """The folders' names, which tell two runs of one experiment apart; with their parents where they are the same."""
    one, two = (study.folder.resolve() for study in studies)
    return (one.name, two.name) if one.name != two.name else (f"{one.parent.name}/{one.name}", f"{two.parent.name}/{two.name}")


def answered(entry: dict[str, Any]) -> str:
    """What was measured of a promise, and its verdict."""
    return f"{sentences.measured(entry)}: {entry['verdict']}"
