"""Statistical power: the gains that a study's seeds can detect, and the number of seeds needed for a given gain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from analysis.deciding import MARGIN
from analysis.effects import percent
from analysis.rulers import SIDES
from analysis.rules import ALPHA, FIVE_PERCENT, distinct_fixes

POWER = 0.80
MOST_SEEDS = 1000
POINTS = 200  # of Gauss and Legendre's rule: it equals adaptive quadrature to 1e-12, and all are computed at once
MEASURES = {"near": "near error", "far": "far error", "stability": "wobble", "convergence": "speed"}


@dataclass(frozen=True)
class Power:
    """What n seeds can detect on one measure, with power 0.8."""

    measure: str
    sd: float  # standard deviation of log gains between seeds; median over the fixes
    n: int
    detectable: float  # least log gain that n seeds detect
    asked: float  # log gain
    seeds_for_asked: float
    seeds_for_equivalence: float  # to show "within 5 %" for a true gain of zero

    @property
    def sentence(self) -> str:
        """For example: near error: with 3 seeds a change of 7 % shows; for 5 % run 10 seeds; ..."""
        detected = f"{percent(self.detectable):.2g} %" if self.detectable < math.log(10) else "not even a tenfold change"
        asked = f"for {percent(self.asked):.2g} % run {seed_count_text(self.seeds_for_asked)}"
        nothing = f'to show "within 5 %" run {seed_count_text(self.seeds_for_equivalence)}'
        return f"{self.measure}: with {self.n} seeds a change of {detected} shows; {asked}; {nothing}"


def power_lines(study_dir: Path | str, asked_percent: float = 5.0) -> list[str]:
    """A sentence per measure of a complete study: the gain its seeds detect, and the seeds needed for `asked_percent`.

    Raises StudyError: the study is broken, or trials are missing."""
    from analysis.judge import verdicts

    judged = verdicts(study_dir)
    found = power_by_measure(judged, -math.log(1 - asked_percent / 100))
    level = f"two-sided level {1 - judged['levels']['side']:.2g} near and far, else {ALPHA:g}"
    note = f"spreads between seeds are medians over the fixes; {level}, power 0.8"
    return [*(entry.sentence for entry in found), f"({note})"] if found else ["with one seed nothing can be detected"]


def power_by_measure(judged: dict[str, Any], asked: float = FIVE_PERCENT) -> list[Power]:
    """The power for each measure, from the per-seed gains of the distinct fixes in verdicts.json; `asked` is a log gain.

    Near and far at the level that decides, else 0.05, two-sided, power 0.8. Fixes with a diverged seed are left out: their
    gains are infinite or capped. So are measures with fewer than two seeds.
    """
    finished, found = [fix for fix in distinct_fixes(judged) if not fix["divergence"]["diverged"]], []
    for measure, name in MEASURES.items():
        spreads = [sd for fix in finished if (sd := seed_sd(fix[measure]["values"])) > 0]
        if spreads:
            sd, n = float(np.median(spreads)), len(judged["seeds"])
            level = 1 - judged["levels"]["side"] if measure in SIDES else ALPHA
            for_asked, for_nothing = seeds_to_tell(asked, sd, level), seeds_to_show_nothing(MARGIN, sd)
            found.append(Power(name, sd, n, detectable_gain(n, sd, level), asked, for_asked, for_nothing))
    return found


def seed_sd(values: list[float]) -> float:
    """Standard deviation of per-seed gains; NaN with fewer than two, or if one is not finite."""
    return float(np.std(values, ddof=1)) if len(values) > 1 and np.isfinite(values).all() else math.nan


def detectable_gain(n: int, sd: float, level: float = ALPHA) -> float:
    """Least log gain that a two-sided paired t test with n seeds detects with power 0.8; inf with one seed."""
    from statsmodels.stats.power import TTestPower

    if n < 2:
        return math.inf
    return sd * float(TTestPower().solve_power(effect_size=None, nobs=n, alpha=level, power=POWER))


def seeds_to_tell(gain: float, sd: float, level: float = ALPHA) -> float:
    """Least number of seeds that detects this log gain with power 0.8; inf beyond 1000."""
    from statsmodels.stats.power import TTestPower

    test = TTestPower()
    reached = (n for n in range(2, MOST_SEEDS + 1) if test.power(gain / sd, n, level) >= POWER)
    return float(next(reached, math.inf))


def seeds_to_show_nothing(band: float, sd: float) -> float:
    """Least number of seeds with which two one-sided tests at 5 % show a zero gain inside +-band with power 0.8, or inf."""
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
    from scipy.integrate import fixed_quad
    from scipy.stats import chi, norm, t

    free = n - 1
    critical = t.ppf(1 - level, free) / math.sqrt(n)
    most = band / critical * math.sqrt(free)  # of the chi variable; with more, the interval is wider than the band

    def inside(x: np.ndarray) -> np.ndarray:
        margin = band - critical * x / math.sqrt(free)
        return chi.pdf(x, free) * (2 * norm.cdf(margin * math.sqrt(n)) - 1)

    low, high = (max(0.0, math.sqrt(free) - 8), min(most, math.sqrt(free) + 8))
    return float(fixed_quad(inside, low, high, n=POINTS)[0]) if high > low else 0.0


def seed_count_text(count: float) -> str:
    return f"more than {MOST_SEEDS}" if math.isinf(count) else f"{count:.0f}"
