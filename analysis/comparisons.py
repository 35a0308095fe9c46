"""Two configurations of a study compared on every measure, paired by seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
from analysis.study import Study, require_a_seed

if TYPE_CHECKING:
    import pandas as pd

NEVER_ARRIVE = 0.20  # with a larger share of trials that miss the target, the mean error is compared instead
FASTER, FASTER_BAND = 1.2, 1.05  # speed factors: what the document promises, and what counts as equal


@dataclass(frozen=True, eq=False)
class MeasuredStudy:
    """A study, the measures of its trials, and the keys of its near weights.

    Two configurations are compared on the seeds that both have: fixes stop as they are decided.
    """

    study: Study
    table: pd.DataFrame
    weights: dict[float, str]

    @classmethod
    @lru_cache(maxsize=4)
    def of(cls, study: Study) -> MeasuredStudy:
        """Measure every trial; the result is cached for each loaded study. Raises StudyError: no seed is complete."""
        require_a_seed(study)
        return cls(study, trial_measures(study), near_weight_keys(study))

    @classmethod
    def of_finals(cls, study: Study) -> MeasuredStudy:
        """The same with final errors and divergence alone, of which the words are made: a tenth of the time.

        Raises StudyError: no seed is complete."""
        require_a_seed(study)
        table = study.trials.set_index(["key", "seed"])
        return cls(study, table.assign(diverged=table["status"] == "diverged"), near_weight_keys(study))

    def gain(self, measure: str, base: str, key: str, level: float = 0.95, bound: float = 0.95) -> Effect:
        """Paired log gain of `key` over `base` on one measure, of which lower values are better."""
        return effect(ratio_gains(self.table[measure], base, key, self.study.seeds_of(base, key)), level, bound)

    def beyond(self, key: str, levels: Levels) -> Beyond | None:
        """Position of a configuration relative to the near weight curve; None if fewer than three near weights were run.

        A near weight is itself compared with the curve of the others.
        """
        others = {weight: own for weight, own in self.weights.items() if own != key}
        seeds = self.study.seeds_of(key, *others.values())
        gains = beyond_gains(self.table, others, key, seeds)
        if gains is None:
            return None
        curve_far, curve_near = (np.log([self.values(name, own, seeds) for own in others.values()]) for name in ERRORS)
        far, near = (np.log([self.values(name, key, seeds)]) for name in ERRORS)
        curve = np.stack([curve_far.mean(1), curve_near.mean(1)], axis=1)
        point = np.array([far.mean(), near.mean()])
        nearest, same_far = nearest_weight(list(others), curve, point), weight_at_far(list(others), curve, float(point[0]))
        places = range(len(gains)) if len(gains) > 1 else ()
        without = tuple(reaches(*(np.delete(errors, at, axis=1) for errors in (curve_far, far))) for at in places)
        return Beyond(effect(gains, *levels), weight_text(*nearest), weight_text(*same_far), reaches(curve_far, far), without)

    def log_errors(self, key: str) -> np.ndarray:
        """Mean over seeds of (ln far, ln near) final error, [2]: the point in the trade-off figure.

        Of one that stopped early, the baseline's mean over all seeds less its gain over the baseline on its own.
        """
        base, seeds = self.study.baseline, self.study.seeds_of(key, self.study.baseline)
        columns = [(np.log(self.values(name, base)), np.log(self.values(name, key, seeds))) for name in ERRORS]
        return np.array([of_base.mean() - of_base[: len(own)].mean() + own.mean() for of_base, own in columns])

    def values(self, measure: str, key: str, seeds: Sequence[int] | None = None) -> np.ndarray:
        """One value per seed: of these seeds, or of all that the configuration has."""
        column, seeds = self.table[measure], self.study.seeds_of(key) if seeds is None else seeds
        return np.array([column[(key, seed)] for seed in seeds], dtype=float)  # ten times as fast as .loc of a list

    def divergence(self, base: str, key: str) -> dict[str, Any]:
        """Number of diverged seeds of `key` and of `base`, with an exact test."""
        seeds = self.study.seeds_of(base, key)
        return divergence(self.values("diverged", base, seeds) > 0, self.values("diverged", key, seeds) > 0)

    def convergence(self, base: str, key: str, level: float = 0.95) -> dict[str, Any]:
        """Gain in time to the target, with its promised margin and its equivalence band.

        Where over 20 % of the seeds of either configuration miss the target, the mean log error over training is compared
        instead. Its margin is what the mean curve of `base` would gain if it ran 20 % faster (band: 5 %).
        """
        seeds = self.study.seeds_of(base, key)
        late = max(np.isinf(self.values("tau", k, seeds)).mean() for k in (base, key))
        if late <= NEVER_ARRIVE:
            found = self.gain("tau_capped", base, key, level)
            margin, band = math.log(FASTER), math.log(FASTER_BAND)
            return {"effect": found, "measure": "steps to the target", "margin": margin, "band": band}
        gains = difference_gains(self.table["mean_log_error"], base, key, seeds)
        steps, y = self.mean_curve(base)
        margin, band = speed_gain(steps, y, FASTER), speed_gain(steps, y, FASTER_BAND)
        return {"effect": effect(gains, level), "measure": "mean ln error over training", "margin": margin, "band": band}

    def mean_curve(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """Training steps, and the mean over seeds of the ln near error on the probe."""
        own = self.study.curves[self.study.curves["key"] == key]
        mean = np.log(own.set_index("step")[PROBE_NEAR]).groupby(level="step").mean()
        return mean.index.to_numpy(float), mean.to_numpy(float)


def known_mean(values: np.ndarray) -> float:
    """Mean of the values that are finite; NaN where none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def speed_gain(steps: np.ndarray, y: np.ndarray, factor: float) -> float:
    """By how much the mean of y over training would fall if the same curve ran `factor` times faster."""
    return float(np.mean(y - np.interp(np.minimum(steps * factor, steps[-1]), steps, y)))


def compare(measured: MeasuredStudy, base: str, key: str, levels: Levels) -> dict[str, Any]:
    """Every gain of `key` over `base` as plain numbers, for verdicts.json: near and far at `levels`, the others 95 %."""
    speed = measured.convergence(base, key)
    return {
        **compare_finals(measured, base, key, levels),
        "stability": measured.gain("wobble", base, key).as_dict(),
        "convergence": {**speed["effect"].as_dict(), "measure": speed["measure"]},
    }


def compare_finals(measured: MeasuredStudy, base: str, key: str, levels: Levels) -> dict[str, Any]:
    """What of `compare` a word depends on."""
    beyond = measured.beyond(key, levels) if base == measured.study.baseline != key else None
    return {
        "near": measured.gain(NEAR, base, key, *levels).as_dict(),
        "far": measured.gain(FAR, base, key, *levels).as_dict(),
        "beyond_near_weight_curve": None if beyond is None else beyond.as_dict(),
        "divergence": measured.divergence(base, key),
    }
