"""Judge a study and write verdicts.json: an entry for each fix, promise and issue, with estimate, interval, p, n and text."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from analysis.comparisons import MeasuredStudy, compare
from analysis.effects import Effect, holm
from analysis.promises import full_key, judge_promises, judge_readability, whole_less_one
from analysis.recommendation import judge_candidates, no_recommendation
from analysis.regime import judge_regime, marked
from analysis.rules import (
    ADOPT,
    ALPHA,
    CONFIRMED,
    EQUIVALENT,
    NO_EFFECT,
    NOT_RUN,
    PROVED,
    UNDECIDED,
    WORSE,
    Beyond,
    Evidence,
    fix_verdict,
    issue_verdict,
    level_warning,
)  # fmt: skip
from analysis.study import Study, load

SERIES_VERDICT = {
    CONFIRMED: (ADOPT, "follows the probe error better than the raw loss"),
    EQUIVALENT: (NO_EFFECT, "follows the probe error as well as the raw loss"),
    WORSE: (NO_EFFECT, "follows the probe error worse than the raw loss"),
}


def verdicts(study: Study | Path | str) -> dict[str, Any]:
    """The verdicts on a study. Gains are natural logs of error ratios; positive is better.

    Raises:
        StudyError: the study is broken, or trials are missing.
    """
    study = study if isinstance(study, Study) else load(study)
    measured = MeasuredStudy.of(study)
    readings = judge_readability(measured)
    fixes = _fixes(measured, {entry["fix"]: entry for entry in readings})
    regime = judge_regime(measured)
    recommended = no_recommendation(study) if regime["early"] else judge_candidates(study, fixes)
    _confirm(fixes, recommended)
    judged = {
        "study": study.name,
        "seeds": list(study.seeds),
        "regime": regime,
        "reach": level_warning(len(study.seeds), ALPHA),
        "fixes": fixes,
        "promises": judge_promises(measured),
        "issues": [_issue(issue, fixes) for issue in study.issues],
        "recommendation": recommended,
        "controls": _controls(measured),
        "leave_one_out": _leave_one_out(measured),
        "cumulative": _cumulative(measured),
        "readability": readings,
    }
    return marked(judged) if regime["early"] else judged


def _fixes(measured: MeasuredStudy, readings: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    entries, first = [], {measured.study.baseline: "baseline"}
    for issue in measured.study.issues:
        for fix in issue["fixes"]:
            row = measured.study.row_of((fix["id"],))
            entry = {"id": fix["id"], "issue": issue["number"], **{key: fix[key] for key in ("name", "summary", "origin")}}
            entries.append(_with_gains(measured, entry, row, first))
    _correct(entries)
    for entry in entries:
        _rule(entry, entries, readings.get(entry["id"]))
    return entries


def _with_gains(
    measured: MeasuredStudy, entry: dict[str, Any], row: dict[str, Any] | None, first: dict[str, str]
) -> dict[str, Any]:
    """The entry with its gains; `same_as` is the baseline or the earlier fix that is provably the same training, or None."""
    if row is None or row["key"] is None:
        reason = NOT_RUN if row is None else f"clash: {row['reason']}"
        return {**entry, "cell": None, "key": None, "same_as": None, "absent": reason}
    same_as = first.get(row["key"])
    first.setdefault(row["key"], entry["id"])
    gains = compare(measured, measured.study.baseline, row["key"])
    near = gains["near"]
    head = {name: near[name] for name in ("estimate", "p", "n")}
    seeds = dict(zip(map(str, measured.study.seeds), near["values"], strict=True))
    interval = {"interval": [near["low"], near["high"]], "seeds": seeds}
    return {**entry, "cell": row["cell"], "key": row["key"], "same_as": same_as, "absent": None, **head, **interval, **gains}


def _confirm(entries: list[dict[str, Any]], recommended: dict[str, Any]) -> None:
    """Change undecided to adopt for each fix whose gain, trained alone, was confirmed on fresh seeds."""
    confirmed = {
        entry["fixes"][0]
        for entry in recommended["entries"]
        if entry["holds"] and len(entry["fixes"]) == 1 and not entry["numbers"]
    }
    for entry in entries:
        if entry["id"] in confirmed and entry["verdict"] == UNDECIDED:
            entry["verdict"], entry["detail"] = ADOPT, f"{entry['detail']}; confirmed on fresh seeds"
            entry["words"] = f"{entry['verdict']}: {entry['detail']}"


def _correct(entries: list[dict[str, Any]]) -> None:
    """Add Holm-corrected p across the single fixes; `p_holm` of an entry is that of its near gain."""
    judged = [entry for entry in entries if entry["key"]]
    _correct_families(judged, ("near", "far", "stability", "convergence"))
    for entry in judged:
        entry["p_holm"] = entry["near"]["p_holm"]


def _correct_families(entries: list[dict[str, Any]], families: tuple[str, ...]) -> None:
    """Add `p_holm` within each measure; entries of the same training count once and share their p."""
    counted = [entry for entry in entries if entry.get("same_as") is None]
    for family in families:
        corrected = holm([entry[family]["p"] for entry in counted])
        known = dict(zip([entry["key"] for entry in counted], corrected, strict=True))
        for entry in entries:
            entry[family]["p_holm"] = known.get(entry["key"], 1.0)


def _rule(entry: dict[str, Any], entries: list[dict[str, Any]], reading: dict[str, Any] | None) -> None:
    """Add verdict, detail and words to an entry."""
    if entry["key"] is None:
        verdict, detail = UNDECIDED, entry["absent"]
    elif entry["same_as"] == "baseline":
        verdict, detail = _proved(reading)
    else:
        verdict, detail = fix_verdict(_evidence(entry))
        detail += _diverging(entry["divergence"])
        if entry["same_as"]:
            detail = f"same training as {entry['same_as']}: {detail}"
    entry.update(verdict=verdict, detail=detail, words=f"{verdict}: {detail}")


def _proved(reading: dict[str, Any] | None) -> tuple[str, str]:
    """Verdict on a fix with the baseline's training; one that adds a series to the log is judged by that series."""
    if reading is None:
        return NO_EFFECT, PROVED
    verdict, said = SERIES_VERDICT.get(reading["verdict"], (UNDECIDED, "not shown to follow the probe error better"))
    own, raw = reading["agreement"], reading["raw_agreement"]
    shares = f"it moves with the probe error at {own:.0%} of the steps, the raw loss at {raw:.0%}"
    if math.isnan(own) or math.isnan(raw):
        shares = "too few evaluations"
    return verdict, f"records only, training unchanged (proved); {said}: {shares}".replace("%", " %")


