"""Which verdicts two studies share, fix by fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.rules import alone

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
