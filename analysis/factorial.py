"""Factorial analysis: the effect of each fix averaged over the others, and the interactions of pairs of fixes.

For each seed, ln error is fitted by least squares on centred on/off terms; on a balanced design this is the analysis of
variance with sum contrasts. Interval and p come from the estimates of all seeds: a seed is a block, and its interaction with a
fix is noise. Residuals over the cells would give too narrow intervals, since all cells share the same few seeds.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from analysis.comparisons import MeasuredStudy
from analysis.effects import Effect, effect, holm
from analysis.rulers import NEAR
from analysis.rules import ALPHA
from analysis.study import Study

if TYPE_CHECKING:
    import pandas as pd

DESIGNS = ("pairs", "fractional", "covering", "cartesian")
SHARE = 0.25  # a term that contributes less of its effect to another estimate is not named as an alias
ROUND_OFF = 1e-9
Pair = tuple[str, str]


@dataclass(frozen=True)
class Term:
    """A main effect or an interaction: its gain in ln error, and the aliases that its estimate contains."""

    fixes: tuple[str, ...]
    gain: Effect
    p_holm: float
    carries: tuple[str, ...]  # "2-1 x 3-1" for a full alias, "0.5 of ..." for a part

    @property
    def name(self) -> str:
        return " x ".join(self.fixes)

    @property
    def sure(self) -> bool:
        """Whether it differs from zero after Holm."""
        return self.p_holm <= ALPHA


@dataclass(frozen=True)
class Factorial:
    """Main effects, interactions (empty if there are too few cells for all), and each issue's share of the variance."""

    cells: int
    mains: tuple[Term, ...]
    pairs: tuple[Term, ...]
    shares: dict[str, float]


@dataclass(frozen=True)
class Columns:
    """Regression columns of the cells: centred on/off columns [cells, fixes], and products of two of different issues."""

    keys: tuple[str, ...]
    fixes: tuple[str, ...]
    mains: np.ndarray
    pair_names: tuple[Pair, ...]
    pair_columns: np.ndarray


def product_cells(study: Study) -> pd.DataFrame:
    """The rows of the plan for a factorial analysis, with the baseline; empty if no design is factorial."""
    plan = study.plan[study.plan["key"].notna() & (study.plan["numbers"] == "{}")]
    inside = plan["design"].isin(DESIGNS)
    return plan[inside | (plan["fixes"] == "")].drop_duplicates("fixes") if inside.any() else plan[:0]


def averaged(study: Study) -> bool:
    """Whether main effects are averaged over the other fixes; else they are those of each fix alone."""
    return bool(study.plan["design"].isin(set(DESIGNS) - {"pairs"}).any())


def columns(study: Study) -> Columns:
    """Regression columns of the study's factorial cells.

    A fix of an issue with L levels (each fix, and none) is 1 - 1/L where on and -1/L elsewhere, so that all levels have equal
    weight. In a design of pairs only, it is 1 or 0: its effect is that of the fix alone.
    """
    cells = product_cells(study)
    sets = [frozenset(text.split()) for text in cells["fixes"]]
    fixes = tuple(sorted(frozenset().union(*sets), key=_place))
    levels = Counter(fix.split("-")[0] for fix in fixes)
    on = np.array([[fix in own for fix in fixes] for own in sets], dtype=float).reshape(len(sets), len(fixes))
    mains = on - np.array([averaged(study) / (1 + levels[fix.split("-")[0]]) for fix in fixes])
    met = on.T @ on
    together = [
        (i, j)
        for i, j in itertools.combinations(range(len(fixes)), 2)
        if met[i, j] and fixes[i].split("-")[0] != fixes[j].split("-")[0]
    ]
    products = np.array([mains[:, i] * mains[:, j] for i, j in together]).reshape(len(together), len(sets)).T
    return Columns(tuple(cells["key"]), fixes, mains, tuple((fixes[i], fixes[j]) for i, j in together), products)


def _place(fix: str) -> tuple[int, str]:
    issue, _, variant = fix.partition("-")
    return int(issue), variant


def has_pairs(study: Study) -> bool:
    """Whether the plan allows interactions to be estimated."""
    if product_cells(study).empty:
        return False
    c = columns(study)
    return fit(c)[2]


def fit(c: Columns) -> tuple[np.ndarray, list[int], bool]:
    """The matrix to fit, the indices of its pairs in `pair_names`, and whether it has pairs.

    With too few cells for all distinct pairs it has main effects only.
    """
    chosen, _ = distinct_pairs(c.pair_columns, c.mains)
    ones = np.ones((len(c.keys), 1))
    large = np.hstack([ones, c.mains, c.pair_columns[:, chosen]])
    if chosen and np.linalg.matrix_rank(large) == large.shape[1] <= len(c.keys):
        return large, chosen, True
    return np.hstack([ones, c.mains]), [], False