def _evidence(entry: dict[str, Any]) -> Evidence:
    near, far = (Effect.of(entry[name]) for name in ("near", "far"))
    curve, split = entry["beyond_near_weight_curve"], entry["divergence"]
    beyond = Beyond.of(curve) if curve else None
    more = split["more"] and split["p"] <= ALPHA
    return Evidence(near, far, entry["near"]["p_holm"], entry["far"]["p_holm"], beyond, more)


def _diverging(split: dict[str, Any]) -> str:
    """The number of diverged seeds as text; empty if none diverged."""
    return f"; {split['diverged']} of {split['n']} seeds diverge (baseline {split['baseline']})" if split["diverged"] else ""


def _issue(issue: dict[str, Any], fixes: list[dict[str, Any]]) -> dict[str, Any]:
    own = [fix for fix in fixes if fix["issue"] == issue["number"] and not fix["absent"]]
    verdict = issue_verdict([fix["verdict"] for fix in own])
    chosen = [fix["id"] for fix in own if fix["verdict"] == verdict]
    words = f"{verdict}: {', '.join(chosen)}" if chosen else verdict if own else NOT_RUN
    if verdict == NO_EFFECT and len(chosen) < len(own):
        words = f"{verdict} or harm from every fix"
    head = {key: issue[key] for key in ("number", "title", "severity")}
    return {**head, "verdict": verdict, "fixes": chosen, "words": words}


def _controls(measured: MeasuredStudy) -> list[dict[str, Any]]:
    """The near weights except the lowest and the highest, judged like fixes, as a check of the method."""
    inner = {w: key for w, key in list(measured.weights.items())[1:-1] if key != measured.study.baseline}
    entries = [{"weight": w, "key": key, **compare(measured, measured.study.baseline, key)} for w, key in inner.items()]
    _correct_families(entries, ("near", "far"))
    for entry in entries:
        entry["verdict"], entry["detail"] = fix_verdict(_evidence(entry))
    return entries


def _leave_one_out(measured: MeasuredStudy) -> list[dict[str, Any]]:
    """The gain of the document's whole recommendation over the recommendation without one fix, for each fix."""
    full, entries = full_key(measured.study), []
    for fix, key in whole_less_one(measured.study).items():
        entries.append({"id": fix, "key": key, "same_as": "full" if key == full else None, **compare(measured, key, str(full))})
    _correct_families(entries, ("near", "far"))
    for entry in entries:
        same = (NO_EFFECT, "proved: the whole is the same training without it")
        verdict, detail = fix_verdict(_evidence(entry))
        entry["verdict"], entry["detail"] = (
            same if entry["same_as"] else (verdict, f"with it: {detail}{_diverging(entry['divergence'])}")
        )
    return entries


def _cumulative(measured: MeasuredStudy) -> list[dict[str, Any]]:
    """Each step of the document's order of work, compared with the baseline."""
    plan, base = measured.study.plan, measured.study.baseline
    rows = plan[(plan["design"] == "cumulative") & plan["key"].notna() & (plan["fixes"] != "")].to_dict("records")
    return [{"cell": row["cell"], "fixes": row["fixes"], **compare(measured, base, row["key"])} for row in rows]


EFFECT = ("estimate", "low", "high", "low90", "high90", "p", "p_sign_flip", "p_holm")  # numbers that may be NaN


def write_verdicts(judged: dict[str, Any], folder: Path) -> Path:
    """Write verdicts.json into the study's folder; NaN becomes null, infinity "inf" or "-inf"."""
    path = folder / "verdicts.json"
    path.write_text(json.dumps(_plain(judged), indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return path


def read_verdicts(folder: Path) -> dict[str, Any]:
    """The content of verdicts.json, as `verdicts` returned it."""
    return _numbers(json.loads((folder / "verdicts.json").read_text(encoding="utf-8")))


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        unknown = EFFECT if "estimate" in value else ()
        return {key: math.nan if item is None and key in unknown else _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return float(value) if value in ("inf", "-inf") else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
