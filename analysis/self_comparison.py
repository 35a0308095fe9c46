"""A configuration compared with itself on other seeds: every word but "nothing" is then an error of the method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.comparisons import Rulers
from analysis.effects import effect
from analysis.promises import LEVEL, NEAR_BAND, NEARER, STEADIER, STEADIER_BAND
from analysis.rules import Evidence, recommend, verdict

GROUP = 6  # seeds in an arm
PROMISED = {
    "final_near_abs_rel": (NEARER, NEAR_BAND),
    "wobble": (float(np.log(STEADIER)), float(np.log(STEADIER_BAND))),
}


@dataclass(frozen=True)
class Comparison:
    """One arm of seeds against another of the same configuration."""

    cell: str
    first: tuple[int, ...]
    second: tuple[int, ...]
    word: str
    promises: dict[str, str]  # ruler -> verdict


def self_comparisons(rulers: Rulers, group: int = GROUP) -> list[Comparison]:
    """Each trained configuration on seeds 0..g-1 against g..2g-1, and so on: disjoint, so that comparisons are independent
    within a configuration. The arms are unpaired and judged as if they were pairs, in the order of the seeds."""
    study, found = rulers.study, []
    cells = study.plan[study.plan["status"] == "trained"]
    for cell, key in zip(cells["cell"], cells["key"], strict=True):
        arms = [study.seeds[at : at + group] for at in range(0, len(study.seeds) - group + 1, group)]
        for first, second in zip(arms[::2], arms[1::2], strict=False):
            found.append(_compare(rulers, str(cell), str(key), first, second))
    return found


def _compare(rulers: Rulers, cell: str, key: str, first: Sequence[int], second: Sequence[int]) -> Comparison:
    def gains(measure: str) -> np.ndarray:
        column = rulers.table[measure]
        one, other = (np.array([float(column[(key, seed)]) for seed in arm]) for arm in (first, second))
        return np.asarray(np.log(one) - np.log(other))

    near, far = (effect(gains(f"final_{side}_abs_rel")) for side in ("near", "far"))
    word, _ = recommend(Evidence(near, far, near.p, far.p))
    promises = {name: verdict(effect(gains(name), LEVEL), *limits) for name, limits in PROMISED.items()}
    return Comparison(cell, tuple(first), tuple(second), word, promises)
