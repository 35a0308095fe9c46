"""Two trainings compared on every ruler, paired by seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.effects import Effect, difference_gains, divergence, effect, ratio_gains
from analysis.measures import trial_measures
from analysis.rules import Beyond
from analysis.study import Study, require_complete
from analysis.tradeoff import ERRORS, beyond_gains, near_weight_keys, nearest_weight, weight_at_far, weight_words

if TYPE_CHECKING:
    import pandas as pd

NEVER_ARRIVE = 0.20  # share of an arm above which time to the target gives way to the mean error
FASTER, FASTER_BAND = 1.2, 1.05


@dataclass(frozen=True, eq=False)
class Rulers:
    """A complete study with its per-trial measures."""

    study: Study
    table: pd.DataFrame
    weights: dict[float, str]

    @classmethod
    @lru_cache(maxsize=4)
    def of(cls, study: Study) -> Rulers:
        """Measure every trial, once per loaded study; refuses an incomplete one."""
        require_complete(study)
        return cls(study, trial_measures(study), near_weight_keys(study))

    def gain(self, measure: str, base: str, key: str, level: float = 0.95) -> Effect:
        """Paired log gain of `key` over `base` on one lower-is-better measure."""
        return effect(ratio_gains(self.table[measure], base, key, self.study.seeds), level)

    def beyond(self, key: str) -> Beyond | None:
        """Where a training lies against the curve of the near weight; None where that was not run.

        A near weight is judged like a fix: against the curve of the others.
        """
        others = {weight: own for weight, own in self.weights.items() if own != key}
        gains = beyond_gains(self.table, others, key, self.study.seeds)
        if gains is None:
            return None
        curve, point = np.array([self.log_errors(own) for own in others.values()]), self.log_errors(key)
        nearest, same_far = nearest_weight(list(others), curve, point), weight_at_far(list(others), curve, float(point[0]))
        return Beyond(effect(gains), weight_words(*nearest), weight_words(*same_far), covered=same_far[1] == 0)

    def log_errors(self, key: str) -> np.ndarray:
        """(ln far, ln near) final error, means over the seeds: the point that the trade-off is drawn with."""
        return np.array([np.log(self.values(name, key)).mean() for name in ERRORS])

    def values(self, measure: str, key: str) -> np.ndarray:
        """One value per seed."""
        return self.table[measure].loc[[(key, seed) for seed in self.study.seeds]].to_numpy(float)

    def divergence(self, base: str, key: str) -> dict[str, Any]:
        """Divergence of `key` beside that of `base`."""
        return divergence(self.values("diverged", base) > 0, self.values("diverged", key) > 0)

    def convergence(self, base: str, key: str, level: float = 0.95) -> dict[str, Any]:
        """Time to the target, or the mean log error where over 20 % of either arm never arrive, with margin and band.

        The margin of the second is what the base arm's own mean curve would gain if it ran 20 % faster (band: 5 %).
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
        """Steps and the mean over seeds of ln near-field AbsRel on the probe."""
        own = self.study.curves[self.study.curves["key"] == key]
        mean = np.log(own.set_index("step")["probe_near_abs_rel"]).groupby(level="step").mean()
        return mean.index.to_numpy(float), mean.to_numpy(float)


def speed_gain(steps: np.ndarray, y: np.ndarray, factor: float) -> float:
    """How much lower the mean of y over training would be, had the same curve run `factor` times faster."""
    return float(np.mean(y - np.interp(np.minimum(steps * factor, steps[-1]), steps, y)))


def compare(rulers: Rulers, base: str, key: str) -> dict[str, Any]:
    """Every gain of `key` over `base` as plain numbers, for verdicts.json."""
    speed = rulers.convergence(base, key)
    beyond = rulers.beyond(key) if base == rulers.study.baseline != key else None
    return {
        "near": rulers.gain("final_near_abs_rel", base, key).as_dict(),
        "far": rulers.gain("final_far_abs_rel", base, key).as_dict(),
        "beyond_near_weight_curve": None if beyond is None else beyond.as_dict(),
        "stability": rulers.gain("wobble", base, key).as_dict(),
        "convergence": {**speed["effect"].as_dict(), "measure": speed["measure"]},
        "divergence": rulers.divergence(base, key),
    }
