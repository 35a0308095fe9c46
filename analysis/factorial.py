"""Factorial analysis: the effect of each fix averaged over the others, and what two do together beyond their sum.

Within each seed, ln error is fitted by least squares on centred on/off terms, which on a balanced design is the analysis of
variance with sum contrasts; the estimates of the seeds are then a sample, and give interval and p. A seed is thus a block, and
its own way with a fix counts as noise: residuals of hundreds of cells of the same few seeds would promise too much.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from analysis.comparisons import Rulers
from analysis.effects import Effect, effect, holm
from analysis.rules import ALPHA
from analysis.study import Study

if TYPE_CHECKING:
    import pandas as pd

DESIGNS = ("pairs", "fractional", "covering", "cartesian")
SHARE = 0.25  # of another term's effect that an estimate may carry before it is said
ROUND_OFF = 1e-9
Pair = tuple[str, str]


@dataclass(frozen=True)
class Term:
    """A fix, or two fixes together: its gain in ln error by seed, and which terms its estimate carries besides."""

    fixes: tuple[str, ...]
    gain: Effect
    p_holm: float
    carries: tuple[str, ...]  # "2-1 x 3-1" where it cannot be told apart, "0.5 of ..." where a part of it

    @property
    def name(self) -> str:
        return " x ".join(self.fixes)

    @property
    def sure(self) -> bool:
        """Whether it is shown after Holm."""
        return self.p_holm <= ALPHA


@dataclass(frozen=True)
class Factorial:
    """Main effects, pairs (empty where the cells are too few for all of them), and each fix's share of the variance."""

    cells: int
    mains: tuple[Term, ...]
    pairs: tuple[Term, ...]
    shares: dict[str, float]


@dataclass(frozen=True)
class Columns:
    """The cells' terms: on/off columns [cells, fixes] centred, and products of two of different issues."""

    keys: tuple[str, ...]
    fixes: tuple[str, ...]
    mains: np.ndarray
    pair_names: tuple[Pair, ...]
    pair_columns: np.ndarray


def product_cells(study: Study) -> pd.DataFrame:
    """The plan's rows that a factorial analysis is about; empty in a study of other designs. The baseline is among them."""
    plan = study.plan[study.plan["key"].notna() & (study.plan["numbers"] == "{}")]
    inside = plan["design"].isin(DESIGNS)
    return plan[inside | (plan["fixes"] == "")].drop_duplicates("fixes") if inside.any() else plan[:0]


def averaged(study: Study) -> bool:
    """Whether main effects are averages over the other fixes, or of each fix by itself."""
    return bool(study.plan["design"].isin(set(DESIGNS) - {"pairs"}).any())


def columns(study: Study) -> Columns:
    """Centred: a fix of an issue with L levels (itself, its siblings, none) has 1 - 1/L where it is on and -1/L elsewhere, so
    that every level of an issue counts alike. In a design of pairs alone no fix is ever among many: there it has 1 and 0, and
    its effect is that of the fix by itself."""
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
    """Whether interactions can be estimated, going by the plan alone."""
    if product_cells(study).empty:
        return False
    c = columns(study)
    return fit(c)[2]


def fit(c: Columns) -> tuple[np.ndarray, list[int], bool]:
    """The matrix to fit, the pairs in it (by their place in `pair_names`), and whether they are in it: with too few cells for
    all distinct pairs, main effects alone."""
    chosen, _ = distinct(c.pair_columns, c.mains)
    ones = np.ones((len(c.keys), 1))
    large = np.hstack([ones, c.mains, c.pair_columns[:, chosen]])
    if chosen and np.linalg.matrix_rank(large) == large.shape[1] <= len(c.keys):
        return large, chosen, True
    return np.hstack([ones, c.mains]), [], False


@lru_cache(maxsize=8)
def factorial(rulers: Rulers, measure: str = "final_near_abs_rel") -> Factorial | None:
    """The factorial analysis of a study on one lower-is-better measure; None where it has no product of fixes."""
    if product_cells(rulers.study).empty:
        return None
    c = columns(rulers.study)
    matrix, chosen, with_pairs = fit(c)
    twins = distinct(c.pair_columns, c.mains)[1]
    small = matrix[:, : 1 + len(c.fixes)]
    log = np.log(rulers.table[measure])
    y = np.array([[float(log[(key, seed)]) for seed in rulers.study.seeds] for key in c.keys])
    gains = -np.linalg.lstsq(matrix, y, rcond=None)[0][1:]  # [terms, seeds]
    gains[np.abs(gains) < ROUND_OFF] = 0.0  # what is equal by algebra must not look sure
    count = len(c.fixes)
    carried = carries(small, c, () if with_pairs else range(len(c.pair_names)))
    mains = _terms([(fix,) for fix in c.fixes], gains[:count], carried)
    names = [" x ".join(pair) for pair in c.pair_names]
    twin_names = [tuple(names[k] for k in twins[at]) for at in chosen]
    pairs = _terms([c.pair_names[at] for at in chosen], gains[count:], twin_names) if with_pairs else ()
    return Factorial(len(c.keys), mains, pairs, variance_shares(small, y.mean(axis=1), c.fixes))


def distinct(products: np.ndarray, mains: np.ndarray) -> tuple[list[int], dict[int, list[int]]]:
    """One of each set of pair columns that are the same up to sign and constant, and the others of its set.

    A pair that repeats a main effect stands for no set: nothing can be said about it.
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
    """For each main effect, the pairs left out of the fit whose effect its estimate contains: the alias matrix
    (X'X)^-1 X'Z (Box, Hunter and Hunter 2005, 6.7), where it is a quarter or more."""
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
    """Issue -> share of the variance between cells (means over seeds) that only its own terms explain: the sum of squares lost
    by leaving them out, which on a balanced product is functional ANOVA's share."""

    def residual(matrix: np.ndarray) -> float:
        rest = y - matrix @ np.linalg.lstsq(matrix, y, rcond=None)[0]
        return float(rest @ rest)

    whole, total = residual(small), float(((y - y.mean()) ** 2).sum())
    shares = {}
    for issue in dict.fromkeys(fix.split("-")[0] for fix in fixes):
        kept = [0, *(1 + k for k, fix in enumerate(fixes) if fix.split("-")[0] != issue)]
        shares[issue] = (residual(small[:, kept]) - whole) / total if total > 0 else 0.0
    return shares
