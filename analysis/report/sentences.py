"""Sentences: the answer in plain words, for the report, the summary and the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.comparisons import Rulers
from analysis.factorial import Term, averaged, factorial
from analysis.formatting import change, signed, times
from analysis.rules import ADOPT, HARMFUL, NO_EFFECT, NOT_RUN, PROVED, TRADE, UNDECIDED, WORDS, alone
from analysis.study import Study

VERBS = {
    ADOPT: "help (adopt)",
    TRADE: "trade one error for the other",
    HARMFUL: "do harm",
    NO_EFFECT: "do nothing of note",
    UNDECIDED: "stay undecided",
}
USES = {"train": "train", "probe": "probe", "validation": "validate"}
SINGULAR = {
    ADOPT: "helps (adopt)",
    TRADE: "trades one error for the other",
    HARMFUL: "does harm",
    NO_EFFECT: "does nothing of note",
    UNDECIDED: "stays undecided",
}


def answer(study: Study, judged: dict[str, Any]) -> list[str]:
    """The answer, sentence by sentence: the fixes alone and among others, the whole, what to take home, how sure, on what."""
    home = f"To take home: {judged['recommendation']['words']}."
    said = (tally(judged), averages(study), whole(judged), home, sureness(study, judged), ground(study))
    return [sentence for sentence in said if sentence]


def counts(judged: dict[str, Any], named: Sequence[str] = ()) -> str:
    """How many fixes have each verdict, with their ids where the verdict is among those `named`."""
    judged_fixes, parts = alone(judged), list[str]()
    if not judged_fixes:
        return "no fix alone, combinations only"
    for word in WORDS:
        ids = [fix["id"] for fix in judged_fixes if fix["verdict"] == word]
        parts.append(f"{len(ids)} {word}" + (f" ({', '.join(ids)})" if ids and word in named else ""))
    return ", ".join(parts)


def tally(judged: dict[str, Any]) -> str:
    """Which fixes help, trade, harm, do nothing, stay undecided."""
    judged_fixes, parts = alone(judged), list[str]()
    if not judged_fixes:
        return "No fix was trained alone: this study compares combinations."
    for word in VERBS:
        own = [fix for fix in judged_fixes if fix["verdict"] == word]
        if own:
            names = ", ".join(f"{fix['id']}{_note(fix)}" for fix in own)
            proved = sum(fix["detail"] == PROVED for fix in own)
            extra = f"; {proved} of them provably, being the same training as the baseline" if proved else ""
            parts.append(f"{len(own)} {(SINGULAR if len(own) == 1 else VERBS)[word]}: {names}{extra}")
        elif word == ADOPT:
            parts.append("none is shown to help")
    return f"Of {len(judged_fixes)} fixes, each alone against the baseline, " + ". ".join(parts) + "."


def averages(study: Study) -> str:
    """Which fixes move the near error averaged over the others; empty in a study without a product of fixes."""
    found = factorial(Rulers.of(study)) if averaged(study) else None
    if found is None:
        return ""
    sure = sorted((term for term in found.mains if term.sure), key=lambda term: -term.gain.estimate)
    sides = [("lower", [term for term in sure if term.gain.estimate > 0]), ("raise", [t for t in sure if t.gain.estimate < 0])]
    said = [f"{', '.join(_named(term) for term in terms)} {verb} it" for verb, terms in sides if terms] or ["none moves it"]
    blurred = "; among so few cells these are not told apart from some pairs" if any(term.carries for term in sure) else ""
    return f"Near error, averaged over the other fixes, after Holm: {'; '.join(said)}{blurred}."


def _named(term: Term) -> str:
    return f"{term.name} ({signed(term.gain.estimate)})"


def in_the_study(judged: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The fixes that a table shows, and a line that names those that the study does not have; empty where it has all."""
    missing = [fix["id"] for fix in judged["fixes"] if fix["absent"] == NOT_RUN]
    shown = [fix for fix in judged["fixes"] if fix["id"] not in missing]
    return shown, f"{NOT_RUN.capitalize()}: {', '.join(missing)}." if missing else ""


def _note(fix: dict[str, Any]) -> str:
    """What a name in a list needs beside it: that it is a series only, or which near weight it amounts to."""
    if _records_only(fix):
        return " (a series to log)"
    curve = fix["beyond_near_weight_curve"]
    return f" (near weight {curve['weight'].removeprefix('near weight ')})" if fix["verdict"] == TRADE and curve else ""


def _records_only(fix: dict[str, Any]) -> bool:
    return str(fix["detail"]).startswith("records only")


def whole(judged: dict[str, Any]) -> str:
    """The document's whole recommendation against its promises."""
    if not judged["promises"]:
        return "The document's whole recommendation was not run, so its three promises are not judged."
    near = next(entry for entry in judged["promises"] if entry["promise"] == "near field")
    said = "; ".join(f"{entry['asked']}: {entry['verdict']} ({measured(entry)})" for entry in judged["promises"])
    return f"The document's whole recommendation leaves near error {change(near['estimate'])}. Its promises: {said}."


def measured(entry: dict[str, Any]) -> str:
    """A promise's estimate in the promise's own terms."""
    if entry["promise"] == "near field":
        return f"measured {change(entry['estimate'])}"
    if entry["measure"] == "mean ln error over training":
        return f"mean error over training {change(entry['estimate'])}"
    return f"measured {times(entry['estimate'])} times as {'steady' if entry['promise'] == 'stability' else 'fast'}"


def sureness(study: Study, judged: dict[str, Any]) -> str:
    """Seeds, intervals, correction, divergences, and what so few seeds cannot do."""
    diverged = int((study.trials["status"] == "diverged").sum())
    lost = (
        f"{diverged} of {len(study.trials)} trials diverged and count with the trivial predictor's error"
        if diverged
        else "no trial diverged"
    )
    parts = [study.part] * bool(study.part) + [f"{study.seeds_in_words}, paired, 95 % intervals, Holm across the fixes; {lost}"]
    return "How sure: " + "; ".join(parts + [judged["reach"]] * bool(judged["reach"])) + "."


def ground(study: Study) -> str:
    """Data, steps and device, in a line."""
    experiment = study.meta["experiment"]
    training, data = experiment["training"], experiment.get("data") or {}
    size = {**training, **data}
    source = str(data.get("folder") or data.get("kind") or "procedural scenes").rstrip("/").split("/")[-1]
    counts = "" if data.get("folder") else ", ".join(f"{data[part]} to {verb}" for part, verb in USES.items() if part in data)
    pixels = f", {size['height']} x {size['width']} pixels" if {"height", "width"} <= set(size) else ""
    device = study.meta.get("device", "an unknown device")
    steps = f"{training['steps']} steps of batch {training.get('batch', '?')}"
    return f"Measured on {source}{f' ({counts})' if counts else ''}; {steps}{pixels}, on {device}."


def brief(value: Any) -> str:
    """A mapping's plain entries as "key value" pairs; anything else as it is."""
    if not isinstance(value, dict):
        return str(value)
    plain = [
        str(item) if key in ("kind", "name") else f"{key} {item}"
        for key, item in value.items()
        if isinstance(item, str | int | float) and not isinstance(item, bool)
    ]
    return ", ".join(plain[:6])
