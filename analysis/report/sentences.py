"""Sentences that are about a whole study: its design, its certainty, its data; those on its verdicts are `statements`."""

from __future__ import annotations

from typing import Any

from analysis import statements
from analysis.comparisons import MeasuredStudy
from analysis.factorial import Term, averaged, factorial
from analysis.formatting import shared_level, times
from analysis.regime import early_sentence, is_early
from analysis.rulers import ERROR_EXPLAINED, PROBE_NEAR
from analysis.study import Study

#: Columns of a trial that say with what it was computed.
SOFTWARE = ("python", "torch", "numpy", "processor", "machine_code", "device")
USES = {"train": "train", "probe": "probe", "validation": "validate"}


def answer_sentences(study: Study, judged: dict[str, Any]) -> list[str]:
    """The results in six sentences: the fixes alone, the fixes averaged, the promises, the recommendation, certainty, data."""
    results = [statements.verdict_sentence(judged), main_effects_sentence(study), statements.promises_sentence(judged)]
    if is_early(judged):
        results = [early_sentence(text) for text in results if text]
    adopt = f"To adopt: {judged['recommendation']['words']}."
    return [text for text in [*results, adopt, certainty_sentence(study, judged), measured_on(study)] if text]


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
    return f"{term.name} ({times(term.gain.estimate)})"


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
    if study.passes:
        steps += f" ({study.passes:.2g} passes over the training frames)"
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
