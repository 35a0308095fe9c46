"""How many seeds: against hand-known figures and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.effects import effect
from analysis.power import (
    detectable_gain,
    power_by_measure,
    power_lines,
    power_of_equivalence,
    seed_sd,
    seeds_to_show_nothing,
    seeds_to_tell,
)

FIVE_PERCENT, BAND = -math.log(0.95), 0.0202


@pytest.mark.parametrize(("sd", "tell", "equal"), [(0.05, 10, 54), (0.03, 5, 21)])
def test_the_known_figures(sd: float, tell: int, equal: int) -> None:
    """At a standard deviation of 0.05, 10 seeds tell 0 from 5 % and 54 prove equivalence; at 0.03, 5 and 21 (`nct` tables)."""
    assert seeds_to_tell(FIVE_PERCENT, sd) == tell
    assert seeds_to_show_nothing(BAND, sd) == equal


@pytest.mark.parametrize("n", [3, 6, 12])
def test_the_detectable_gain_is_found_as_often_as_said(n: int) -> None:
    gain, rng = detectable_gain(n, 0.05), np.random.default_rng(n)
    found = np.mean([effect(rng.normal(gain, 0.05, n)).p <= 0.05 for _ in range(1500)])
    assert found == pytest.approx(0.8, abs=0.04)  # 4 standard errors


@pytest.mark.parametrize(("n", "sd"), [(6, 0.012), (12, 0.022), (10, 0.02)])
def test_equivalence_is_shown_as_often_as_said(n: int, sd: float) -> None:
    rng = np.random.default_rng(n)
    effects = [effect(rng.normal(0, sd, n)) for _ in range(1500)]
    shown = np.mean([e.at_least > -BAND and e.at_most < BAND for e in effects])
    assert shown == pytest.approx(power_of_equivalence(BAND / sd, n), abs=0.05)


@pytest.mark.parametrize(("n", "sd"), [(3, 0.004), (4, 0.008), (6, 0.012)])
def test_the_chance_of_equivalence_to_the_third_digit(n: int, sd: float) -> None:
    """Of 400,000 simulated studies; few seeds, where one degree of freedom more or less matters. Four standard errors."""
    gains = np.random.default_rng(n).normal(0, sd, (400_000, n))
    half = stats.t.ppf(0.95, n - 1) * gains.std(axis=1, ddof=1) / math.sqrt(n)
    shown = np.mean(np.abs(gains.mean(axis=1)) + half < BAND)
    assert power_of_equivalence(BAND / sd, n) == pytest.approx(shown, abs=0.0033)


def test_what_cannot_be_told() -> None:
    assert seeds_to_tell(0.001, 0.5) == math.inf
    assert seeds_to_show_nothing(0.001, 0.5) == math.inf
    assert detectable_gain(1, 0.05) == math.inf
    assert seed_sd([0.1, 0.3]) == pytest.approx(0.1 * math.sqrt(2))
    assert math.isnan(seed_sd([0.1])) and math.isnan(seed_sd([0.1, -math.inf]))


def test_a_study_says_what_its_seeds_can_do(judged: dict, small) -> None:
    near = power_by_measure(judged)[0]
    distinct = [f for f in judged["fixes"] if f["key"] and not f["same_as"] and not f["divergence"]["diverged"]]
    assert near.sd == pytest.approx(np.median([np.std(fix["near"]["values"], ddof=1) for fix in distinct]))
    lines = power_lines(small, 3.0)
    assert "near error: with 8 seeds a change of" in lines[0] and "for 3 % run" in lines[0]
