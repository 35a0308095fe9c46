"""Gains and intervals against independent computation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats, lists
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from analysis.effects import difference_gains, divergence, effect, holm, percent, ratio_gains
from analysis.near_weight_curve import near_on_curve


def measure(**values: list[float]) -> pd.Series:
    return pd.Series({(key, seed): value for key, row in values.items() for seed, value in enumerate(row)})


def test_gains_are_paired_log_ratios() -> None:
    table = measure(a=[2.0, 4.0], b=[1.0, 8.0])
    assert ratio_gains(table, "a", "b", [0, 1]) == pytest.approx([math.log(2), -math.log(2)])
    assert difference_gains(table, "a", "b", [1]) == pytest.approx([-4.0])


def test_infinite_values_give_infinite_gains_and_ties_none() -> None:
    table = measure(a=[1.0, math.inf, math.inf, 0.0], b=[math.inf, 1.0, math.inf, 0.0])
    assert list(ratio_gains(table, "a", "b", range(4))) == [-math.inf, math.inf, 0.0, 0.0]


@pytest.mark.parametrize("level", [0.95, 1 - 0.05 / 3])
def test_t_interval_by_the_textbook(level: float) -> None:
    g = np.array([0.1, 0.3, 0.2, -0.05, 0.12])
    found = effect(g, level)
    half = stats.t.ppf((1 + level) / 2, 4) * g.std(ddof=1) / math.sqrt(5)
    assert (found.low, found.high) == pytest.approx((g.mean() - half, g.mean() + half))
    bound = stats.t.ppf(0.95, 4) * g.std(ddof=1) / math.sqrt(5)
    assert (found.at_least, found.at_most) == pytest.approx((g.mean() - bound, g.mean() + bound))
    assert (found.low, found.high) == pytest.approx(tuple(stats.ttest_1samp(g, 0).confidence_interval(level)))
    assert found.p == pytest.approx(2 * stats.t.sf(g.mean() / (g.std(ddof=1) / math.sqrt(5)), 4))
    assert found.n == 5


def test_infinite_gains_take_the_exact_median_interval() -> None:
    g = np.array([-math.inf, -0.2, -0.1, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    found = effect(g)
    assert found.kind == "median"
    assert found.estimate == pytest.approx(0.15)
    assert effect(g, 0.5, 0.975).at_least == found.low  # one-sided 97.5 %: the two-sided 95 %
    # order statistics: 2nd and 9th of ten cover the median with 1 - 2 * P(Binomial(10, 1/2) <= 1) = 97.9 %
    assert (found.low, found.high) == (-0.2, 0.5)


def test_so_few_seeds_leave_an_infinite_interval_open() -> None:
    found = effect([-math.inf, -1.0, -1.0])
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_degenerate_gains() -> None:
    none = effect([0.0, 0.0, 0.0])
    assert (none.estimate, none.low, none.high, none.p) == (0, 0, 0, 1)
    assert math.isnan(effect([0.1, math.nan]).estimate)
    assert effect([0.1]).low == -math.inf


@pytest.mark.parametrize("gains", [[], [math.nan, 0.1, 0.2], [math.inf, math.nan]])
def test_of_nothing_or_of_an_unknown_gain_nothing_is_known(gains: list[float]) -> None:
    found = effect(gains)
    numbers = (found.estimate, found.low, found.high, found.at_least, found.at_most, found.p)
    assert all(map(math.isnan, numbers)) and (found.n, found.kind) == (len(gains), "t")


def test_gains_that_differ_by_rounding_alone_have_no_spread() -> None:
    g = 0.18 + np.spacing(0.18) * np.array([0, 1, 2, 0, 1])
    found = effect(g)
    assert found.low == found.estimate == found.high and found.p == 2 / 2**5  # of all sign flips
    assert effect(0.18 + 1e-9 * np.array([0, 1, 2, 0, 1])).low < effect(0.18 + 1e-9 * np.array([0, 1, 2, 0, 1])).high


def test_one_seed_has_an_estimate_and_no_more() -> None:
    found = effect([0.3])
    assert (found.estimate, found.low, found.high, found.at_least, found.at_most) == (0.3, *(-math.inf, math.inf) * 2)
    assert math.isnan(found.p)


@pytest.mark.parametrize(("gains", "middle"), [([0.5, math.inf, 0.1, 0.3, 0.2], 0.3), ([math.inf, 0.1, 0.4, 0.2], 0.3)])
def test_the_median_of_odd_and_of_even_numbers(gains: list[float], middle: float) -> None:
    assert effect(gains).estimate == pytest.approx(middle)


def test_divergence_is_clopper_pearson_and_exact_mcnemar() -> None:
    base, other = [False] * 10, [True] * 6 + [False] * 4
    found = divergence(base, other)
    assert found["diverged"] == 6 and found["baseline"] == 0 and found["more"] and found["lost"] == [1] * 6 + [0] * 4
    assert found["low"] == pytest.approx(stats.beta.ppf(0.025, 6, 5))
    assert found["high"] == pytest.approx(stats.beta.ppf(0.975, 7, 4))
    assert found["p"] == pytest.approx(mcnemar([[4, 6], [0, 0]], exact=True).pvalue)
    assert divergence([True] * 3, [True] * 3)["p"] == 1.0


def test_holm_by_hand_and_unknown_counts_for_nothing() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    corrected = holm([0.01, math.nan, 0.04])
    assert corrected[0] == pytest.approx(0.02) and math.isnan(corrected[1])


@settings(max_examples=10, deadline=None)  # statsmodels collects garbage at each call
@given(lists(floats(0.0, 1.0), min_size=1, max_size=30))
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]), abs=1e-12)


def test_percent() -> None:
    assert percent(-math.log(0.95)) == pytest.approx(5)
    assert percent(math.log(0.5)) == pytest.approx(-100)


def test_the_near_weight_curve_is_monotone_and_clamped() -> None:
    far, near = np.array([0.0, 1.0, 2.0]), np.array([3.0, 1.0, 2.0])  # the last two are pooled to 1.5
    # Fritsch and Carlson by hand: slopes -1.5 and 0, so the derivative is 0 at 1 and ((2 + 1)(-1.5) - 0) / 2 = -2.25 at 0; the
    # cubic's middle is (3 + 1.5) / 2 + (-2.25 - 0) / 8.
    assert near_on_curve(0.5, far, near) == pytest.approx(2.25 - 2.25 / 8)
    assert near_on_curve(9.0, far, near) == pytest.approx(1.5)
    assert near_on_curve(-9.0, far, near) == pytest.approx(3.0)
