"""The fixes that two studies have in common, with the verdict of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.rules import trained_alone

SIDES = ("near", "far")


@dataclass(frozen=True)
class SharedFix:
    """One fix with its entries in verdicts.json of both studies."""

    id: str
    name: str
    first: dict[str, Any]
    second: dict[str, Any]

    @property
    def same_verdict(self) -> bool:
        return bool(self.first["verdict"] == self.second["verdict"])

    def sure(self, side: str) -> bool:
        """Whether the interval excludes zero in both studies."""
        return all(entry[side]["low"] > 0 or entry[side]["high"] < 0 for entry in (self.first, self.second))

    def same_sign(self, side: str) -> bool:
        return bool(self.first[side]["estimate"] * self.second[side]["estimate"] > 0)


def shared_fixes(first: dict[str, Any], second: dict[str, Any]) -> list[SharedFix]:
    """The fixes trained in both studies, in the document's order, without those that repeat another fix's training in both."""
    known = {fix["id"]: fix for fix in trained_alone(second)}
    both = [fix for fix in trained_alone(first) if fix["id"] in known]
    return [
        SharedFix(fix["id"], fix["name"], fix, known[fix["id"]])
        for fix in both
        if not (fix["same_as"] and known[fix["id"]]["same_as"])
    ]
