"""From a study to verdicts.json: one entry per fix, promise and issue, each with estimate, interval, p, n and words."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from analysis.comparisons import Rulers, compare
from analysis.effects import Effect, holm
from analysis.promises import full_key, promises, readability, whole_less_one
from analysis.recommendation import recommendation
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
    for_issue,
    reach,
    recommend,
)  # fmt: skip
from analysis.study import Study, load

READING = {
    CONFIRMED: (ADOPT, "reads better than the raw loss"),
    EQUIVALENT: (NO_EFFECT, "reads like the raw loss"),
    WORSE: (NO_EFFECT, "reads worse than the raw loss"),
}


def verdicts(study: Study | Path | str) -> dict[str, Any]:
    """Judge a study. Gains are natural logs of error ratios; refuses an incomplete study."""
    study = study if isinstance(study, Study) else load(study)
    rulers = Rulers.of(study)
    readings = readability(rulers)
    fixes = _fixes(rulers, {entry["fix"]: entry for entry in readings})
    recommended = recommendation(study, fixes)
    _confirm(fixes, recommended)
    return {
        "study": study.name,
        "seeds": list(study.seeds),
        "reach": reach(len(study.seeds), ALPHA),
        "fixes": fixes,
        "promises": promises(rulers),
        "issues": [_issue(issue, fixes) for issue in study.issues],
        "recommendation": recommended,
        "controls": controls(rulers),
        "leave_one_out": leave_one_out(rulers),
        "cumulative": _cumulative(rulers),
        "readability": readings,
    }


def _fixes(rulers: Rulers, readings: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    entries, first = [], {rulers.study.baseline: "baseline"}
    for issue in rulers.study.issues:
        for fix in issue["fixes"]:
            row = rulers.study.row_of((fix["id"],))
            entry = {
                "id": fix["id"],
                "issue": issue["number"],
                "name": fix["name"],
                "summary": fix["summary"],
                "origin": fix["origin"],
            }
            entries.append(_measured(rulers, entry, row, first))
    _correct(entries)
    for entry in entries:
        _rule(entry, entries, readings.get(entry["id"]))
    return entries


def _measured(rulers: Rulers, entry: dict[str, Any], row: dict[str, Any] | None, first: dict[str, str]) -> dict[str, Any]:
    """The fix with its gains; `same_as` names what it is provably the same training as."""
    if row is None or row["key"] is None:
        reason = NOT_RUN if row is None else f"clash: {row['reason']}"
        return {**entry, "cell": None, "key": None, "same_as": None, "absent": reason}
    same_as = first.get(row["key"])
    first.setdefault(row["key"], entry["id"])
    gains = compare(rulers, rulers.study.baseline, row["key"])
    near = gains["near"]
    head = {name: near[name] for name in ("estimate", "p", "n")}
    seeds = dict(zip(map(str, rulers.study.seeds), near["values"], strict=True))
    interval = {"interval": [near["low"], near["high"]], "seeds": seeds}
    return {**entry, "cell": row["cell"], "key": row["key"], "same_as": same_as, "absent": None, **head, **interval, **gains}


def _confirm(entries: list[dict[str, Any]], recommended: dict[str, Any]) -> None:
    """A fix that was open, and that fresh seeds bear out by itself, is to adopt."""
    borne_out = {
        entry["fixes"][0]
        for entry in recommended["entries"]
        if entry["holds"] and len(entry["fixes"]) == 1 and not entry["numbers"]
    }
    for entry in entries:
        if entry["id"] in borne_out and entry["verdict"] == UNDECIDED:
            entry["verdict"], entry["detail"] = ADOPT, f"{entry['detail']}; confirmed on fresh seeds"
            entry["words"] = f"{entry['verdict']}: {entry['detail']}"


def _correct(entries: list[dict[str, Any]]) -> None:
    """Holm across the single fixes; `p_holm` of an entry is that of its near gain."""
    judged = [entry for entry in entries if entry["key"]]
    _correct_families(judged, ("near", "far", "stability", "convergence"))
    for entry in judged:
        entry["p_holm"] = entry["near"]["p_holm"]


def _correct_families(entries: list[dict[str, Any]], families: tuple[str, ...]) -> None:
    """Holm within each ruler; a training that another entry has already counts once and takes that one's p."""
    counted = [entry for entry in entries if entry.get("same_as") is None]
    for family in families:
        corrected = holm([entry[family]["p"] for entry in counted])
        known = dict(zip([entry["key"] for entry in counted], corrected, strict=True))
        for entry in entries:
            entry[family]["p_holm"] = known.get(entry["key"], 1.0)


