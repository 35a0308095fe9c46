"""The recommendation: the fixes that the evidence supports, together, and their gains on fresh seeds.

The gains by which fixes were chosen are biased upwards; fresh seeds, which were not used to choose, give unbiased gains.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.comparisons import MeasuredStudy, compare
from analysis.deciding import Evidence, Levels, Spending, word
from analysis.promises import full_key
from analysis.rules import ADOPT, OPEN
from analysis.study import Study, load

SEARCH, MOST_FOUND = "optuna", 3  # design of a search's cells; how many of them are candidates
Candidate = dict[str, Any]  # {"fixes": [...], "numbers": {...}}
FOLDER = "confirmation"  # a study of its own in the study's folder
TOGETHER, BEST = "supported together", "best supported"


def candidates(study: Study, fixes: Sequence[dict[str, Any]]) -> dict[str, Candidate]:
    """Name -> configuration to confirm on fresh seeds; empty if no fix is supported.

    Of a search: its best cells. Else all supported fixes together, the better one where two fill the same slot; and the best
    of them alone.

    Args:
        fixes: the entries of verdicts.json.
    """
    return best_of_search(study) or {name: {"fixes": own, "numbers": {}} for name, own in _supported(study, fixes).items()}


def best_of_search(study: Study) -> dict[str, Candidate]:
    """The cells of a search with the lowest near error (means over seeds), if it is lower than the baseline's.

    Only cells with the study's learning rate, since the baseline was trained with that.
    """
    cells = study.plan[(study.plan["design"] == SEARCH) & (study.plan["status"] == "trained")].to_dict("records")
    if not cells:
        return {}
    measured = MeasuredStudy.of(study)
    near = {row["cell"]: float(measured.log_errors(row["key"])[1]) for row in cells}
    limit = float(measured.log_errors(study.baseline)[1])
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
    """Whether to adopt a fix, or the rule would say so if it were the only fix and had been looked at once.

    A fix that is the same training as another or as the baseline, or that diverges more often, is not supported.
    """
    if not fix["key"] or fix["same_as"] or fix["divergence"]["more"]:
        return False
    return ADOPT in (fix["verdict"], word(Evidence.of(fix, Levels()))[0])


def judge_candidates(study: Study, fixes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The entry "recommendation" of verdicts.json: candidates, their gains on fresh seeds, the recommended fixes, and why."""
    wanted = candidates(study, fixes)
    fresh = confirmation(study)
    levels = Spending((len(fresh.seeds),)).levels(len(fresh.seeds), len(wanted)) if fresh else Levels()
    entries, whole = _confirmed(study, fresh, wanted, levels) if fresh else [], full_key(fresh) if fresh else None
    holding = [entry for entry in entries if entry["holds"]]
    best = max(holding, key=lambda entry: entry["near"]["low"], default=None)
    nothing: Candidate = {"fixes": [], "numbers": {}}
    chosen = best or (nothing if fresh or not wanted else next(iter(wanted.values())))
    found = {
        "fixes": chosen["fixes"],
        "numbers": {**_own_numbers(study), **chosen["numbers"]},
        "candidates": wanted,
        "confirmed": bool(best),
        "fresh_seeds": list(fresh.seeds) if fresh else [],
        "levels": levels._asdict(),
        "entries": entries,
        "document": compare(MeasuredStudy.of(fresh), fresh.baseline, whole, levels) if fresh and whole else None,
        "words": _words(wanted, fresh, best, {fix["id"] for fix in fixes if fix["verdict"] == OPEN}),
    }
    return with_extensions(study, found)


def no_recommendation(study: Study) -> dict[str, Any]:
    """The entry "recommendation" of an early study, from which nothing is recommended; what fresh seeds say does not count."""
    nothing = {"fixes": [], "numbers": _own_numbers(study), "candidates": {}, "confirmed": False, "fresh_seeds": []}
    return {**nothing, "levels": Levels()._asdict(), "entries": [], "document": None, "words": "none, since the study is early"}


def _own_numbers(study: Study) -> dict[str, float]:
    """The numbers of the loss that the study sets for all its configurations."""
    return study.meta["experiment"].get("loss") or {}


