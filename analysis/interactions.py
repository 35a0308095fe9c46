"""Interactions: what two fixes do together beyond what each does by itself."""

from __future__ import annotations

from analysis.comparisons import Rulers
from analysis.effects import Effect, effect, ratio_gains
from analysis.load import Study


def pairs(study: Study) -> dict[tuple[str, str], str]:
    """(fix, fix) -> key, for each pair of fixes that was trained alone, alone, and together."""
    cells = study.plan[study.plan["key"].notna() & (study.plan["numbers"] == "{}")]
    keys = {frozenset(fixes.split()): key for fixes, key in zip(cells["fixes"], cells["key"], strict=True)}
    found = {}
    for together, key in keys.items():
        if len(together) == 2 and all(frozenset({fix}) in keys for fix in together):
            first, second = sorted(together, key=_place)
            found[first, second] = key
    return dict(sorted(found.items(), key=lambda item: [_place(fix) for fix in item[0]]))


def _place(fix: str) -> tuple[int, str]:
    issue, _, variant = fix.partition("-")
    return int(issue), variant


def interaction(rulers: Rulers, pair: tuple[str, str], key: str, level: float = 0.95) -> Effect:
    """The pair's gain in near error minus both single gains, by seed: 0 where they add up."""
    study, near = rulers.study, rulers.table["final_near_abs_rel"]
    both, *single = (
        ratio_gains(near, study.baseline, k, study.seeds) for k in (key, *(str(study.key_of((fix,))) for fix in pair))
    )
    return effect(both - sum(single), level)
