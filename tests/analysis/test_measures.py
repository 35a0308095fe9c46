"""Measures on curves whose values are known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import savgol_filter

from analysis.comparisons import speed_gain
from analysis.measures import agreement, counted_as_final, first_arrival, rank_agreement, target_error, wobble


def test_a_quadratic_in_the_logarithm_does_not_wobble() -> None:
    u = np.linspace(0, 1, 61)
    assert wobble(np.exp(1 - 3 * u + u**2)) == pytest.approx(0, abs=1e-12)


def test_wobble_is_scale_free_and_proportional_to_the_noise() -> None:
    noise = np.random.default_rng(0).standard_normal(101)
    one, two = wobble(np.exp(0.01 * noise)), wobble(7 * np.exp(0.02 * noise))
    assert two == pytest.approx(2 * one, rel=1e-9)
    y = 0.01 * noise
    rest = (y - savgol_filter(y, 11, 2))[6:]  # a tenth of the run wide; 5 % of 101, rounded up
    assert one == pytest.approx(np.std(rest, ddof=1))


@pytest.mark.parametrize("count", [12, 60, 101, 150])
def test_wobble_by_a_fit_in_each_window(count: int) -> None:
    """A parabola through each value's neighbours, five at least, a tenth of the run and odd; the ends by the last window's."""
    y = np.cumsum(0.02 * np.random.default_rng(count).standard_normal(count))
    half = {12: 2, 60: 3, 101: 5, 150: 7}[count]
    rest = []
    for i in range(math.ceil(count / 20), count):
        middle = min(max(i, half), count - 1 - half)
        window = np.arange(middle - half, middle + half + 1)
        rest.append(y[i] - np.polyval(np.polyfit(window - middle, y[window], 2), i - middle))
    assert wobble(np.exp(y)) == pytest.approx(np.std(rest, ddof=1), rel=1e-9)


def test_eight_values_are_the_fewest() -> None:
    """Of nine a twentieth, one, is dropped."""
    assert wobble(np.exp([0.0, 1.0] * 4 + [0.0])) > 0.1
    assert math.isnan(wobble(np.exp([0.0, 1.0] * 4)))


def test_a_steep_smooth_start_does_not_count() -> None:
    t, noise = np.linspace(0, 1, 121), np.random.default_rng(1).standard_normal(121)
    calm, steep = (np.exp(height * np.exp(-10 * t) + 0.01 * noise) for height in (0.0, 2.5))
    assert wobble(steep) == pytest.approx(wobble(calm), rel=0.05)


def test_wobble_of_too_few_and_of_broken_curves() -> None:
    assert math.isnan(wobble([1, 2, 3]))
    assert wobble([1.0] * 20 + [math.nan] * 20) == math.inf
    assert wobble([1.0] * 20 + [0.0]) == math.inf


def test_arrival_needs_three_in_a_row() -> None:
    steps = [0, 10, 20, 30, 40, 50, 60]
    assert first_arrival(steps, [9, 1, 1, 9, 1, 1, 1], 1.0) == 40
    assert first_arrival(steps, [9, 1, 1, 1, 9, 9, 9], 1.0) == 10
    assert first_arrival(steps, [9, 1, 1, 9, 1, 1, 9], 1.0) == math.inf
    assert first_arrival(steps[:2], [1, 1], 1.0) == math.inf


def test_a_network_that_training_goes_on_from_has_not_arrived() -> None:
    assert first_arrival([0, 10, 20, 30], [1, 1, 1, 1], 1.0) == 10


def test_target_is_95_percent_of_the_log_improvement() -> None:
    curve = np.exp(np.array([0.0] + [-2.0] * 19))
    assert target_error([curve, curve, curve]) == pytest.approx(math.exp(-1.9))
    straight = np.exp(-0.1 * np.arange(20))  # the last fifth: -1.6, -1.7, -1.8 and -1.9
    assert target_error([straight]) == pytest.approx(math.exp(-0.95 * 1.75))
    assert target_error([curve, curve, np.ones(20)]) == pytest.approx(math.exp(-1.9))  # the median: one lost seed moves nothing


def test_what_counts_as_final() -> None:
    """A fifth, rounded, and one at least."""
    assert [counted_as_final(n) for n in (1, 2, 3, 7, 8, 10, 30, 240)] == [1, 1, 1, 1, 2, 2, 6, 48]


def test_agreement_by_hand() -> None:
    truth = [5, 4, 3, 4, 2]
    assert agreement([5, 4, 5, 6, 1], truth) == 0.75
    assert agreement([1, 1, 1, 1, 1], truth) == 0.0  # standing still agrees with nothing
    assert agreement([math.nan, 4, 3, 4, 2], truth) == 1.0
    assert agreement([1, 2, 3, 2], [1, 1, 2, 1]) == 1.0  # where the truth stands still nobody is asked
    assert math.isnan(agreement([1, 2], [3, 3]))


def test_rank_agreement_by_hand() -> None:
    assert rank_agreement([9, 9, 9, 1, 2, 3], [0, 0, 0, 1, 2, 3]) == pytest.approx(1.0)
    assert rank_agreement([9, 9, 9, 1, 3, 2], [0, 0, 0, 1, 2, 3]) == pytest.approx(1 / 3)
    assert math.isnan(rank_agreement([1] * 6, [1, 2, 3, 4, 5, 6]))


def test_speed_gain_of_a_straight_fall() -> None:
    steps = np.linspace(0, 1, 1001)
    # y = -u; at 1.25 times the speed y = -1.25 u to u = 0.8, then -1: mean -0.6 against -0.5
    assert speed_gain(steps, -steps, 1.25) == pytest.approx(0.1, abs=1e-3)
    assert speed_gain(steps, -steps, 1.0) == 0.0