def confirmation(study: Study) -> Study | None:
    """The study on fresh seeds in the study's folder; None if there is none, or it is incomplete or shares a seed."""
    folder = study.folder / FOLDER
    if not (folder / "study.yaml").exists() or not list((folder / "records").glob("trials-*.parquet")):
        return None
    fresh = load(folder)
    return fresh if fresh.finished and not set(fresh.seeds) & set(study.seeds) else None


def _confirmed(study: Study, fresh: Study, wanted: dict[str, Candidate], levels: Levels) -> list[dict[str, Any]]:
    """Each candidate against the baseline and the document's recommendation, with the gain by which it was chosen.

    "holds": the rule says adopt, its error rates shared by the candidates.
    """
    measured, whole, entries = MeasuredStudy.of(fresh), full_key(fresh), []
    for name, candidate in wanted.items():
        place = candidate["fixes"], json.dumps(candidate["numbers"], sort_keys=True)
        key, before = fresh.key_of(*place), study.key_of(*place)
        if key is None:
            continue
        first = compare(MeasuredStudy.of(study), study.baseline, before, Levels())["near"] if before else None
        against = compare(measured, whole, key, levels)["near"] if whole else None
        found = compare(measured, fresh.baseline, key, levels)
        holds = word(Evidence.of(found))[0] == ADOPT
        more = {"chosen_by": first, "near_against_document": against, "holds": holds}
        entries.append({"name": name, **candidate, **found, **more})
    return entries


def _words(wanted: dict[str, Candidate], fresh: Study | None, best: dict[str, Any] | None, undecided: set[str]) -> str:
    """What to adopt, as text that stands behind "to adopt:". `undecided`: fixes that have no word beside the others."""
    if not wanted:
        return "none, keep the loss as it is"
    named = " or ".join(dict.fromkeys(candidate_text(candidate) for candidate in wanted.values()))
    lone = ", ".join(sorted({fix for candidate in wanted.values() for fix in candidate["fixes"]} & undecided))
    note = f" ({lone}: open as one of all fixes, to adopt if judged alone)" if lone else ""
    if fresh is None:
        return f"{named}{note}, not yet confirmed on fresh seeds (nfloss confirm)"
    on = f"on {len(fresh.seeds)} fresh seeds"
    if best:
        return f"{candidate_text(best)}, confirmed {on}"
    return f"none, keep the loss as it is: {named} was not confirmed {on}"


def candidate_text(candidate: Candidate) -> str:
    """A configuration as text.

    >>> candidate_text({"fixes": ["1-1", "5-2"], "numbers": {"near_weight": 3.0}})
    '1-1 + 5-2, near_weight 3'
    """
    parts = [" + ".join(candidate["fixes"])] * bool(candidate["fixes"])
    return ", ".join(parts + [f"{name} {value:.3g}" for name, value in candidate["numbers"].items()]) or "the baseline"


def confirmation_folder(folder: Path) -> Path:
    return folder / FOLDER


def with_extensions(study: Study, found: dict[str, Any]) -> dict[str, Any]:
    """`found`, with the files or modules that define its custom fixes as "extensions" if it has any; or, where it is another
    loss, with the place of its function as "loss"."""
    places, loss = extensions_of(study, found["fixes"]), loss_of(study, found["fixes"])
    return {**found, **({"extensions": places} if places else {}), **({"loss": loss} if loss else {})}


def loss_of(study: Study, fixes: Sequence[str]) -> str | None:
    """Where the loss is that stands among these fixes, as "path/to/file.py:function"; None where none does."""
    places = (fix["loss"] for issue in study.issues for fix in issue["fixes"] if fix.get("loss") and fix["id"] in fixes)
    return next(map(str, places), None)


def extensions_of(study: Study, fixes: Sequence[str]) -> list[str]:
    """The files or modules that define those of these fixes, by id or name, that are a user's own."""
    own = [fix for issue in study.issues for fix in issue["fixes"] if fix.get("extension")]
    return sorted({str(fix["extension"]) for fix in own if fix["id"] in fixes or fix["name"] in fixes})
