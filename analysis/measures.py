"""Measures of a trial: wobble, time to the target, mean error, and how well each logged series follows the probe error.

Errors are near RMSE of ln depth on the probe, y their logarithms, time is in training steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from analysis.rulers import PROBE_NEAR
from analysis.study import Study

if TYPE_CHECKING:
    import pandas as pd

LEAST_PROBES = 8  # fewer are not enough to fit a trend
DROPPED = 0.05  # share of the run that wobble leaves out at its start
TARGET = 0.95  # share of the baseline's log improvement
RUN = 3  # consecutive probes at or below the target
LAST = 0.20  # share of the evaluations that count as final; runner/training/evaluations.py has the same
SERIES = ("loss", "normalised_loss", "batch_near_error")


def wobble(values: Sequence[float] | np.ndarray) -> float:
    """Standard deviation of ln(values) around its Savitzky-Golay trend (order 2, a tenth of the run wide, five
    evaluations at least), the first 5 % dropped.

    The trend is fitted to all values before the first are dropped: at the edge of a window a steep start would count as
    wobble. Changes slower than its window belong to the trend. NaN if fewer than eight values remain; inf if a value
    is not a positive finite number.
    """
    from scipy.signal import savgol_filter

    every = np.asarray(values, dtype=float)
    dropped = math.ceil(DROPPED * len(every))
    if len(every) - dropped < LEAST_PROBES:
        return math.nan
    if not np.all(np.isfinite(every) & (every > 0)):
        return math.inf
    y = np.log(every)
    window = max(5, 2 * (len(y) // 20) + 1)
    return float(np.std((y - savgol_filter(y, window, 2))[dropped:], ddof=1))


def first_arrival(steps: Sequence[float] | np.ndarray, errors: Sequence[float] | np.ndarray, target: float) -> float:
    """Step of the first of three consecutive probes at or below `target`; inf if there is none.

    Step 0, of a network that training goes on from, is no arrival: nothing was trained yet.
    """
    at = np.asarray(steps, dtype=float)
    below = (np.asarray(errors, dtype=float) <= target) & (at > 0)
    for i in range(len(below) - RUN + 1):
        if below[i : i + RUN].all():
            return float(at[i])
    return math.inf


def counted_as_final(evaluations: int) -> int:
    """How many of so many evaluations count as final: the last fifth, one at least."""
    return max(1, round(LAST * evaluations))


def target_error(curves: Sequence[np.ndarray]) -> float:
    """Error at 95 % of the baseline's log improvement, between medians over seeds of its first and final errors.

    All seeds share this target: the baseline would always reach a target computed from the same seed, and an equal
    configuration would reach it only by chance.
    """
    start = float(np.median([math.log(curve[0]) for curve in curves]))
    end = float(np.median([np.log(curve[-counted_as_final(len(curve)) :]).mean() for curve in curves]))
    return math.exp(start + TARGET * (end - start))


def baseline_target(study: Study) -> float:
    """The near error on the probe that counts as the target in this study."""
    own = study.curves[study.curves["key"] == study.baseline]
    return target_error([curve.to_numpy() for _, curve in own.groupby("seed")[PROBE_NEAR]])


def agreement(series: Sequence[float] | np.ndarray, truth: Sequence[float] | np.ndarray) -> float:
    """Share of the changes of `truth` between evaluations at which `series` changes in the same direction; 0.5 is chance.

    Evaluations where either is not finite are left out. A `series` that does not change never agrees. NaN if `truth` never
    changes.
    """
    a, b = _both_finite(series, truth)
    moved = np.diff(b) != 0
    if not moved.any():
        return math.nan
    return float(np.mean(np.sign(np.diff(a)[moved]) == np.sign(np.diff(b)[moved])))


def rank_agreement(series: Sequence[float] | np.ndarray, truth: Sequence[float] | np.ndarray) -> float:
    """Kendall tau between `series` and `truth` on the last half of the run; NaN if it is too short or one is constant."""
    from scipy.stats import kendalltau

    a, b = _both_finite(series, truth)
    a, b = a[len(a) // 2 :], b[len(b) // 2 :]
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(kendalltau(a, b).statistic)


def trial_measures(study: Study) -> pd.DataFrame:
    """One row per trial, indexed by (key, seed). A diverged trial has infinite wobble and tau; its recorded errors are kept."""
    import pandas as pd

    target = baseline_target(study)
    trials = study.trials.set_index(["key", "seed"])
    lost = (trials["status"] == "diverged").to_dict()
    curves = study.curves.groupby(["key", "seed"])
    rows = {trial: {"diverged": lost[trial], **_of_curve(curve, target, lost[trial])} for trial, curve in curves}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis(["key", "seed"])
    columns = [
        name for name in study.trials if str(name).startswith(("final_", "trivial_", "grad_norm", "loss_spikes", "bn_gap"))
    ]
    return table.join(trials[columns])


def _of_curve(curve: pd.DataFrame, target: float, diverged: bool) -> dict[str, float]:
    steps, errors = curve["step"].to_numpy(float), curve[PROBE_NEAR].to_numpy(float)
    tau = math.inf if diverged else first_arrival(steps, errors, target)
    own = curve["loss"].to_numpy(float)
    row = {
        "wobble": math.inf if diverged else wobble(errors),
        "own_wobble": math.inf if diverged else wobble(own[np.isfinite(own)]),
        "tau": tau,
        "tau_capped": min(tau, float(steps[-1])),
        "mean_log_error": float(np.log(errors).mean()),
    }
    for name in SERIES:
        if name in curve:
            row[f"agree_{name}"] = agreement(curve[name].to_numpy(float), errors)
            row[f"rank_{name}"] = rank_agreement(curve[name].to_numpy(float), errors)
    return row


def _both_finite(series: Sequence[float] | np.ndarray, truth: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(series, dtype=float), np.asarray(truth, dtype=float)
    kept = np.isfinite(a) & np.isfinite(b)
    return a[kept], b[kept]
