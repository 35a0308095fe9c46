"""The document's three promises, judged on its whole recommendation by measures that do not depend on the loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from analysis.comparisons import MeasuredStudy, known_mean
from analysis.effects import Effect, effect
from analysis.rulers import ERROR, FAR, NEAR
from analysis.rules import ALPHA, NOT_JUDGED, level_warning, not_worse_by_two_percent, promise_verdict, unless_void
from analysis.study import Study

FULL = ("1-1", "2-1", "3-1", "4-2", "5-1", "6-1", "7-1", "8-1", "9-3", "10-1")
LEVEL = 1 - ALPHA / 3
STEADIER, STEADIER_BAND = 3.0, 1.25
NEARER = -math.log(0.95)
NEAR_BAND = -math.log(0.98)  # 0.0202
READS_BETTER, READS_WORSE, READS_ALIKE = "better", "worse", "not told apart"
LOGGED_SERIES = {"7-1": "batch_near_error", "7-2": "normalised_loss"}  # what each fix of issue 7 adds to the log


def full_key(study: Study) -> str | None:
    """Key of the document's whole recommendation: the cell named "full", else with its ten fixes; None if not planned."""
    named = study.plan[study.plan["cell"] == "full"].to_dict("records")
    return named[0]["key"] if named else study.key_of(FULL)


def whole_less_one(study: Study) -> dict[str, str]:
    """The fixes that a "leave one out" cell lacks -> the key of that cell; empty if the whole recommendation was not run.

    A cell may lack one fix ("3-1") or several ("1-1 10-1"), or have another fix in its place ("5-1, not 5-1w").
    """
    plan, found = study.plan, {}
    if full_key(study) is None:
        return {}
    for row in plan[(plan["design"] == "leave one out") & plan["key"].notna()].to_dict("records"):
        has = row["fixes"].split()
        lost, other = [fix for fix in FULL if fix not in has], [fix for fix in has if fix not in FULL]
        if lost:
            found[" ".join(lost) + (f", not {' '.join(other)}" if other else "")] = str(row["key"])
    return found


def judge_promises(measured: MeasuredStudy) -> list[dict[str, Any]]:
    """One entry each for stability, convergence and near field; empty if the whole recommendation was not run.

    The first two are about a whole training: where networks went on from a trained one, they are measured and not judged.
    """
    base, full = measured.study.baseline, full_key(measured.study)
    if full is None:
        return []
    whole = [judge(measured, base, full) for judge in (_stability, _convergence)]
    if not measured.study.from_scratch:
        whole = [{**entry, "verdict": NOT_JUDGED} for entry in whole]
    return [*whole, _near(measured, base, full)]


def _entry(name: str, asked: str, found: Effect, verdict: str, **more: Any) -> dict[str, Any]:
    return {
        "promise": name, "asked": asked, **found.as_dict(), "interval": [found.low, found.high], "verdict": verdict,
        "reach": level_warning(found.n, ALPHA / 3), **more,
    }  # fmt: skip


def _stability(measured: MeasuredStudy, base: str, full: str) -> dict[str, Any]:
    found = measured.gain("wobble", base, full, LEVEL)
    near = measured.gain(NEAR, base, full)
    verdict = unless_void(promise_verdict(found, math.log(STEADIER), math.log(STEADIER_BAND)), not_worse_by_two_percent(near))
    condition = {"condition": "final near error not worse by 2 %", "condition_holds": not_worse_by_two_percent(near)}
    own = measured.gain("own_wobble", base, full, LEVEL)
    beside = {"as_the_document_would_read_it": own.as_dict(), "beside": _beside(measured, base, full)}
    limits = {"margin": math.log(STEADIER), "band": math.log(STEADIER_BAND), "measure": "wobble of ln probe near error"}
    return _entry("stability", "3 times steadier", found, verdict, **condition, **limits, **beside)


def _beside(measured: MeasuredStudy, base: str, full: str) -> list[dict[str, Any]]:
    """Other measures of stability for baseline and recommendation; not tested."""
    measures: dict[str, tuple[str, Callable[[np.ndarray], Any]]] = {
        "SD of ln gradient norm between batches": ("grad_norm_log_sd", np.median),
        "loss spikes per run (over 5 robust SD)": ("loss_spikes", np.mean),
        "SD of ln final near error between seeds": (NEAR, _log_sd),
        "share of seeds that diverge": ("diverged", np.mean),
    }
    return [
        {"name": name, "baseline": float(how(measured.values(column, base))), "full": float(how(measured.values(column, full)))}
        for name, (column, how) in measures.items()
        if column in measured.table
    ]


def _log_sd(values: np.ndarray) -> float:
    return float(np.std(np.log(values), ddof=1)) if len(values) > 1 else math.nan


def _convergence(measured: MeasuredStudy, base: str, full: str) -> dict[str, Any]:
    speed = measured.convergence(base, full, LEVEL)
    verdict = promise_verdict(speed["effect"], speed["margin"], speed["band"])
    limits = {key: speed[key] for key in ("margin", "band", "measure")}
    arrived = {arm: int(np.isfinite(measured.values("tau", key)).sum()) for arm, key in (("baseline", base), ("full", full))}
    return _entry("convergence", "20 % faster", speed["effect"], verdict, **limits, arrived=arrived)


def _near(measured: MeasuredStudy, base: str, full: str) -> dict[str, Any]:
    found = measured.gain(NEAR, base, full, LEVEL)
    far = measured.gain(FAR, base, full)
    verdict = unless_void(promise_verdict(found, NEARER, NEAR_BAND), not_worse_by_two_percent(far))
    holds = not_worse_by_two_percent(far)
    condition = {"condition": "far error not worse by 2 %", "condition_holds": holds, "far": far.as_dict()}
    beside = {"abs_rel": measured.gain("final_near_abs_rel", base, full, LEVEL).as_dict()}
    limits = {"margin": NEARER, "band": NEAR_BAND, "measure": f"final near {ERROR} on validation"}
    return _entry("near field", "5 % lower near error", found, verdict, **condition, **limits, **beside)


def judge_readability(measured: MeasuredStudy) -> list[dict[str, Any]]:
    """Issue 7: for each series that its fixes add to the log, its agreement with the probe error minus the raw loss's, by seed.

    Measured on the baseline's training, which the added series do not change. Agreement is a share of evaluations. The series
    reads better, worse, or is not told apart from the raw loss: 5 % shared by the series.
    """
    base = measured.study.baseline
    if "agree_normalised_loss" not in measured.table:
        return []
    raw = measured.values("agree_loss", base)
    entries = []
    for fix, series in LOGGED_SERIES.items():
        own = measured.values(f"agree_{series}", base)
        found = effect(own - raw, 1 - ALPHA / len(LOGGED_SERIES))
        entry = {"fix": fix, "series": series, "agreement": float(own.mean()), "raw_agreement": float(raw.mean())}
        rank, raw_rank = (known_mean(measured.values(f"rank_{name}", base)) for name in (series, "loss"))
        entries.append({**entry, "rank": rank, "raw_rank": raw_rank, **found.as_dict(), "verdict": _reads(found)})
    return entries


def _reads(found: Effect) -> str:
    return READS_BETTER if found.low > 0 else READS_WORSE if found.high < 0 else READS_ALIKE
