"""Do the other rulers agree with the one that decides? Ratios of errors by each ruler, and on which side of 1 they lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.comparisons import MeasuredStudy
from analysis.effects import ratio_gains
from analysis.formatting import label_of
from analysis.promises import full_key
from analysis.rulers import DECIDING, RISING, RULERS, SIDES
from analysis.rules import TWO_PERCENT, distinct_fixes


@dataclass(frozen=True)
class ByRuler:
    """A configuration's ln (error / the baseline's), mean over seeds: (ruler, "near" or "far") -> value; NaN where unknown."""

    label: str
    logs: dict[tuple[str, str], float]

    def side(self, ruler: str, side: str) -> int:
        """-1 better than the baseline by over 2 %, 1 worse, 0 neither."""
        value = self.logs[ruler, side]
        return int(value > TWO_PERCENT) - int(value < -TWO_PERCENT)

    def contradicts(self, ruler: str, side: str) -> bool:
        """Whether this ruler and the one that decides lie on opposite sides of 1, both by over 2 %."""
        return self.side(ruler, side) * self.side(DECIDING, side) < 0


def by_ruler(measured: MeasuredStudy, judged: dict[str, Any]) -> list[ByRuler]:
    """The distinct fixes and the document's whole recommendation, where they were trained, by every ruler."""
    named = {label_of(fix): str(fix["key"]) for fix in distinct_fixes(judged)}
    whole = full_key(measured.study)
    named |= {"the whole recommendation": whole} if whole else {}
    return [
        ByRuler(name, {(ruler, side): log_ratio(measured, ruler, side, key) for ruler in RULERS for side in SIDES})
        for name, key in named.items()
    ]


def log_ratio(measured: MeasuredStudy, ruler: str, side: str, key: str) -> float:
    """ln (error / the baseline's), mean over seeds. Of a share within bounds the error is the share outside them."""
    values = measured.table[f"final_{side}_{ruler}"]
    error = 1.0 - values if ruler in RISING else values
    with np.errstate(invalid="ignore"):  # the mean of +inf and -inf: where one of two shares is zero
        base = measured.study.baseline
        return -float(np.mean(ratio_gains(error, base, key, measured.study.seeds_of(base, key))))


def agreement(rows: list[ByRuler], ruler: str, side: str) -> tuple[int, int]:
    """On how many configurations a ruler agrees with the one that decides, of those that this one moves by over 2 %."""
    moved = [row for row in rows if row.side(DECIDING, side) and not math.isnan(row.logs[ruler, side])]
    return sum(row.logs[ruler, side] * row.logs[DECIDING, side] > 0 for row in moved), len(moved)
