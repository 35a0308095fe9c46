"""Do all contenders train the same? Losses of the first steps, then the final error, side by side.

The first loss says that network, data and loss are the same, the next ones that gradients, clipping and Adam are. Round-off
grows from there: where one activation lies within it of zero, ReLU's gradient is another, and Adam's first steps take
directions, however small a gradient is. So later losses get a wider limit (a learning rate off by a twentieth breaks it), and
final errors are compared by their distribution alone. Equality to the last digits is tested in float64 (tests/).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

from trial_spec import Trials

FIRST = 5  # steps
FIRST_LIMIT, LIMIT = 1e-5, 5e-3  # relative difference of the first loss, and of those of the first steps


@dataclass(frozen=True)
class Equality:
    """Largest relative difference of a trial's first loss, and of its losses of the first steps; final near error
    (RMSE of ln depth) / the other's: median, least, most."""

    first_loss: float
    first_steps: float
    final_median: float
    final_least: float
    final_most: float

    @property
    def holds(self) -> bool:
        return self.first_loss <= FIRST_LIMIT and self.first_steps <= LIMIT


def compare(one: Trials, other: Trials) -> Equality:
    """Of two contenders that evaluated at every step, so that their curves are losses of single steps."""
    curves = [(a.curve[:FIRST], b.curve[:FIRST]) for a, b in zip(one.trials, other.trials, strict=True)]
    differences = [[relative(a, b) for a, b in zip(*pair, strict=True)] for pair in curves]
    ratios = final_ratios(one, other)
    return Equality(max(d[0] for d in differences), max(map(max, differences)), median(ratios), min(ratios), max(ratios))


def final_ratios(one: Trials, other: Trials) -> list[float]:
    """Final near RMSE of ln depth on the probe, one / other."""
    return [a.near / b.near for a, b in zip(one.trials, other.trials, strict=True)]


def relative(a: float, b: float) -> float:
    """Two values that are no number are equal, one alone is not."""
    if math.isnan(a) or math.isnan(b):
        return 0.0 if math.isnan(a) and math.isnan(b) else math.inf
    return abs(a - b) / max(abs(b), 1e-12)
