"""The recommendation: the fixes that the evidence supports, together, and what fresh seeds say about them.

Fixes were chosen by their gains, so that those gains flatter them; only seeds that chose nothing can say what they are worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from analysis.comparisons import Rulers, compare
from analysis.effects import Effect, holm
from analysis.load import Study, load, missing_trials
from analysis.promises import full_key
from analysis.rules import ADOPT, ALPHA, Beyond, not_worse

FOLDER = "confirmation"  # in the study's own folder: a study of its own
TOGETHER, BEST = "supported together", "best supported"
BLOCK_TYPE = "ssi-silog-nearfield"


def candidates(study: Study, fixes: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Name -> fixes worth confirming: all that are supported, without those that fill a slot taken already, and the best of
    them by itself where that is another. Empty where none is supported.

    Args:
        fixes: the entries of verdicts.json.
    """
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
    entries = _confirmed(fresh, wanted) if fresh else []
    holding = [entry for entry in entries if entry["holds"]]
    best = max(holding, key=lambda entry: entry["near"]["low"], default=None)
    chosen: list[str] = best["fixes"] if best else [] if fresh or not wanted else next(iter(wanted.values()))
    return {
        "fixes": chosen,
        "numbers": dict(study.meta["experiment"].get("loss") or {}),
        "candidates": wanted,
        "confirmed": bool(best),
        "fresh_seeds": list(fresh.seeds) if fresh else [],
        "entries": entries,
        "document": _document(fresh) if fresh else None,
        "words": _words(wanted, fresh, best),
    }


def confirmation(study: Study) -> Study | None:
    """The complete study of fresh seeds in the study's folder, where there is one."""
    folder = study.folder / FOLDER
    if not (folder / "study.yaml").exists() or not list((folder / "records").glob("trials-*.parquet")):
        return None
    fresh = load(folder)
    return fresh if not missing_trials(fresh) and not set(fresh.seeds) & set(study.seeds) else None


def _confirmed(fresh: Study, wanted: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Each candidate against the baseline and the document's recommendation; holds: near lower after Holm, far not worse."""
    rulers, whole, entries = Rulers.of(fresh), full_key(fresh), []
    for name, fixes in wanted.items():
        key = fresh.key_of(fixes)
        if key is not None:
            against = compare(rulers, whole, key)["near"] if whole else None
            entries.append(
                {"name": name, "fixes": fixes, **compare(rulers, fresh.baseline, key), "near_against_document": against}
            )
    for entry, p in zip(entries, holm([entry["near"]["p"] for entry in entries]), strict=True):
        entry["near"]["p_holm"] = p
        entry["holds"] = entry["near"]["low"] > 0 and p <= ALPHA and not_worse(Effect.of(entry["far"]))
    return entries


def _document(fresh: Study) -> dict[str, Any] | None:
    whole = full_key(fresh)
    return compare(Rulers.of(fresh), fresh.baseline, whole) if whole else None


def _words(wanted: dict[str, list[str]], fresh: Study | None, best: dict[str, Any] | None) -> str:
    if not wanted:
        return "no fix is supported by the evidence: keep the loss as it is"
    named = " and ".join(dict.fromkeys(" + ".join(fixes) for fixes in wanted.values()))
    if fresh is None:
        return f"{named}: supported, not yet confirmed on fresh seeds (nfloss confirm)"
    if best:
        return f"{' + '.join(best['fixes'])}: confirmed on {len(fresh.seeds)} fresh seeds"
    return f"{named}: supported at first, not confirmed on {len(fresh.seeds)} fresh seeds; keep the loss as it is"


def yaml_block(found: dict[str, Any]) -> str:
    """The recommended loss as a block for a training file."""
    return yaml.safe_dump({"loss": {"type": BLOCK_TYPE, "fixes": found["fixes"], **found["numbers"]}}, sort_keys=False).rstrip()


def code(found: dict[str, Any]) -> str:
    """The recommended loss in Python."""
    arguments = [f"fixes={found['fixes']!r}", *(f"{name}={value!r}" for name, value in found["numbers"].items())]
    return f"from nfloss import SSISilogNearFieldLoss\n\nloss_fn = SSISilogNearFieldLoss({', '.join(arguments)})"


def take_home(study: str, found: dict[str, Any]) -> str:
    """What `nfloss export` prints: YAML that can be pasted, the evidence and the code as comments."""
    comments = [f"Study {study}. {found['words']}.", "", *code(found).splitlines()]
    return "\n".join([yaml_block(found), *(f"# {line}".rstrip() for line in comments)])


def confirmation_folder(folder: Path) -> Path:
    """Where a study's confirmation lies."""
    return folder / FOLDER
