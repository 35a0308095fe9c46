"""The recommendation: the fixes that the evidence supports, together, and what fresh seeds say about them.

Fixes were chosen by their gains, so that those gains flatter them; only seeds that chose nothing can say what they are worth.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.comparisons import Rulers, compare
from analysis.effects import Effect, holm
from analysis.promises import full_key
from analysis.rules import ADOPT, ALPHA, Beyond, not_worse
from analysis.study import Study, load, missing_trials

SEARCH, MOST_FOUND = "optuna", 3
Candidate = dict[str, Any]  # {"fixes": [...], "numbers": {...}}
FOLDER = "confirmation"  # in the study's own folder: a study of its own
TOGETHER, BEST = "supported together", "best supported"


def candidates(study: Study, fixes: Sequence[dict[str, Any]]) -> dict[str, Candidate]:
    """Name -> what is worth confirming; empty where nothing is. Of a search, the best cells that it found; else all supported
    fixes, without those that fill a slot taken already, and the best of them by itself where that is another.

    Args:
        fixes: the entries of verdicts.json.
    """
    return best_of_search(study) or {name: {"fixes": own, "numbers": {}} for name, own in _supported(study, fixes).items()}


def best_of_search(study: Study) -> dict[str, Candidate]:
    """The cells with the lowest near error, means over the seeds, of those that a search asked for and that beat the baseline;
    at the study's own learning rate, since the others are compared at that."""
    cells = study.plan[(study.plan["design"] == SEARCH) & (study.plan["status"] == "trained")].to_dict("records")
    if not cells:
        return {}
    rulers = Rulers.of(study)
    near = {row["cell"]: float(rulers.log_errors(row["key"])[1]) for row in cells}
    limit = float(rulers.log_errors(study.baseline)[1])
    own = [row for row in cells if "learning_rate" not in row["numbers"] and near[row["cell"]] < limit]
    best = sorted(own, key=lambda row: near[row["cell"]])[:MOST_FOUND]
    return {
        f"found {place}: {row['cell']}": {"fixes": row["fixes"].split(), "numbers": json.loads(row["numbers"])}
        for place, row in enumerate(best, start=1)
    }


def _supported(study: Study, fixes: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    slots = {fix["id"]: set(fix["slots"]) for issue in study.issues for fix in issue["fixes"]}
    known = sorted((fix for fix in fixes if supported(fix)), key=lambda fix: -fix["estimate"])
    chosen, taken = list[str](), set[str]()
    for fix in known:
        if not slots[fix["id"]] & taken:
            chosen.append(fix["id"])
            taken |= slots[fix["id"]]
    found = {TOGETHER: sorted(chosen, key=list(slots).index)} if chosen else {}
    return {**found, BEST: chosen[:1]} if len(chosen) > 1 else found


def supported(fix: dict[str, Any]) -> bool:
    """To adopt, or a near gain above zero before Holm that no near weight gives, far not worse; a training of its own."""
    if not fix["key"] or fix["same_as"] or fix["divergence"]["more"]:
        return False
    near, far, curve = fix["near"], Effect.of(fix["far"]), fix["beyond_near_weight_curve"]
    likely = near["low"] > 0 and not_worse(far) and (curve is None or Beyond.of(curve).beyond)
    return bool(fix["verdict"] == ADOPT or likely)


def recommendation(study: Study, fixes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For verdicts.json: the candidates, what fresh seeds say, the fixes recommended in the end, and why in a sentence."""
    wanted = candidates(study, fixes)
    fresh = confirmation(study)
    entries = _confirmed(study, fresh, wanted) if fresh else []
    holding = [entry for entry in entries if entry["holds"]]
    best = max(holding, key=lambda entry: entry["near"]["low"], default=None)
    nothing: Candidate = {"fixes": [], "numbers": {}}
    chosen = best or (nothing if fresh or not wanted else next(iter(wanted.values())))
    found = {
        "fixes": chosen["fixes"],
        "numbers": {**(study.meta["experiment"].get("loss") or {}), **chosen["numbers"]},
        "candidates": wanted,
        "confirmed": bool(best),
        "fresh_seeds": list(fresh.seeds) if fresh else [],
        "entries": entries,
        "document": _document(fresh) if fresh else None,
        "words": _words(wanted, fresh, best),
    }
    return with_extensions(study, found)


def confirmation(study: Study) -> Study | None:
    """The complete study of fresh seeds in the study's folder, where there is one."""
    folder = study.folder / FOLDER
    if not (folder / "study.yaml").exists() or not list((folder / "records").glob("trials-*.parquet")):
        return None
    fresh = load(folder)
    return fresh if not missing_trials(fresh) and not set(fresh.seeds) & set(study.seeds) else None


def _confirmed(study: Study, fresh: Study, wanted: dict[str, Candidate]) -> list[dict[str, Any]]:
    """Each candidate against the baseline and the document's recommendation, with the gain that it was chosen by; holds: near
    lower after Holm, far not worse."""
    rulers, whole, entries = Rulers.of(fresh), full_key(fresh), []
    for name, candidate in wanted.items():
        place = candidate["fixes"], json.dumps(candidate["numbers"], sort_keys=True)
        key, before = fresh.key_of(*place), study.key_of(*place)
        if key is None:
            continue
        first = compare(Rulers.of(study), study.baseline, before)["near"] if before else None
        against = compare(rulers, whole, key)["near"] if whole else None
        found = compare(rulers, fresh.baseline, key)
        entries.append({"name": name, **candidate, **found, "chosen_by": first, "near_against_document": against})
    for entry, p in zip(entries, holm([entry["near"]["p"] for entry in entries]), strict=True):
        entry["near"]["p_holm"] = p
        entry["holds"] = entry["near"]["low"] > 0 and p <= ALPHA and not_worse(Effect.of(entry["far"]))
    return entries


def _document(fresh: Study) -> dict[str, Any] | None:
    whole = full_key(fresh)
    return compare(Rulers.of(fresh), fresh.baseline, whole) if whole else None


def _words(wanted: dict[str, Candidate], fresh: Study | None, best: dict[str, Any] | None) -> str:
    if not wanted:
        return "no fix is supported by the evidence: keep the loss as it is"
    named = ", ".join(dict.fromkeys(label(candidate) for candidate in wanted.values()))
    if fresh is None:
        return f"{named}: supported, not yet confirmed on fresh seeds (nfloss confirm)"
    if best:
        return f"{label(best)}: confirmed on {len(fresh.seeds)} fresh seeds"
    return f"{named}: supported at first, not confirmed on {len(fresh.seeds)} fresh seeds; keep the loss as it is"


def label(candidate: Candidate) -> str:
    """A configuration in a few words.

    >>> label({"fixes": ["1-1", "5-2"], "numbers": {"near_weight": 3.0}})
    '1-1 + 5-2, near_weight 3'
    """
    parts = [" + ".join(candidate["fixes"])] * bool(candidate["fixes"])
    return ", ".join(parts + [f"{name} {value:.3g}" for name, value in candidate["numbers"].items()]) or "the baseline"


def confirmation_folder(folder: Path) -> Path:
    """Where a study's confirmation lies."""
    return folder / FOLDER


def with_extensions(study: Study, found: dict[str, Any]) -> dict[str, Any]:
    """The same with the files or modules that its own fixes come from, where it has any such fix."""
    fixes = [fix for issue in study.issues for fix in issue["fixes"] if fix["id"] in found["fixes"]]
    places = sorted({fix["extension"] for fix in fixes if fix.get("extension")})
    return {**found, "extensions": places} if places else found
