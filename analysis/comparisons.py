"""Two configurations of a study compared on every measure, paired by seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.deciding import Beyond, Levels
from analysis.effects import Effect, difference_gains, divergence, effect, ratio_gains
from analysis.measures import trial_measures
from analysis.near_weight_curve import (
    ERRORS,
    beyond_gains,
    near_weight_keys,
    nearest_weight,
    reaches,
    weight_at_far,
    weight_text,
)
from analysis.rulers import FAR, NEAR, PROBE_NEAR
from analysis.study import Study, require_complete

if TYPE_CHECKING:
    import pandas as pd

NEVER_ARRIVE = 0.20  # with a larger share of trials that miss the target, the mean error is compared instead
FASTER, FASTER_BAND = 1.2, 1.05  # speed factors: what the document promises, and what counts as equal


@dataclass(frozen=True, eq=False)
class MeasuredStudy:
    """A complete study, the measures of its trials, and the keys of its near weights."""

    study: Study
    table: pd.DataFrame
    weights: dict[float, str]

    @classmethod
    @lru_cache(maxsize=4)
    def of(cls, study: Study) -> MeasuredStudy:
        """Measure every trial; the result is cached for each loaded study.

        Raises:
            StudyError: trials are missing.
        """
        require_complete(study)
        return cls(study, trial_measures(study), near_weight_keys(study))

    def gain(self, measure: str, base: str, key: str, level: float = 0.95, bound: float = 0.95) -> Effect:
        """Paired log gain of `key` over `base` on one measure, of which lower values are better."""
        return effect(ratio_gains(self.table[measure], base, key, self.study.seeds), level, bound)

    def beyond(self, key: str, levels: Levels) -> Beyond | None:
        """Position of a configuration relative to the near weight curve; None if fewer than three near weights were run.

        A near weight is itself compared with the curve of the others.
        """
        others = {weight: own for weight, own in self.weights.items() if own != key}
        gains = beyond_gains(self.table, others, key, self.study.seeds)
        if gains is None:
            return None
        curve, point = np.array([self.log_errors(own) for own in others.values()]), self.log_errors(key)
        nearest, same_far = nearest_weight(list(others), curve, point), weight_at_far(list(others), curve, float(point[0]))
        curve_far, far = (np.log([self.values(FAR, own) for own in keys]) for keys in (others.values(), [key]))
        places = range(len(gains)) if len(gains) > 1 else ()
        without = tuple(reaches(*(np.delete(errors, at, axis=1) for errors in (curve_far, far))) for at in places)
        return Beyond(effect(gains, *levels), weight_text(*nearest), weight_text(*same_far), reaches(curve_far, far), without)

    def log_errors(self, key: str) -> np.ndarray:
        """Mean over seeds of (ln far, ln near) final error, [2]: the point in the trade-off figure."""
        return np.array([np.log(self.values(name, key)).mean() for name in ERRORS])

    def values(self, measure: str, key: str) -> np.ndarray:
        """One value per seed."""
        column = self.table[measure]
        return np.array([column[(key, seed)] for seed in self.study.seeds], dtype=float)  # ten times as fast as .loc of a list

    def divergence(self, base: str, key: str) -> dict[str, Any]:
        """Number of diverged seeds of `key` and of `base`, with an exact test."""
        return divergence(self.values("diverged", base) > 0, self.values("diverged", key) > 0)

    def convergence(self, base: str, key: str, level: float = 0.95) -> dict[str, Any]:
        """Gain in time to the target, with its promised margin and its equivalence band.

        Where over 20 % of the seeds of either configuration miss the target, the mean log error over training is compared
        instead. Its margin is what the mean curve of `base` would gain if it ran 20 % faster (band: 5 %).
        """
        late = max(np.isinf(self.values("tau", k)).mean() for k in (base, key))
        if late <= NEVER_ARRIVE:
            found = self.gain("tau_capped", base, key, level)
            return {
                "effect": found,
                "measure": "steps to the target",
                "margin": math.log(FASTER),
                "band": math.log(FASTER_BAND),
            }
        gains = difference_gains(self.table["mean_log_error"], base, key, self.study.seeds)
        steps, y = self.mean_curve(base)
        margin, band = speed_gain(steps, y, FASTER), speed_gain(steps, y, FASTER_BAND)
        return {"effect": effect(gains, level), "measure": "mean ln error over training", "margin": margin, "band": band}

    def mean_curve(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """Training steps, and the mean over seeds of the ln near error on the probe."""
        own = self.study.curves[self.study.curves["key"] == key]
        mean = np.log(own.set_index("step")[PROBE_NEAR]).groupby(level="step").mean()
        return mean.index.to_numpy(float), mean.to_numpy(float)


def speed_gain(steps: np.ndarray, y: np.ndarray, factor: float) -> float:
    """By how much the mean of y over training would fall if the same curve ran `factor` times faster."""
    return float(np.mean(y - np.interp(np.minimum(steps * factor, steps[-1]), steps, y)))


def compare(measured: MeasuredStudy, base: str, key: str, levels: Levels) -> dict[str, Any]:
    """Every gain of `key` over `base` as plain numbers, for verdicts.json: near and far at `levels`, the others 95 %."""
    speed = measured.convergence(base, key)
    beyond = measured.beyond(key, levels) if base == measured.study.baseline != key else None
    return {
        "near": measured.gain(NEAR, base, key, *levels).as_dict(),
        "far": measured.gain(FAR, base, key, *levels).as_dict(),
        "beyond_near_weight_curve": None if beyond is None else beyond.as_dict(),
        "stability": measured.gain("wobble", base, key).as_dict(),
        "convergence": {**speed["effect"].as_dict(), "measure": speed["measure"]},
        "divergence": measured.divergence(base, key),
    }
