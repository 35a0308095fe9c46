"""Gains of several studies pooled: hand-worked, beside slow formulas, and covered as often as promised in simulation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from analysis.effects import effect
from analysis.pooling import Pooled, pool


def slowly(gains: Sequence[Sequence[float]]) -> Pooled:
    """DerSimonian and Laird (1986) with Welch's (1951) test and Satterthwaite's (1946) degrees of freedom, term by term."""
    k = len(gains)
    means = [math.fsum(own) / len(own) for own in gains]
    squares = [math.fsum((g - m) ** 2 for g in own) for own, m in zip(gains, means, strict=True)]
    variances = [s / (len(own) - 1) / len(own) for own, s in zip(gains, squares, strict=True)]
    w = [1 / v for v in variances]
    fixed = math.fsum(a * m for a, m in zip(w, means, strict=True)) / math.fsum(w)
    q = math.fsum(a * (m - fixed) ** 2 for a, m in zip(w, means, strict=True))
    between = max(0.0, (q - (k - 1)) / (math.fsum(w) - math.fsum(a * a for a in w) / math.fsum(w)))
    u = [1 / (v + between) for v in variances]
    estimate = math.fsum(a * m for a, m in zip(u, means, strict=True)) / math.fsum(u)
    freedom = 1 / math.fsum((a / math.fsum(u)) ** 2 / (len(own) - 1) for a, own in zip(u, gains, strict=True))
    half = stats.t.ppf(0.975, freedom) / math.sqrt(math.fsum(u))
    part = math.fsum((1 - a / math.fsum(w)) ** 2 / (len(own) - 1) for a, own in zip(w, gains, strict=True))
    f = q / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * part)
    p = stats.f.sf(f, k - 1, (k**2 - 1) / (3 * part))
    return Pooled(estimate, estimate - half, estimate + half, float(p), k)


def same(found: Pooled | None, expected: Pooled) -> None:
    assert found is not None and found.studies == expected.studies
    for name in ("estimate", "low", "high", "p_same"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9, abs=1e-12), name


def test_by_hand_two_studies_that_agree() -> None:
    """Gains (1, 2, 3) and (3, 4, 5, 4): means 2 and 4, variances of the mean 1/3 and (2/3)/4 = 1/6, weights 3 and 6.

    Q = 3 (2 - 10/3)^2 + 6 (4 - 10/3)^2 = 8, far above its one degree of freedom, so between = (8 - 1) / (9 - 45/9) = 7/4.
    Weights 1 / (1/3 + 7/4) = 12/25 and 1 / (1/6 + 7/4) = 12/23: the estimate is (2/25 + 4/23) / (1/25 + 1/23) = 146/48,
    its variance 1 / (12/25 + 12/23) = 575/576. With k = 2 Welch's F is Q.
    """
    found = pool([(1, 2, 3), (3, 4, 5, 4)])
    assert found is not None
    assert found.estimate == pytest.approx(146 / 48)
    shares = (23 / 48, 25 / 48)
    freedom = 1 / (shares[0] ** 2 / 2 + shares[1] ** 2 / 3)
    assert found.high - found.estimate == pytest.approx(stats.t.ppf(0.975, freedom) * math.sqrt(575 / 576))
    part = (1 - 1 / 3) ** 2 / 2 + (1 - 2 / 3) ** 2 / 3
    assert found.p_same == pytest.approx(stats.f.sf(8, 1, 1 / part))
    assert found.p_same == pytest.approx(stats.ttest_ind((1, 2, 3), (3, 4, 5, 4), equal_var=False).pvalue)


def test_by_hand_studies_that_agree_have_no_variance_between_them() -> None:
    """Means 0 and 1, both of variance 1 (a range of 2 over two seeds): Q = 1/2 + 1/2, not above 1: the plain mean."""
    found = pool([(-1, 1), (0, 2)])
    assert found is not None
    assert found.estimate == pytest.approx(0.5)
    assert found.high - found.estimate == pytest.approx(stats.t.ppf(0.975, 2) * math.sqrt(0.5))
    assert not found.differs


@given(
    st.lists(
        st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=2, max_size=8).filter(lambda own: len(set(own)) > 1),
        min_size=2,
        max_size=5,
    )
)
def test_as_the_slow_formulas(gains: list[list[float]]) -> None:
    same(pool(gains), slowly(gains))


def test_a_study_weighs_as_its_t_interval_says() -> None:
    """Its standard error is the half width of the interval in verdicts.json over the t quantile."""
    gains = [(0.1, 0.2, 0.15, 0.3), (0.05, 0.25, 0.2, 0.1, 0.15)]
    found = pool(gains)
    entries = [effect(own) for own in gains]
    errors = [(own.high - own.low) / 2 / stats.t.ppf(0.975, own.n - 1) for own in entries]
    weights = [1 / error**2 for error in errors]
    mean = sum(w * own.estimate for w, own in zip(weights, entries, strict=True)) / sum(weights)
    assert found is not None and found.p_same > 0.5  # so the fixed effect
    assert found.estimate == pytest.approx(mean)


def test_studies_that_contradict_each_other_differ() -> None:
    found = pool([(0.20, 0.21, 0.19), (-0.20, -0.21, -0.19)])
    assert found is not None and found.differs


@pytest.mark.parametrize(
    "gains",
    [
        [(0.1, 0.2)],
        [(0.1, 0.2), (0.1,)],
        [(0.1, 0.2), ()],
        [(0.1, 0.2), (0.0, 0.0)],
        [(0.1, 0.2), (0.1, math.inf)],
        [(0.1, 0.2), (0.1, math.nan)],
        [],
    ],
    ids=["one study", "one seed", "no seed", "no spread", "infinite", "unknown", "nothing"],
)
def test_without_an_interval_nothing_is_pooled(gains: list[tuple[float, ...]]) -> None:
    assert pool(gains) is None


def test_equal_studies_are_pooled_without_a_warning() -> None:
    """Q is exactly zero there, and statsmodels divides by it."""
    found = pool([(0.1, 0.2, 0.3)] * 3)
    assert found is not None and found.estimate == pytest.approx(0.2) and found.p_same == pytest.approx(1.0)


@pytest.mark.parametrize(("seeds", "spread"), [((6, 6), (1.0, 1.0)), ((6, 6, 4), (1.0, 0.5, 0.3)), ((3, 3), (1.0, 1.0))])
def test_the_truth_is_covered(seeds: tuple[int, ...], spread: tuple[float, ...]) -> None:
    """2,000 times studies of one gain, 0: it is covered in 95 %, and said to differ in at most 5 %.

    Bounds are four standard errors of a share, 0.5 % each, and 1 % for what the degrees of freedom are approximate by.
    """
    rng, rounds = np.random.default_rng(5), 2000
    found = [pool([scale * rng.standard_normal(n) for n, scale in zip(seeds, spread, strict=True)]) for _ in range(rounds)]
    covered = sum(own is not None and own.low <= 0 <= own.high for own in found) / rounds
    assert 0.92 <= covered <= 0.98
    assert sum(own is not None and own.differs for own in found) / rounds <= 0.07


def test_a_normal_interval_would_cover_too_seldom() -> None:
    """Two studies of six seeds, as the docstring has it: 91 % (standard error 0.6 % here), as statsmodels gives it."""
    rng, rounds, covered = np.random.default_rng(6), 2000, 0
    for _ in range(rounds):
        gains = rng.standard_normal((2, 6))
        low, high = combine_effects(gains.mean(1), gains.var(1, ddof=1) / 6).conf_int()[1]
        covered += low <= 0 <= high
    assert 0.89 <= covered / rounds <= 0.93
