"""Paired gains and what can be said about them: estimate, interval, p.

All gains are natural logs of ratios, positive is better.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

ENUMERATED = 14  # up to so many seeds every sign flip is visited
ROUND_OFF = 1e-12  # of the gains themselves: what spreads no more than this does not spread


@dataclass(frozen=True)
class Effect:
    """A mean (or median) paired gain, its interval at `level`, its 90 % interval, and two p values against zero."""

    estimate: float
    low: float
    high: float
    low90: float
    high90: float
    level: float
    p: float
    p_sign_flip: float
    n: int
    kind: str  # "t", or "median" where a gain is infinite
    values: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """For verdicts.json."""
        return {**asdict(self), "values": list(self.values)}

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Effect:
        """From a dictionary that may hold more."""
        return cls(**{name: entry[name] for name in cls.__dataclass_fields__})


def ratio_gains(measure: pd.Series, baseline: str, key: str, seeds: Sequence[int]) -> np.ndarray:
    """g_s = ln M(baseline, s) - ln M(key, s) of a lower-is-better measure; both infinite (or both zero) is no gain."""
    base, other = (np.array([float(measure[(k, seed)]) for seed in seeds]) for k in (baseline, key))
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = np.log(base) - np.log(other)
    return np.where(base == other, 0.0, gains)


def difference_gains(measure: pd.Series, baseline: str, key: str, seeds: Sequence[int]) -> np.ndarray:
    """g_s = M(baseline, s) - M(key, s), for a measure that is a logarithm already."""
    return np.array([float(measure[(baseline, seed)]) - float(measure[(key, seed)]) for seed in seeds])


def effect(gains: Sequence[float] | np.ndarray, level: float = 0.95) -> Effect:
    """Student t on finite gains; where one is infinite the exact interval of the median; NaN where one is unknown."""
    g = np.asarray(gains, dtype=float)
    values = tuple(float(x) for x in g)
    nan = math.nan
    if len(g) == 0 or np.isnan(g).any():
        return Effect(nan, nan, nan, nan, nan, level, nan, nan, len(g), "t", values)
    if np.isinf(g).any():
        return _median_effect(g, level, values)
    mean = float(g.mean())
    if len(g) < 2:
        return Effect(mean, -math.inf, math.inf, -math.inf, math.inf, level, nan, 1.0, len(g), "t", values)
    if np.ptp(g) <= ROUND_OFF * np.abs(g).max():  # a deterministic difference: no spread, no t
        p = sign_flip(g) if mean else 1.0
        return Effect(mean, mean, mean, mean, mean, level, p, p, len(g), "t", values)
    return _t_effect(g, level, values)


def _t_effect(g: np.ndarray, level: float, values: tuple[float, ...]) -> Effect:
    from scipy.stats import ttest_1samp

    test = ttest_1samp(g, 0.0)
    wide, narrow = test.confidence_interval(level), test.confidence_interval(0.90)
    ends = (float(wide.low), float(wide.high), float(narrow.low), float(narrow.high))
    return Effect(float(g.mean()), *ends, level, float(test.pvalue), sign_flip(g), len(g), "t", values)


def _median_effect(g: np.ndarray, level: float, values: tuple[float, ...]) -> Effect:
    from scipy.stats import quantile_test

    test = quantile_test(g, q=0, p=0.5)
    ends = [_open(end, side) for at in (level, 0.90) for end, side in zip(test.confidence_interval(at), (-1, 1), strict=True)]
    middle = np.sort(g)[[(len(g) - 1) // 2, len(g) // 2]]
    median = float(middle[0]) if middle[0] == middle[1] else float(middle.sum() / 2) if np.isfinite(middle).any() else 0.0
    p = _sign_test(g)
    low, high, low90, high90 = ends
    return Effect(median, low, high, low90, high90, level, p, p, len(g), "median", values)


def _open(end: float, side: int) -> float:
    """An end that so few seeds cannot give is open."""
    return side * math.inf if math.isnan(end) else float(end)


def _sign_test(g: np.ndarray) -> float:
    from scipy.stats import binomtest

    moved = g[g != 0]
    return float(binomtest(int((moved > 0).sum()), len(moved)).pvalue) if len(moved) else 1.0


def sign_flip(gains: Sequence[float] | np.ndarray) -> float:
    """Exact two-sided p under the flip of each seed's sign (100,000 seeded random flips beyond 14 seeds)."""
    g = np.asarray(gains, dtype=float)
    if len(g) <= ENUMERATED:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(g))))
    else:
        signs = np.random.default_rng(0).choice((1.0, -1.0), size=(100_000, len(g)))
        signs[0] = 1.0  # the observed one counts
    return float(np.mean(np.abs(signs @ g) >= abs(g.sum()) * (1 - 1e-12)))


def divergence(base: Sequence[bool] | np.ndarray, other: Sequence[bool] | np.ndarray) -> dict[str, Any]:
    """How many seeds diverge, with the exact 95 % interval of the rate, and exact McNemar against the baseline."""
    from scipy.stats import binomtest

    b, o = np.asarray(base, bool), np.asarray(other, bool)
    rate = binomtest(int(o.sum()), len(o)).proportion_ci(0.95, method="exact")
    worse, better = int((o & ~b).sum()), int((b & ~o).sum())
    p = float(binomtest(worse, worse + better).pvalue) if worse + better else 1.0
    ends = {"low": float(rate.low), "high": float(rate.high)}
    return {"diverged": int(o.sum()), "baseline": int(b.sum()), "n": len(o), **ends, "p": p, "more": worse > better}


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm-corrected p, in the given order; an unknown p stays unknown and counts for nothing."""
    from statsmodels.stats.multitest import multipletests

    p = np.asarray(p_values, dtype=float)
    known = np.isfinite(p)
    corrected = np.full(len(p), math.nan)
    if known.any():
        corrected[known] = multipletests(p[known], method="holm")[1]
    return [float(x) for x in corrected]


def percent(gain: float) -> float:
    """By how many percent the error is lower: ln 1.25 is 20 %, -ln 1.25 is -25 %."""
    return 100.0 * (1.0 - math.exp(min(-gain, 700.0)))
