"""Judge a study and write verdicts.json: an entry for each fix, promise and issue, with estimate, interval, p, n and text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from analysis.comparisons import MeasuredStudy, compare, compare_finals
from analysis.deciding import Evidence, Levels, Spending, forecast, support, word
from analysis.files import write_whole
from analysis.formatting import ratio
from analysis.promises import full_key, judge_promises, judge_readability, whole_less_one
from analysis.recommendation import judge_candidates, no_recommendation
from analysis.regime import judge_regime, marked
from analysis.rules import NO_EFFECT, NOT_RUN, OPEN, PROVED, issue_verdict, level_warning
from analysis.study import Study, StudyError, load, seeds_in_words


def verdicts(study: Study | Path | str) -> dict[str, Any]:
    """The verdicts on a study. Gains are natural logs of error ratios; positive is better.

    Raises StudyError: the study is broken, or not one seed is complete."""
    study = study if isinstance(study, Study) else load(study)
    measured = MeasuredStudy.of(study)
    readings = judge_readability(measured)
    at = levels_at(study)
    levels = at[max([n for n in at if n <= len(study.seeds)], default=study.looks[0])]
    fixes = _fixes(measured, at, compare, {entry["fix"]: entry for entry in readings})
    regime = judge_regime(measured)
    judged = {
        "study": study.name,
        "seeds": list(study.seeds),
        "regime": regime,
        "levels": {**levels._asdict(), "fixes": planned_fixes(study), "looks": list(study.looks)},
        "reach": level_warning(len(study.seeds), 1 - levels.side),
        "fixes": fixes,
        "promises": judge_promises(measured),
        "issues": [_issue(issue, fixes) for issue in study.issues],
        "recommendation": no_recommendation(study) if regime["early"] else judge_candidates(study, fixes),
        "controls": _controls(measured, levels),
        "leave_one_out": _leave_one_out(measured),
        "cumulative": _cumulative(measured),
        "readability": readings,
    }
    return marked(judged) if regime["early"] else judged


def fix_words(study: Study) -> list[dict[str, Any]]:
    """The fixes of `verdicts`, with what their words depend on alone: for every look, and to show while a study runs.

    Raises StudyError: not one seed is complete."""
    return _fixes(MeasuredStudy.of_finals(study), levels_at(study), compare_finals, {})


def open_fixes(study_dir: Path, seeds: int) -> set[str]:
    """Keys of the fixes that have no word by a study's first so many seeds, at which it is looked at.

    Raises StudyError: those seeds are not complete."""
    study = load(study_dir, seeds)
    if len(study.seeds) < seeds:
        raise StudyError(f"{study_dir}: {len(study.seeds)} of the {seeds} seeds of this look are complete; run with --resume")
    return {fix["key"] for fix in fix_words(study) if fix["key"] and fix["verdict"] == OPEN}


def levels_at(study: Study) -> dict[int, Levels]:
    spending, planned = Spending(study.looks), planned_fixes(study)
    return {n: spending.levels(n, planned) for n in study.looks}


def planned_fixes(study: Study) -> int:
    """How many distinct fixes the plan trains alone: those that share the error rates."""
    rows = (study.row_of((fix["id"],)) for issue in study.issues for fix in issue["fixes"])
    return len({row["key"] for row in rows if row} - {None, study.baseline})


Compare = Callable[[MeasuredStudy, str, str, Levels], dict[str, Any]]


def _fixes(
    measured: MeasuredStudy, at: dict[int, Levels], gains: Compare, readings: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    entries, first = [], {measured.study.baseline: "baseline"}
    for issue in measured.study.issues:
        for fix in issue["fixes"]:
            row = measured.study.row_of((fix["id"],))
            entry = {"id": fix["id"], "issue": issue["number"], **{key: fix[key] for key in ("name", "summary", "origin")}}
            entries.append(_with_gains(measured, entry, row, first, at, gains))
            _judge(entries[-1], readings.get(fix["id"]), at)
    return entries


def _with_gains(
    measured: MeasuredStudy,
    entry: dict[str, Any],
    row: dict[str, Any] | None,
    first: dict[str, str],
    at: dict[int, Levels],
    compare_with: Compare,
) -> dict[str, Any]:
    """The entry with its gains, at the levels of the look at which it stands; `same_as` is the baseline or the earlier fix that
    is provably the same training, or None."""
    if row is None or row["key"] is None:
        reason = NOT_RUN if row is None else f"clash: {row['reason']}"
        return {**entry, "cell": None, "key": None, "same_as": None, "absent": reason}
    same_as = first.get(row["key"])
    first.setdefault(row["key"], entry["id"])
    own = measured.study.seeds_of(row["key"], measured.study.baseline)
    gains = compare_with(measured, measured.study.baseline, row["key"], at.get(len(own), next(iter(at.values()))))
    near = gains["near"]
    head = {name: near[name] for name in ("estimate", "p", "n")}
    seeds = dict(zip(map(str, own), near["values"], strict=True))
    interval = {"interval": [near["low"], near["high"]], "seeds": seeds, "ratio": _ratios(gains)}
    return {**entry, "cell": row["cell"], "key": row["key"], "same_as": same_as, "absent": None, **head, **interval, **gains}


def _ratios(gains: dict[str, Any]) -> dict[str, str]:
    """The near and far error as multiples of the baseline's, as every table has them."""
    return {side: ratio(gains[side]) for side in ("near", "far")}


