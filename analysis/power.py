"""How many seeds: what a study's own spread between seeds lets it tell apart, and how many would tell what one asks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from analysis.effects import percent
from analysis.rules import ALPHA, FIVE_PERCENT, TWO_PERCENT, distinct

POWER = 0.80
MOST_SEEDS = 1000
RULERS = {
    "near": "near error",
    "far": "far error",
    "stability": "wobble",
    "convergence": "speed",
}


@dataclass(frozen=True)
class Power:
    """What n seeds can do where per-seed log gains spread by `sd`: at level 0.05, with power 0.8."""

    ruler: str
    sd: float  # of ln ratios between seeds; the median over the fixes
    n: int
    detectable: float  # least log gain that n seeds tell from zero
    asked: float  # log gain
    seeds_for_asked: float
    seeds_for_equivalence: float  # to show "under 2 %" of what truly does nothing

    @property
    def words(self) -> str:
        """One sentence: with 3 seeds a change of 7 % shows; for 5 % run 10."""
        told = f"{percent(self.detectable):.2g} %" if self.detectable < math.log(10) else "not even a tenfold change"
        asked = f"for {percent(self.asked):.2g} % run {seeds(self.seeds_for_asked)}"
        nothing = f'to show "under 2 %" run {seeds(self.seeds_for_equivalence)}'
        return f"{self.ruler}: with {self.n} seeds a change of {told} shows; {asked}; {nothing}"


def power_lines(study_dir: Path | str, asked_percent: float = 5.0) -> list[str]:
    """A sentence per ruler on a complete study: what its seeds tell apart, and how many would tell the asked gain."""
    from analysis.judge import verdicts

    found = power(verdicts(study_dir), -math.log(1 - asked_percent / 100))
    spreads = "spreads between seeds are medians over the fixes; level 0.05 before Holm, power 0.8"
    return (
        [*(entry.words for entry in found), f"({spreads})"] if found else ["one seed has no spread: nothing can be told apart"]
    )


def power(judged: dict[str, Any], asked: float = FIVE_PERCENT) -> list[Power]:
    """A line for each ruler, from the per-seed gains of the distinct fixes in verdicts.json; `asked` is a log gain.

    Level 0.05 two-sided, power 0.8, before Holm. Trials that diverged have infinite or capped gains and are left out of the
    spread, as are rulers with fewer than two seeds.
    """
    finished, found = [fix for fix in distinct(judged) if not fix["divergence"]["diverged"]], []
    for ruler, name in RULERS.items():
        spreads = [sd for fix in finished if (sd := spread(fix[ruler]["values"])) > 0]
        if spreads:
            sd, n = float(np.median(spreads)), len(judged["seeds"])
            for_asked, for_nothing = seeds_to_tell(asked, sd), seeds_to_show_nothing(TWO_PERCENT, sd)
            found.append(Power(name, sd, n, detectable_gain(n, sd), asked, for_asked, for_nothing))
    return found


def spread(values: list[float]) -> float:
    """Standard deviation of per-seed gains; NaN with fewer than two or where one is infinite."""
    return float(np.std(values, ddof=1)) if len(values) > 1 and np.isfinite(values).all() else math.nan


def detectable_gain(n: int, sd: float, level: float = ALPHA) -> float:
    """Least log gain that a two-sided paired t test with n seeds finds with power 0.8; inf with one seed."""
    from statsmodels.stats.power import TTestPower

    if n < 2:
        return math.inf
    return sd * float(TTestPower().solve_power(effect_size=None, nobs=n, alpha=level, power=POWER))


def seeds_to_tell(gain: float, sd: float, level: float = ALPHA) -> float:
    """Least number of seeds with which a log gain of this size is found with power 0.8; inf beyond 1000."""
    from statsmodels.stats.power import TTestPower

    test = TTestPower()
    reached = (n for n in range(2, MOST_SEEDS + 1) if test.power(gain / sd, n, level) >= POWER)
    return float(next(reached, math.inf))


def seeds_to_show_nothing(band: float, sd: float) -> float:
    """Least number of seeds with which two one-sided tests at 5 % put a true zero inside +-band with power 0.8."""
    if power_of_equivalence(band / sd, MOST_SEEDS) < POWER:
        return math.inf
    low, high = 1, MOST_SEEDS  # bisected: power rises with n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of_equivalence(band / sd, middle) >= POWER else (middle, high)
    return float(high)


@lru_cache(maxsize=4096)
def power_of_equivalence(band: float, n: int, level: float = ALPHA) -> float:
    """Chance that the 1 - 2 level interval of n gains with mean zero lies inside +-band (in standard deviations).

    Given the sample deviation s, the mean must lie within band - t s / sqrt(n); s^2 (n - 1) is chi-squared (Owen 1965).
    """
    from scipy.integrate import quad
    from scipy.stats import chi, norm, t

    free = n - 1
    critical = t.ppf(1 - level, free) / math.sqrt(n)
    most = band / critical * math.sqrt(free)  # of the chi variable; a larger deviation leaves no room

    def inside(x: float) -> float:
        room = band - critical * x / math.sqrt(free)
        return float(chi.pdf(x, free) * (2 * norm.cdf(room * math.sqrt(n)) - 1))

    low, high = (max(0.0, math.sqrt(free) - 8), min(most, math.sqrt(free) + 8))
    return float(quad(inside, low, high)[0]) if high > low else 0.0


def seeds(count: float) -> str:
    """A number of seeds in words."""
    return f"more than {MOST_SEEDS}" if math.isinf(count) else f"{count:.0f}"
