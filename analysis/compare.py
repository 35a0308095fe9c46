"""Two studies side by side (synthetic and real, CPU and GPU): which verdicts agree, and which gains have the same sign."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis import words
from analysis.load import Study, load
from analysis.rules import alone
from analysis.verdicts import verdicts

SIDES = ("near", "far")


@dataclass(frozen=True)
class Pair:
    """One fix in both studies."""

    id: str
    name: str
    first: dict[str, Any]
    second: dict[str, Any]

    @property
    def same_word(self) -> bool:
        return bool(self.first["verdict"] == self.second["verdict"])

    def sure(self, side: str) -> bool:
        """The interval excludes zero in both studies."""
        return all(entry[side]["low"] > 0 or entry[side]["high"] < 0 for entry in (self.first, self.second))

    def same_sign(self, side: str) -> bool:
        return bool(self.first[side]["estimate"] * self.second[side]["estimate"] > 0)


def pairs(first: dict[str, Any], second: dict[str, Any]) -> list[Pair]:
    """The fixes that both studies trained, in the document's order; a fix that repeats another's training counts once."""
    known = {fix["id"]: fix for fix in alone(second)}
    both = [fix for fix in alone(first) if fix["id"] in known]
    return [
        Pair(fix["id"], fix["name"], fix, known[fix["id"]])
        for fix in both
        if not (fix["same_as"] and known[fix["id"]]["same_as"])
    ]


def comparison(first_dir: Path | str, second_dir: Path | str) -> str:
    """Compare two complete studies; writes report/compare-OTHER.md and .png into the first, and gives the Markdown."""
    from analysis.plots_compare import draw

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
    lines += [f"* {name}: {words.ground(study)} {study.seeds_in_words}." for name, study in zip(names, studies, strict=True)]
    lines += [
        "",
        f"| fix | near gain, {names[0]} | near gain, {names[1]} | far gain, {names[0]} | far gain, {names[1]} | verdicts |",
    ]
    lines.append("|---|---|---|---|---|---|")
    for pair in found:
        gains = [pair.first["near"], pair.second["near"], pair.first["far"], pair.second["far"]]
        cells = [f"{words.signed(gain['estimate'])} {words.interval(gain)}" for gain in gains]
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
    cells = [[one["asked"], *(f"{words.measured(entry)}: {entry['verdict']}" for entry in (one, other))] for one, other in both]
    head = ["", f"| promise | {names[0]} | {names[1]} |", "|---|---|---|"] if both else []
    return head + [f"| {' | '.join(row)} |" for row in cells]


def labels(studies: tuple[Study, Study]) -> tuple[str, str]:
    """The folders' names, which tell two runs of one experiment apart; with their parents where they are the same."""
    one, two = (study.folder.resolve() for study in studies)
    return (one.name, two.name) if one.name != two.name else (f"{one.parent.name}/{one.name}", f"{two.parent.name}/{two.name}")
