"""The results as sentences, for the report, the summary and the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.comparisons import MeasuredStudy
from analysis.deciding import settling
from analysis.factorial import Term, averaged, factorial
from analysis.formatting import change, shared_level, signed, times
from analysis.regime import early_sentence, is_early, said
from analysis.rulers import ERROR_EXPLAINED, PROBE_NEAR
from analysis.rules import ADOPT, HARMFUL, NO_EFFECT, NOT_RUN, OPEN, PROVED, TRADE, VERDICTS, counted_fixes, trained_alone
from analysis.study import Study

VERBS = {  # of one fix, of several
    ADOPT: ("helps (adopt)", "help (adopt)"),
    TRADE: ("trades one error for the other", "trade one error for the other"),
    HARMFUL: ("is harmful", "are harmful"),
    NO_EFFECT: ("has no effect", "have no effect"),
    OPEN: ("is open", "are open"),
}
#: Columns of a trial that say with what it was computed.
SOFTWARE = ("python", "torch", "numpy", "processor", "machine_code", "device")
USES = {"train": "train", "probe": "probe", "validation": "validate"}


def answer_sentences(study: Study, judged: dict[str, Any]) -> list[str]:
    """The results in six sentences: the fixes alone, the fixes averaged, the promises, the recommendation, certainty, data."""
    results = [verdict_sentence(judged), main_effects_sentence(study), promises_sentence(judged)]
    if is_early(judged):
        results = [early_sentence(text) for text in results if text]
    recommended = f"Recommendation: {judged['recommendation']['words']}."
    return [text for text in [*results, recommended, certainty_sentence(study, judged), measured_on(study)] if text]


def verdict_counts(judged: dict[str, Any], named: Sequence[str] = ()) -> str:
    """The number of fixes with each verdict, and their ids for the verdicts in `named`."""
    judged_fixes, parts = counted_fixes(judged), list[str]()
    if not judged_fixes:
        return "no fix alone, combinations only"
    for verdict in VERDICTS:
        ids = [fix["id"] for fix in judged_fixes if fix["verdict"] == verdict]
        parts.append(f"{len(ids)} {verdict}" + (f" ({', '.join(ids)})" if ids and verdict in named else ""))
    return said(judged, ", ".join(parts))


def verdict_sentence(judged: dict[str, Any]) -> str:
    """The fixes of each verdict; those that repeat another fix are named, and not counted."""
    judged_fixes, parts = counted_fixes(judged), list[str]()
    if not judged_fixes:
        return "No fix was trained alone: this study compares combinations."
    for verdict in VERBS:
        own = [fix for fix in judged_fixes if fix["verdict"] == verdict]
        if own:
            names = ", ".join(f"{fix['id']}{_note(fix)}" for fix in own)
            proved = sum(fix["detail"].startswith(PROVED) for fix in own)
            extra = f"; {proved} of them proved: the same training as the baseline" if proved else ""
            parts.append(f"{len(own)} {VERBS[verdict][len(own) > 1]}: {names}{extra}")
        elif verdict == ADOPT:
            parts.append("none is shown to help")
    parts += [
        f"{fix['id']} is the same training as {fix['same_as']}" for fix in trained_alone(judged) if fix not in judged_fixes
    ]
    return f"Of {len(judged_fixes)} fixes, each alone against the baseline, " + ". ".join(parts) + "."


def main_effects_sentence(study: Study) -> str:
    """The fixes that change the near error, averaged over the others; empty unless the study has a factorial design."""
    found = factorial(MeasuredStudy.of(study)) if averaged(study) else None
    if found is None:
        return ""
    sure = sorted((term for term in found.mains if term.sure), key=lambda term: -term.gain.estimate)
    sides = [("lower", [term for term in sure if term.gain.estimate > 0]), ("raise", [t for t in sure if t.gain.estimate < 0])]
    said = [f"{', '.join(_named(term) for term in terms)} {verb} it" for verb, terms in sides if terms] or ["no fix changes it"]
    blurred = "; with so few cells these effects may belong to pairs of fixes" if any(term.carries for term in sure) else ""
    return f"Near error, averaged over the other fixes, after Holm: {'; '.join(said)}{blurred}."


def _named(term: Term) -> str:
    return f"{term.name} ({signed(term.gain.estimate)})"


def shown_and_missing(judged: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The fixes of the study, and a line that names the fixes it does not have; empty if it has all."""
    missing = [fix["id"] for fix in judged["fixes"] if fix["absent"] == NOT_RUN]
    shown = [fix for fix in judged["fixes"] if fix["id"] not in missing]
    return shown, f"{NOT_RUN.capitalize()}: {', '.join(missing)}." if missing else ""


