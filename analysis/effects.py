"""Paired gains: estimate, confidence interval and p value.

All gains are natural logs of ratios, positive is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

ROUND_OFF = 1e-12  # relative to the gains: a smaller range is rounding error


@dataclass(frozen=True)
class Effect:
    """Mean or median paired gain, its interval of confidence `level`, its one-sided bounds, each of confidence `bound`, and p
    for a gain of zero."""

    estimate: float
    low: float
    high: float
    at_least: float
    at_most: float
    level: float
    bound: float
    p: float
    n: int
    kind: str  # "t", or "median" where a gain is infinite
    values: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """For verdicts.json."""
        return {**asdict(self), "values": list(self.values)}

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Effect:
        """An effect from a dictionary, which may have other entries too."""
        return cls(**{name: entry[name] for name in cls.__dataclass_fields__} | {"values": tuple(entry["values"])})


def ratio_gains(measure: pd.Series, baseline: str, key: str, seeds: Sequence[int]) -> np.ndarray:
    """g_s = ln M(baseline, s) - ln M(key, s) ; a lower measure M is better. Equal values, infinite ones too, give 0."""
    base, other = (np.array([float(measure[(k, seed)]) for seed in seeds]) for k in (baseline, key))
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = np.log(base) - np.log(other)
    return np.where(base == other, 0.0, gains)


def difference_gains(measure: pd.Series, baseline: str, key: str, seeds: Sequence[int]) -> np.ndarray:
    """g_s = M(baseline, s) - M(key, s), for a measure that is already a logarithm."""
    return np.array([float(measure[(baseline, seed)]) - float(measure[(key, seed)]) for seed in seeds])


def effect(gains: Sequence[float] | np.ndarray, level: float = 0.95, bound: float = 0.95) -> Effect:
    """Student t on finite gains. An infinite gain: median with exact interval. No gain, or one that is NaN: all NaN.

    Args:
        level: confidence of the two-sided interval.
        bound: confidence of each of the one-sided bounds; 0.95 gives the ends of the 90 % interval.
    """
    from scipy.special import stdtr

    g = np.asarray(gains, dtype=float)
    values = tuple(float(x) for x in g)

    def found(estimate: float, ends: tuple[float, float, float, float], p: float, kind: str = "t") -> Effect:
        return Effect(estimate, *ends, level, bound, p, len(g), kind, values)

    if len(g) == 0 or np.isnan(g).any():
        return found(math.nan, (math.nan,) * 4, math.nan)
    if np.isinf(g).any():
        return found(_median(g), _median_ends(g, level, bound), _sign_test(g), "median")
    mean = float(g.mean())
    if len(g) < 2:
        return found(mean, (-math.inf, math.inf, -math.inf, math.inf), math.nan)
    if np.ptp(g) <= ROUND_OFF * np.abs(g).max():  # equal gains: no spread, so no t test, but that of sign flips
        return found(mean, (mean,) * 4, 2.0 ** (1 - len(g)) if mean else 1.0)
    error = float(g.std(ddof=1)) / math.sqrt(len(g))
    p = float(2 * stdtr(len(g) - 1, -abs(mean / error)))
    return found(mean, t_interval(mean, error, len(g), level, bound), p)


def t_interval(mean: float, error: float, n: int, level: float, bound: float) -> tuple[float, float, float, float]:
    """Ends of the two-sided interval, and the two one-sided bounds, of n gains with this mean and standard error."""
    half, one_sided = (critical(tail, n - 1) * error for tail in ((1 + level) / 2, bound))
    return mean - half, mean + half, mean - one_sided, mean + one_sided


@lru_cache(maxsize=4096)
def critical(confidence: float, freedom: int) -> float:
    """Student t's quantile."""
    from scipy.stats import t

    return float(t.ppf(confidence, freedom))


def _median_ends(g: np.ndarray, level: float, bound: float) -> tuple[float, float, float, float]:
    from scipy.stats import quantile_test

    test = quantile_test(g, q=0, p=0.5)
    both = [test.confidence_interval(at) for at in (level, 2 * bound - 1)]
    ends = [(float(end), side) for ends in both for end, side in zip(ends, (-1, 1), strict=True)]
    # Infinite where there are too few seeds to give an end.
    low, high, at_least, at_most = (side * math.inf if math.isnan(end) else end for end, side in ends)
    return low, high, at_least, at_most


def _median(g: np.ndarray) -> float:
    middle = np.sort(g)[[(len(g) - 1) // 2, len(g) // 2]]
    return float(middle[0]) if middle[0] == middle[1] else float(middle.sum() / 2) if np.isfinite(middle).any() else 0.0


def _sign_test(g: np.ndarray) -> float:
    from scipy.stats import binomtest

    moved = g[g != 0]
    return float(binomtest(int((moved > 0).sum()), len(moved)).pvalue) if len(moved) else 1.0


def divergence(base: Sequence[bool] | np.ndarray, other: Sequence[bool] | np.ndarray) -> dict[str, Any]:
    """Number of diverged seeds, exact 95 % interval of their rate, and exact McNemar test against the baseline.

    lost: by seed, 1 where `other` alone diverged, -1 where `base` alone did, else 0
    """
    from scipy.stats import binomtest

    b, o = np.asarray(base, bool), np.asarray(other, bool)
    rate = binomtest(int(o.sum()), len(o)).proportion_ci(0.95, method="exact")
    lost = [int(x) for x in o.astype(int) - b]
    ends = {"low": float(rate.low), "high": float(rate.high)}
    head = {"diverged": int(o.sum()), "baseline": int(b.sum()), "n": len(o)}
    return {**head, **ends, "p": mcnemar(lost), "more": sum(lost) > 0, "lost": lost}


def mcnemar(lost: Sequence[int]) -> float:
    """Exact two-sided p of McNemar's test, of `lost` as `divergence` gives it."""
    from scipy.stats import binomtest

    worse, either = sum(x > 0 for x in lost), sum(x != 0 for x in lost)
    return float(binomtest(worse, either).pvalue) if either else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm-corrected p values in the given order. NaN stays NaN and is not counted.

    statsmodels has it too, and collects garbage at every call: a quarter of a second.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)[: np.isfinite(p).sum()]  # the unknown are sorted last
    corrected = np.full(len(p), math.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return [float(x) for x in corrected]


def percent(gain: float) -> float:
    """By how many percent the error is lower: ln 1.25 is 20 %, -ln 1.25 is -25 %."""
    return 100.0 * (1.0 - math.exp(min(-gain, 700.0)))
