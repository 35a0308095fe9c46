"""The fixes that several studies share, and how far a study's words, signs and ranks agree with the first study's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.rulers import SIDES
from analysis.rules import ADOPT, HARMFUL, OPEN, trained_alone

CONTRADICTION = frozenset((ADOPT, HARMFUL))
SAME, OPPOSITE, DIFFER = "same", "opposite", "differ"
LEAST_RANKED = 3  # of two fixes the ranks agree or are reversed, whatever the studies say


@dataclass(frozen=True)
class SharedFix:
    """One fix with its entry in verdicts.json of each study; None where a study did not train it alone."""

    id: str
    name: str
    entries: tuple[dict[str, Any] | None, ...]

    @property
    def words(self) -> list[str]:
        """The verdicts of the studies that have it."""
        return [entry["verdict"] for entry in self.entries if entry]

    @property
    def together(self) -> str:
        """How the words go together; where some are decided alike and the others open, how many: "adopt: 2 of 3"."""
        decided = set(self.words) - {OPEN}
        if decided >= CONTRADICTION:
            return OPPOSITE
        if len(decided) != 1:
            return DIFFER if decided else OPEN
        (word,) = decided
        return SAME if OPEN not in self.words else f"{word}: {self.words.count(word)} of {len(self.words)}"

    @property
    def repeats_everywhere(self) -> bool:
        """Whether every study that has it trained nothing of its own for it: it repeats the baseline or another fix."""
        return all(entry["same_as"] for entry in self.entries if entry)


@dataclass(frozen=True)
class Agreement:
    """One study against the first, over the fixes that both have and that are not a repeat in both.

    Attributes:
        fixes: how many these are.
        decided: those with another word than open in both.
        equal: those of `decided` with the same word.
        opposite: ids of those of `decided` that one study adopts and the other calls harmful.
        sure: gains, near and far, whose interval excludes zero in both.
        against: those of `sure` with opposite signs, in words.
        ranks: side -> Spearman's rank correlation of the gains, and of how many fixes; NaN where it is not defined.
    """

    fixes: int
    decided: int
    equal: int
    opposite: tuple[str, ...]
    sure: int
    against: tuple[str, ...]
    ranks: dict[str, tuple[float, int]]


def every_fix(judged: Sequence[dict[str, Any]]) -> list[SharedFix]:
    """The fixes that any of the studies trained alone, in the order of the first study, then of the second, ... Two fixes of
    one id and different names are two fixes."""
    entries = [{(fix["id"], fix["name"]): fix for fix in trained_alone(study)} for study in judged]
    return [SharedFix(*fix, tuple(own.get(fix) for own in entries)) for fix in dict.fromkeys(f for own in entries for f in own)]


def shared_fixes(judged: Sequence[dict[str, Any]]) -> list[SharedFix]:
    """The fixes that at least two studies trained alone, without those that are a repeat in all of them."""
    return [fix for fix in every_fix(judged) if len(fix.words) > 1 and not fix.repeats_everywhere]


def agreement(found: Sequence[SharedFix], other: int) -> Agreement:
    """Study number `other` against the first, number 0."""
    every = [(fix.id, fix.entries[0], fix.entries[other]) for fix in found]
    pairs = [(id, a, b) for id, a, b in every if a and b and not (a["same_as"] and b["same_as"])]
    words = [(id, a["verdict"], b["verdict"]) for id, a, b in pairs]
    decided = [(id, {one, two}) for id, one, two in words if OPEN not in (one, two)]
    sure = [(f"{side} error of {id}", a[side], b[side]) for id, a, b in pairs for side in SIDES if _sure(a[side], b[side])]
    return Agreement(
        fixes=len(pairs),
        decided=len(decided),
        equal=sum(len(both) == 1 for _, both in decided),
        opposite=tuple(id for id, both in decided if both == CONTRADICTION),
        sure=len(sure),
        against=tuple(what for what, a, b in sure if a["estimate"] * b["estimate"] < 0),
        ranks={side: _ranks([(a[side]["estimate"], b[side]["estimate"]) for _, a, b in pairs]) for side in SIDES},
    )


def _sure(*gains: dict[str, Any]) -> bool:
    """Whether the interval excludes zero in each."""
    return all(gain["low"] > 0 or gain["high"] < 0 for gain in gains)


def _ranks(gains: Sequence[tuple[float, float]]) -> tuple[float, int]:
    """Spearman's rank correlation of pairs, and their number; NaN where all of one study are equal, or for fewer than three."""
    from scipy.stats import spearmanr

    known = [pair for pair in gains if not any(map(math.isnan, pair))]
    if len(known) < LEAST_RANKED or any(len(set(column)) == 1 for column in zip(*known, strict=True)):
        return math.nan, len(known)
    return float(spearmanr(known).statistic), len(known)
