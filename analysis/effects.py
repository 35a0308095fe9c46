"""Paired gains: estimate, confidence interval and p value.

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

ENUMERATED = 14  # with more seeds, sign flips are sampled
ROUND_OFF = 1e-12  # relative to the gains: a smaller range is rounding error


@dataclass(frozen=True)
class Effect:
    """Mean or median paired gain, its interval at `level`, its 90 % interval, and two p values for a gain of zero."""

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
        """An effect from a dictionary, which may have other entries too."""
        return cls(**{name: entry[name] for name in cls.__dataclass_fields__})


def ratio_gains(measure: pd.Series, baseline: str, key: str, seeds: Sequence[int]) -> np.ndarray:
    """g_s = ln M(baseline, s) - ln M(key, s) ; a lower measure M is better. Equal values, infinite ones too, give 0."""
    base, other = (np.array([float(measure[(k, seed)]) for seed in seeds]) for k in (baseline, key))
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = np.log(base) - np.log(other)
    return np.where(base == other, 0.0, gains)


def difference_gains(measure: pd.Series, baseline: str, key: str, seeds: Sequence[int]) -> np.ndarray:
    """g_s = M(baseline, s) - M(key, s), for a measure that is already a logarithm."""
    return np.array([float(measure[(baseline, seed)]) - float(measure[(key, seed)]) for seed in seeds])


def effect(gains: Sequence[float] | np.ndarray, level: float = 0.95) -> Effect:
    """Student t on finite gains. An infinite gain: median with exact interval. No gain, or one that is NaN: all NaN."""
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
    if np.ptp(g) <= ROUND_OFF * np.abs(g).max():  # equal gains: no spread, so no t test
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
    """An end of the interval; infinite where there are too few seeds to give one."""
    return side * math.inf if math.isnan(end) else float(end)


def _sign_test(g: np.ndarray) -> float:
    from scipy.stats import binomtest

    moved = g[g != 0]
    return float(binomtest(int((moved > 0).sum()), len(moved)).pvalue) if len(moved) else 1.0


def sign_flip(gains: Sequence[float] | np.ndarray) -> float:
    """Exact two-sided p over all sign flips of the gains; beyond 14 seeds over 100,000 random flips from a fixed seed."""
    g = np.asarray(gains, dtype=float)
    if len(g) <= ENUMERATED:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(g))))
    else:
        signs = np.random.default_rng(0).choice((1.0, -1.0), size=(100_000, len(g)))
        signs[0] = 1.0  # the observed signs count too
    return float(np.mean(np.abs(signs @ g) >= abs(g.sum()) * (1 - 1e-12)))


def divergence(base: Sequence[bool] | np.ndarray, other: Sequence[bool] | np.ndarray) -> dict[str, Any]:
    """Number of diverged seeds, exact 95 % interval of their rate, and exact McNemar test against the baseline."""
    from scipy.stats import binomtest

    b, o = np.asarray(base, bool), np.asarray(other, bool)
    rate = binomtest(int(o.sum()), len(o)).proportion_ci(0.95, method="exact")
    worse, better = int((o & ~b).sum()), int((b & ~o).sum())
    p = float(binomtest(worse, worse + better).pvalue) if worse + better else 1.0
    ends = {"low": float(rate.low), "high": float(rate.high)}
    return {"diverged": int(o.sum()), "baseline": int(b.sum()), "n": len(o), **ends, "p": p, "more": worse > better}


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