def _rule(entry: dict[str, Any], entries: list[dict[str, Any]], reading: dict[str, Any] | None) -> None:
    """Put verdict, detail and words on one entry."""
    if entry["key"] is None:
        word, detail = UNDECIDED, entry["absent"]
    elif entry["same_as"] == "baseline":
        word, detail = _proved(reading)
    else:
        word, detail = recommend(_evidence(entry))
        detail += _diverging(entry["divergence"])
        if entry["same_as"]:
            detail = f"same training as {entry['same_as']}: {detail}"
    entry.update(verdict=word, detail=detail, words=f"{word}: {detail}")


def _proved(reading: dict[str, Any] | None) -> tuple[str, str]:
    """The same training as the baseline; a fix that only records is judged on how well its series reads."""
    if reading is None:
        return NO_EFFECT, PROVED
    word, said = READING.get(reading["verdict"], (UNDECIDED, "whether it reads better is open"))
    own, raw = reading["agreement"], reading["raw_agreement"]
    shares = f"{own:.0%} of its steps move as the probe error does, the raw loss's {raw:.0%}"
    if math.isnan(own) or math.isnan(raw):
        shares = "too few evaluations"
    return word, f"records only, training unchanged (proved); {said}: {shares}".replace("%", " %")


def _evidence(entry: dict[str, Any]) -> Evidence:
    near, far = (Effect.of(entry[name]) for name in ("near", "far"))
    curve, split = entry["beyond_near_weight_curve"], entry["divergence"]
    beyond = Beyond.of(curve) if curve else None
    more = split["more"] and split["p"] <= ALPHA
    return Evidence(near, far, entry["near"]["p_holm"], entry["far"]["p_holm"], beyond, more)


def _diverging(split: dict[str, Any]) -> str:
    """Divergence is named wherever it happens, whatever the verdict."""
    return f"; {split['diverged']} of {split['n']} seeds diverge (baseline {split['baseline']})" if split["diverged"] else ""


def _issue(issue: dict[str, Any], fixes: list[dict[str, Any]]) -> dict[str, Any]:
    own = [fix for fix in fixes if fix["issue"] == issue["number"] and not fix["absent"]]
    word = for_issue([fix["verdict"] for fix in own])
    chosen = [fix["id"] for fix in own if fix["verdict"] == word]
    words = f"{word}: {', '.join(chosen)}" if chosen else word if own else NOT_RUN
    if word == NO_EFFECT and len(chosen) < len(own):
        words = f"{word} or harm from every fix"
    return {
        "number": issue["number"],
        "title": issue["title"],
        "severity": issue["severity"],
        "verdict": word,
        "fixes": chosen,
        "words": words,
    }


def controls(rulers: Rulers) -> list[dict[str, Any]]:
    """The near weights between the others, each judged as if it were a fix: it must come out as a near weight."""
    inner = {w: key for w, key in list(rulers.weights.items())[1:-1] if key != rulers.study.baseline}
    entries = [{"weight": w, "key": key, **compare(rulers, rulers.study.baseline, key)} for w, key in inner.items()]
    _correct_families(entries, ("near", "far"))
    for entry in entries:
        entry["verdict"], entry["detail"] = recommend(_evidence(entry))
    return entries


def leave_one_out(rulers: Rulers) -> list[dict[str, Any]]:
    """What each fix gives as part of the whole: the gain of the recommendation over the recommendation without it."""
    full, entries = full_key(rulers.study), []
    for fix, key in whole_less_one(rulers.study).items():
        entries.append({"id": fix, "key": key, "same_as": "full" if key == full else None, **compare(rulers, key, str(full))})
    _correct_families(entries, ("near", "far"))
    for entry in entries:
        same = (NO_EFFECT, "proved: the whole is the same training without it")
        word, detail = recommend(_evidence(entry))
        entry["verdict"], entry["detail"] = (
            same if entry["same_as"] else (word, f"with it: {detail}{_diverging(entry['divergence'])}")
        )
    return entries


def _cumulative(rulers: Rulers) -> list[dict[str, Any]]:
    """Each step of the document's order of work against the baseline."""
    plan, base = rulers.study.plan, rulers.study.baseline
    rows = plan[(plan["design"] == "cumulative") & plan["key"].notna() & (plan["fixes"] != "")].to_dict("records")
    return [{"cell": row["cell"], "fixes": row["fixes"], **compare(rulers, base, row["key"])} for row in rows]


EFFECT = ("estimate", "low", "high", "low90", "high90", "p", "p_sign_flip", "p_holm")  # numbers that may be unknown


def write_verdicts(judged: dict[str, Any], folder: Path) -> Path:
    """Write verdicts.json beside the records; unknown numbers become null, infinite ones "inf" or "-inf"."""
    path = folder / "verdicts.json"
    path.write_text(json.dumps(_plain(judged), indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return path


def read_verdicts(folder: Path) -> dict[str, Any]:
    """verdicts.json as `verdicts` gave it."""
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
