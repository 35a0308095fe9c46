"""How good a study's networks are, and whether it is too early to conclude anything from their differences.

The trivial predictor says the median depth of the training frames everywhere. A network beats it near (under 1 m) and far at
once only if it tells near from far: as long as that median lies between the middles of the two, any other single depth that is
closer to one is further from the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.comparisons import MeasuredStudy
from analysis.promises import full_key
from analysis.rulers import DECIDING, PROBE, SIDES
from analysis.rules import VOID
from analysis.study import Study, seeds_in_words

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("delta1", "near_delta1", "far_delta1", "near_abs_rel", "far_abs_rel", "near_rmse_log", "far_rmse_log")
LAST = 0.2  # share of the training, at its end, over which the error may no longer fall
STILL_FALLS = 0.05  # share of the error; a larger fall makes a study early
LEAST_EVALUATIONS = 3  # fewer in that share do not tell a fall
LONGER = 4  # times as many steps are suggested
EARLY = "early"


def judge_regime(measured: MeasuredStudy) -> dict[str, Any]:
    """The entry "regime" of verdicts.json.

    levels, trivial: errors and shares of pixels on validation frames, means over the seeds that all have, `seeds`
    beats_trivial:   near and far, whether the mean over seeds of ln(the baseline's final RMSE of ln depth / the trivial
                     predictor's, same seed, same frames) is below 0
    falls:           share by which the baseline's error falls in the last fifth of training (`fall`); None if unknown
    early:           whether there is a reason not to conclude anything yet
    reasons, advice: why, and what to do, as text
    """
    study = measured.study
    ratios = {side: float(np.mean(log_ratios(measured, side))) for side in SIDES}
    steps = int(study.meta["experiment"]["training"]["steps"])
    fallen = fall(study.curves[study.curves["key"] == study.baseline], steps)
    falls = None if math.isnan(fallen) else 1 - math.exp(-fallen)
    reasons = [*_unfinished(study), *_no_better(ratios), *_still_learning(falls)]
    return {
        "seeds": len(study.shared_seeds),
        "levels": named_levels(measured),
        "trivial": level(measured, study.baseline, "trivial"),
        "beats_trivial": {side: ratio < 0 for side, ratio in ratios.items()},
        "falls": falls,
        "early": bool(reasons),
        "reasons": reasons,
        "advice": "continue with --resume" if _unfinished(study) else f"train longer: --set training.steps={LONGER * steps}",
    }


def log_ratios(measured: MeasuredStudy, side: str) -> np.ndarray:
    """ln(the baseline's final error / the trivial predictor's) near or far, one per seed; a diverged seed gives 0."""
    own, trivial = (measured.values(f"{kind}_{side}_{DECIDING}", measured.study.baseline) for kind in ("final", "trivial"))
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(own == trivial, 0.0, np.log(own) - np.log(trivial)))


def fall(curves: pd.DataFrame, steps: int) -> float:
    """By how much ln(probe RMSE of ln depth, all pixels) falls in the last fifth of `steps`; NaN if a seed has under three
    evaluations there."""
    last = curves[curves["step"] >= (1 - LAST - 1e-9) * steps]
    seeds = [(own["step"].to_numpy(float), np.log(own[PROBE].to_numpy(float))) for _, own in last.groupby("seed")]
    if min((len(x) for x, _ in seeds), default=0) < LEAST_EVALUATIONS:
        return math.nan
    return -median_slope(seeds) * LAST * steps


def median_slope(seeds: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """The median of the slopes between every two points (x, y) of the same seed, of all seeds together.

    By Theil (1950) and Sen (1968); by seeds as Hirsch et al. (1982) by seasons. Where the learning rate stays high, single
    evaluations jump: then it varies half as much as a least-squares line, or as the means of the last tenth and of the tenth
    before; without jumps a tenth more than the line (`tests/analysis/test_regime.py`).
    """
    return float(np.median(np.concatenate([_slopes(x, y) for x, y in seeds])))


def _slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    one, other = np.triu_indices(len(x), 1)
    return np.asarray((y[other] - y[one]) / (x[other] - x[one]))


def level(measured: MeasuredStudy, key: str, kind: str = "final") -> dict[str, float]:
    """The means of `MEASURES` over the seeds that all configurations have, of one of them or ("trivial") of the trivial
    predictor on its frames."""
    seeds = measured.study.shared_seeds
    return {name: float(np.mean(measured.values(f"{kind}_{name}", key, seeds))) for name in MEASURES}


def named_levels(measured: MeasuredStudy) -> list[dict[str, Any]]:
    """The baseline, the best configuration and the document's whole recommendation, each once, with its name and level."""
    study = measured.study
    trained = study.plan[study.plan["status"] == "trained"]
    names = {study.baseline: ["baseline"]}
    if len(trained) > 1:
        key, cell = best_cell(measured, trained)
        names[key] = [*names[key], f"the best of {len(trained)}"] if key in names else [f"best of {len(trained)}: {cell}"]
    if (whole := full_key(study)) is not None:
        names.setdefault(whole, []).append("the document's whole recommendation")
    return [{"name": ", ".join(parts), "key": key, **level(measured, key)} for key, parts in names.items()]


def best_cell(measured: MeasuredStudy, trained: pd.DataFrame) -> tuple[str, str]:
    """Key and cell of the configuration with the lowest RMSE of ln depth over all pixels (geometric mean over seeds)."""
    cells = dict(zip(trained["key"], trained["cell"], strict=True))
    seeds = measured.study.shared_seeds
    best = min(cells, key=lambda key: float(np.log(measured.values(f"final_{DECIDING}", key, seeds)).mean()))
    return str(best), str(cells[best]).removeprefix("+")


def _unfinished(study: Study) -> list[str]:
    """The reason that the first look is yet to come, if it is."""
    few = len(study.seeds) < study.looks[0] and not study.finished
    return [f"{len(study.seeds)} of {seeds_in_words(study.looks[0])} are there"] if few else []


def _no_better(ratios: dict[str, float]) -> list[str]:
    """The reason that the baseline is no better than the trivial predictor, if it is not."""
    lost = {side: f"{math.exp(ratio):.2f}" for side, ratio in ratios.items() if not ratio < 0}
    if not lost:
        return []
    times = " and ".join(f"its {side} error is {ratio} times that depth's" for side, ratio in lost.items())
    return [f"the baseline is no better than one depth everywhere, the training median: {times} (RMSE of ln depth)"]


def _still_learning(falls: float | None) -> list[str]:
    """The reason that the error still falls, or that this is unknown."""
    if falls is None:
        return [
            f"under {LEAST_EVALUATIONS} evaluations in the last fifth of training: whether the error still falls is unknown"
        ]
    if falls > STILL_FALLS:
        return [f"the baseline's error still falls, by {falls:.0%} in the last fifth of training".replace("%", " %")]
    return []


def is_early(judged: dict[str, Any]) -> bool:
    """Whether nothing may be concluded from the study yet."""
    return bool(judged["regime"]["early"])


def said(judged: dict[str, Any], verdict: str) -> str:
    """A verdict as it is printed: "early: harmful" in an early study.

    >>> said({"regime": {"early": True}}, "harmful")
    'early: harmful'
    """
    return f"{EARLY}: {verdict}" if is_early(judged) else verdict


def early_sentence(text: str) -> str:
    """A sentence of an early study.

    >>> early_sentence("None is to adopt")
    'Early: none is to adopt'
    """
    is_name = text.split()[0][1:] != text.split()[0][1:].lower()  # AbsRel
    return f"{EARLY.capitalize()}: {text[0] if is_name else text[0].lower()}{text[1:]}"


def why_early(judged: dict[str, Any]) -> str:
    """The reasons and what to do, as text."""
    return f"{'; '.join(judged['regime']['reasons'])}; {judged['regime']['advice']}"


def marked(judged: dict[str, Any]) -> dict[str, Any]:
    """The verdicts of an early study: every promise void, and "early" before the words on each fix and issue."""
    void = [{**entry, "verdict": VOID} for entry in judged["promises"]]
    entries = {
        name: [{**entry, "words": f"{EARLY}: {entry['words']}"} for entry in judged[name]] for name in ("fixes", "issues")
    }
    return {**judged, **entries, "promises": void}