def _judge(entry: dict[str, Any], reading: dict[str, Any] | None, looks: Collection[int]) -> None:
    """Add verdict, detail, words, support and forecast to an entry; to one that only records, how its series reads."""
    entry.update(support=None, settles=None, reads=None)
    if entry["key"] is None:
        entry.update(verdict=OPEN, detail=entry["absent"])
    elif entry["same_as"] == "baseline":
        entry.update(verdict=NO_EFFECT, detail=PROVED if reading is None else _reads(reading))
        entry["reads"] = reading and reading["verdict"]
    else:
        _rule(entry)
        if entry["n"] not in looks:  # a word before the look that it is due at would be one look more than is paid for
            detail = f"{entry['n']} of {seeds_in_words(min(looks))} are there"
            entry.update(verdict=OPEN, detail=detail, support=None, settles=None)
        if entry["same_as"]:
            entry["detail"] = f"same training as {entry['same_as']}: {entry['detail']}"
    entry["words"] = f"{entry['verdict']}: {entry['detail']}"


def _rule(entry: dict[str, Any]) -> None:
    """Add the word by the rule, its reason, in how many repeats without one seed it stays, and what would settle it if open."""
    evidence = Evidence.of(entry)
    entry["verdict"], reason = word(evidence)
    entry["detail"] = reason + _diverging(entry["divergence"])
    entry["support"] = support(evidence)
    found = forecast(evidence) if entry["verdict"] == OPEN else None
    entry["settles"] = found and {"seeds": found[0], "word": found[1]}


def _reads(reading: dict[str, Any]) -> str:
    """Of a fix that only adds a series to the log: how well that series follows the probe error."""
    own, raw = reading["agreement"], reading["raw_agreement"]
    shares = f"from one evaluation to the next it moves in the direction of the probe error in {own:.0%} of the cases"
    shares += f", the raw loss in {raw:.0%}, chance in 50%"
    if math.isnan(own) or math.isnan(raw):
        shares = "too few evaluations"
    said = f"{PROVED}; its series, against the raw loss, reads {reading['verdict']}: {shares}"
    return said.replace("reads not told apart", "is not told apart").replace("%", " %")


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


def _controls(measured: MeasuredStudy, levels: Levels) -> list[dict[str, Any]]:
    """The near weights, each judged like a fix against the curve of the others, as a check of the method."""
    base = measured.study.baseline
    others = {weight: key for weight, key in measured.weights.items() if key != base}
    entries = [{"weight": weight, "key": key, **compare(measured, base, key, levels)} for weight, key in others.items()]
    for entry in entries:
        entry["ratio"] = _ratios(entry)
        _rule(entry)
    return entries


def _leave_one_out(measured: MeasuredStudy) -> list[dict[str, Any]]:
    """The gain of the document's whole recommendation over the recommendation without one fix, for each fix."""
    full, less = str(full_key(measured.study)), whole_less_one(measured.study)
    seeds, entries = measured.study.looks[0], []
    levels = Spending((seeds,)).levels(seeds, len(set(less.values()) - {full}))
    for fix, key in less.items():
        entry = {"id": fix, "key": key, "same_as": "full" if key == full else None, **compare(measured, key, full, levels)}
        _rule(entry)
        entry["detail"] = f"with it: {entry['detail']}"
        if entry["same_as"]:
            entry.update(verdict=NO_EFFECT, detail="proved: the whole is the same training without it", support=None)
        entries.append(entry)
    return entries


def _cumulative(measured: MeasuredStudy) -> list[dict[str, Any]]:
    """Each step of the document's order of work, compared with the baseline; described at 95 %."""
    plan, base = measured.study.plan, measured.study.baseline
    rows = plan[(plan["design"] == "cumulative") & plan["key"].notna() & (plan["fixes"] != "")].to_dict("records")
    return [{"cell": row["cell"], "fixes": row["fixes"], **compare(measured, base, row["key"], Levels())} for row in rows]


EFFECT = ("estimate", "low", "high", "at_least", "at_most", "p")  # numbers that may be NaN


def write_verdicts(judged: dict[str, Any], folder: Path) -> Path:
    """Write verdicts.json into the study's folder; NaN becomes null, infinity "inf" or "-inf"."""
    content = json.dumps(_plain(judged), indent=1, ensure_ascii=False, allow_nan=False)
    return write_whole(folder / "verdicts.json", content + "\n")


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
