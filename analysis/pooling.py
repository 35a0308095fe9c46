"""One gain from several studies: a random-effects estimate, where the studies do not contradict each other."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from analysis.effects import ROUND_OFF
from analysis.study import Study
from analysis.study_files import within

DIFFERS_AT = 0.05  # p of Welch's test below which the studies have different gains


@dataclass(frozen=True)
class Pooled:
    """A log gain over studies, its 95 % interval, and the p value of the gain being the same in all of them."""

    estimate: float
    low: float
    high: float
    p_same: float
    studies: int

    @property
    def differs(self) -> bool:
        """Whether the studies contradict each other, so that no single gain stands for them."""
        return self.p_same < DIFFERS_AT

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def pool(gains: Sequence[Sequence[float]]) -> Pooled | None:
    """Pool independent studies, each given as its gains by seed; None where one of them, or all but one, has no interval.

    The estimate and its standard error are those of random effects (DerSimonian and Laird 1986); a study's standard error is
    that of its t interval, s / sqrt(n). The interval is a t interval with the degrees of freedom of Welch and Satterthwaite:
    with a normal quantile, as is usual, two studies of six seeds would be covered in 91 % of the cases, not 95. Whether the
    gain is the same in all is asked by Welch's test, Cochran's Q with the number of seeds taken into account.
    """
    from scipy.stats import t
    from statsmodels.stats.meta_analysis import combine_effects
    from statsmodels.stats.oneway import anova_oneway

    values = [np.asarray(own, dtype=float) for own in gains]
    if len(values) < 2 or not all(map(_has_interval, values)):
        return None
    means, counts = np.array([own.mean() for own in values]), np.array([len(own) for own in values])
    variances = np.array([own.var(ddof=1) for own in values]) / counts
    with np.errstate(divide="ignore", invalid="ignore"):  # of what is not used where the studies agree
        found = combine_effects(means, variances, method_re="dl")
    # Without spread between the studies statsmodels leaves its variance negative, where it should be 0: the fixed effect.
    estimate, error, shares = (
        (found.mean_effect_re, found.sd_eff_w_re, found.weights_rel_re)
        if found.tau2 > 0
        else (found.mean_effect_fe, found.sd_eff_w_fe, found.weights_rel_fe)
    )
    half = float(error * t.ppf(0.975, 1 / (shares**2 / (counts - 1)).sum()))
    p = float(anova_oneway(values, use_var="unequal", welch_correction=True).pvalue)
    return Pooled(float(estimate), float(estimate) - half, float(estimate) + half, p, len(values))


def _has_interval(gains: np.ndarray) -> bool:
    return len(gains) > 1 and bool(np.isfinite(gains).all()) and np.ptp(gains) > ROUND_OFF * np.abs(gains).max()


def pooled_studies(studies: Sequence[Study], names: Sequence[str], early: Sequence[bool]) -> tuple[list[int], str]:
    """Which of the studies are pooled, by number, and a sentence that says why the others are not; empty if all are.

    Pooled are studies of one loss that are not early, if no two of them share a seed on the same frames: two trainings from
    the same weights on the same frames are not independent, and pooled they would look surer than they are.
    """
    late = [at for at in range(len(studies)) if not early[at]]
    losses = [within(studies[at].meta, "experiment", "loss") or {} for at in late]
    if any(loss != losses[0] for loss in losses):
        return [], "Not pooled: the studies have other numbers of the loss, so other baselines."
    for one, other in itertools.combinations(late, 2):
        if _frames(studies[one]) == _frames(studies[other]) and set(studies[one].seeds) & set(studies[other].seeds):
            both = f"{names[one]} and {names[other]} share seeds on the same frames"
            return [], f"Not pooled: {both}, so their gains are not independent."
    if len(late) < 2:
        return [], "Not pooled: fewer than two studies are not early."
    said = ", ".join(name for name, is_early in zip(names, early, strict=True) if is_early)
    return late, f"Early, and so not pooled: {said}." if said else ""


def _frames(study: Study) -> str:
    """Where the frames come from: the folder, or nothing for the procedural scenes."""
    folder = within(study.meta, "experiment", "data", "folder")
    return os.path.realpath(str(folder)) if folder else ""