@lru_cache(maxsize=8)
def factorial(measured: MeasuredStudy, measure: str = NEAR) -> Factorial | None:
    """The factorial analysis of one measure, of which lower is better; None if no design of the study is factorial."""
    if product_cells(measured.study).empty:
        return None
    c = columns(measured.study)
    matrix, chosen, with_pairs = fit(c)
    twins = distinct_pairs(c.pair_columns, c.mains)[1]
    small = matrix[:, : 1 + len(c.fixes)]
    log = np.log(measured.table[measure])
    y = np.array([[float(log[(key, seed)]) for seed in measured.study.seeds] for key in c.keys])
    gains = -np.linalg.lstsq(matrix, y, rcond=None)[0][1:]  # [terms, seeds]
    gains[np.abs(gains) < ROUND_OFF] = 0.0  # rounding of an exact zero must not look significant
    count = len(c.fixes)
    carried = carries(small, c, () if with_pairs else range(len(c.pair_names)))
    mains = _terms([(fix,) for fix in c.fixes], gains[:count], carried)
    names = [" x ".join(pair) for pair in c.pair_names]
    twin_names = [tuple(names[k] for k in twins[at]) for at in chosen]
    pairs = _terms([c.pair_names[at] for at in chosen], gains[count:], twin_names) if with_pairs else ()
    return Factorial(len(c.keys), mains, pairs, variance_shares(small, y.mean(axis=1), c.fixes))


def distinct_pairs(products: np.ndarray, mains: np.ndarray) -> tuple[list[int], dict[int, list[int]]]:
    """The first of each set of pair columns that are equal up to sign and constant, and the others of its set.

    A pair that equals a main effect or is constant is left out, since it cannot be estimated.
    """
    centred = np.hstack([mains, products]) - np.hstack([mains, products]).mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    unit = centred / np.where(length > 1e-9, length, 1.0)
    same = np.abs(unit.T @ unit) > 1 - 1e-9
    first = mains.shape[1]
    chosen, twins = list[int](), dict[int, list[int]]()
    for at in range(products.shape[1]):
        column = same[first + at]
        if length[first + at] <= 1e-9 or column[:first].any():
            continue
        earlier = next((k for k in chosen if column[first + k]), None)
        if earlier is None:
            chosen.append(at)
            twins[at] = []
        else:
            twins[earlier].append(at)
    return chosen, twins


def carries(small: np.ndarray, c: Columns, absent: range | tuple[()]) -> list[tuple[str, ...]]:
    """For each main effect, the pairs outside the fit that bias its estimate by a quarter of their effect or more: the alias
    matrix (X'X)^-1 X'Z (Box, Hunter and Hunter 2005, 6.7)."""
    if not len(absent):
        return [() for _ in c.fixes]
    alias = np.linalg.lstsq(small, c.pair_columns, rcond=None)[0][1:]
    found = []
    for row in alias:
        strong = sorted(np.flatnonzero(np.abs(row) >= SHARE), key=lambda k: -abs(row[k]))
        found.append(tuple(f"{row[k]:+.2g} of {' x '.join(c.pair_names[k])}" for k in strong))
    return found


def _terms(names: list[tuple[str, ...]], gains: np.ndarray, carried: list[tuple[str, ...]]) -> tuple[Term, ...]:
    effects = [effect(row) for row in gains]
    corrected = holm([e.p for e in effects])
    return tuple(Term(n, e, p, also) for n, e, p, also in zip(names, effects, corrected, carried, strict=True))


def variance_shares(small: np.ndarray, y: np.ndarray, fixes: tuple[str, ...]) -> dict[str, float]:
    """Issue -> share of the variance between cells (means over seeds) that only its terms explain: the increase of the residual
    sum of squares without them. On a balanced design this is functional ANOVA's share."""

    def residual(matrix: np.ndarray) -> float:
        rest = y - matrix @ np.linalg.lstsq(matrix, y, rcond=None)[0]
        return float(rest @ rest)

    whole, total = residual(small), float(((y - y.mean()) ** 2).sum())
    shares = {}
    for issue in dict.fromkeys(fix.split("-")[0] for fix in fixes):
        kept = [0, *(1 + k for k, fix in enumerate(fixes) if fix.split("-")[0] != issue)]
        shares[issue] = (residual(small[:, kept]) - whole) / total if total > 0 else 0.0
    return shares