def _note(fix: dict[str, Any]) -> str:
    """A remark on a fix in a list: how the series reads that it adds to the log, or which near weight has its errors."""
    if fix["reads"]:
        return f" (its series reads {fix['reads']})".replace("reads not", "is not")
    curve = fix["beyond_near_weight_curve"]
    return f" (near weight {curve['weight'].removeprefix('near weight ')})" if fix["verdict"] == TRADE and curve else ""


def support_text(fix: dict[str, Any]) -> str:
    """In how many repeats without one seed the word stays; empty where nothing was measured.

    >>> support_text({"support": {"holds": 5, "of": 6}})
    'holds in 5 of 6'
    """
    found = fix["support"]
    return f"holds in {found['holds']} of {found['of']}" if found else ""


def why(fix: dict[str, Any]) -> str:
    """The reason of a word, and of an open one what would settle it."""
    if fix["verdict"] != OPEN or not fix["key"]:
        return str(fix["detail"])
    return f"{fix['detail']}; {settling(fix)}"


def promises_sentence(judged: dict[str, Any]) -> str:
    """The document's whole recommendation and its promises."""
    if not judged["promises"]:
        return "The document's whole recommendation was not run, so its three promises are not judged."
    near = next(entry for entry in judged["promises"] if entry["promise"] == "near field")
    said = "; ".join(f"{entry['asked']}: {entry['verdict']} ({promise_estimate(entry)})" for entry in judged["promises"])
    return f"The document's whole recommendation leaves near error {change(near['estimate'])}. Its promises: {said}."


def promise_estimate(entry: dict[str, Any]) -> str:
    """The estimate in the terms of the promise."""
    if entry["promise"] == "near field":
        return f"measured {change(entry['estimate'])}, by AbsRel {change(entry['abs_rel']['estimate'])}"
    if entry["measure"] == "mean ln error over training":
        return f"mean error over training {change(entry['estimate'])}"
    interval = f"[{times(entry['low'])}, {times(entry['high'])}]"
    return f"measured {times(entry['estimate'])} times as {'steady' if entry['promise'] == 'stability' else 'fast'} {interval}"


def certainty_sentence(study: Study, judged: dict[str, Any]) -> str:
    """Seeds, intervals, correction, diverged trials, and a warning if there are too few seeds."""
    diverged = int((study.trials["status"] == "diverged").sum())
    lost = (
        f"{diverged} of {len(study.trials)} trials diverged and count with the trivial predictor's error"
        if diverged
        else "no trial diverged"
    )
    parts = [study.part] * bool(study.part) + [
        f"{study.seeds_in_words}, paired, intervals of {shared_level(judged['levels'])}; {lost}"
    ]
    return "Certainty: " + "; ".join(parts + [judged["reach"]] * bool(judged["reach"])) + "."


def measured_on(study: Study) -> str:
    """Data, steps and device; whether the trials are of several machines or versions."""
    experiment = study.meta["experiment"]
    training, data = experiment["training"], experiment.get("data") or {}
    size = {**training, **data}
    source = str(data.get("folder") or data.get("kind") or "procedural scenes").rstrip("/").split("/")[-1]
    counts = "" if data.get("folder") else ", ".join(f"{data[part]} to {verb}" for part, verb in USES.items() if part in data)
    pixels = f", {size['height']} x {size['width']} pixels" if {"height", "width"} <= set(size) else ""
    device = study.meta.get("device", "an unknown device")
    steps = f"{training['steps']} steps of batch {training.get('batch', '?')}"
    if not study.from_scratch:
        first = study.curves[(study.curves["key"] == study.baseline) & (study.curves["step"] == 0)]
        steps += f", from networks of {training['start_steps']} steps of neutral training (L1 in ln depth)"
        steps += f", whose near error on the probe is {first[PROBE_NEAR].mean():.3f}"
    text = f"Measured on {source}{f' ({counts})' if counts else ''}; {steps}{pixels}, on {device}; error: {ERROR_EXPLAINED}."
    return f"{text} {mixed}" if (mixed := mixed_software(study)) else text


def mixed_software(study: Study) -> str:
    """Which versions, processors or ways of computing differ among the trials, as a sentence; empty where all are alike."""
    kinds = {name: study.trials[name].dropna().value_counts() for name in SOFTWARE if name in study.trials}
    parts = [
        f"{name.replace('_', ' ')} {' and '.join(f'{value} ({count} trials)' for value, count in found.items())}"
        for name, found in kinds.items()
        if len(found) > 1
    ]
    return f"A mixed study, in which the last digits may differ: {'; '.join(parts)}." if parts else ""


def brief(value: Any) -> str:
    """The first six plain entries of a mapping as "key value"; any other value as text."""
    if not isinstance(value, dict):
        return str(value)
    plain = [
        str(item) if key in ("kind", "name") else f"{key} {item}"
        for key, item in value.items()
        if isinstance(item, str | int | float) and not isinstance(item, bool)
    ]
    return ", ".join(plain[:6])
