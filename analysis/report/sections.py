"""The first sections of the report: each function returns one as HTML, from a study and its verdicts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from analysis.comparisons import MeasuredStudy
from analysis.effects import percent
from analysis.factorial import Term, averaged, factorial
from analysis.formatting import confidence, interval, p_value, shared_level, signed, times
from analysis.markup import NONE, Html, below, chip, estimate_with_interval, joined, paragraphs, safe, table, verdict_chip
from analysis.power import power_by_measure, seed_count_text
from analysis.recommendation import candidate_text
from analysis.regime import is_early, why_early
from analysis.report import sentences
from analysis.report.loss_yaml import python_code, yaml_block
from analysis.rulers import FAR, NEAR
from analysis.rules import ADOPT, HARMFUL, VERDICTS, trained_alone
from analysis.study import Study

FRESH = ["", "near gain, first seeds", "near gain, fresh seeds", "far gain, fresh seeds", "wobble lower by, 95 %", ""]
MOST_ALIASES = 4  # in a table row


def answer(study: Study, judged: dict[str, Any]) -> Html:
    """The number of fixes with each verdict, if any were trained alone; then the results as sentences."""
    count = Counter(fix["verdict"] for fix in trained_alone(judged))
    chips = " ".join(
        f'<span class="count">{verdict_chip(judged, verdict).text} <b>{count[verdict]}</b></span>' for verdict in VERDICTS
    )
    first, *rest = sentences.answer_sentences(study, judged)
    counted = [Html(f'<p class="counts">{chips}</p>')] if count else []
    return joined(*counted, paragraphs([first], "answer"), paragraphs(rest))


def recommendation(study: Study, judged: dict[str, Any]) -> Html:
    """The recommended loss, its gains on fresh seeds, and its YAML and Python code."""
    found = judged["recommendation"]
    rows: list[list[Any]] = [
        [Html(f"<b>{safe(candidate_text(e))}</b>"), _first(e), *_fresh(e), chip("confirmed" if e["holds"] else "inconclusive")]
        for e in found["entries"]
    ]
    if found["document"]:
        whole = found["document"]
        rows.append([Html("<b>the document's whole recommendation</b>"), NONE, *_fresh(whole), ""])
    parts = [paragraphs([f"{found['words'][0].upper()}{found['words'][1:]}."], "answer")]
    if is_early(judged):
        return joined(*parts, paragraphs([f"{why_early(judged)[0].upper()}{why_early(judged)[1:]}."]))
    if rows:
        fresh = found["fresh_seeds"]
        lead = (
            f"On {len(fresh)} fresh seeds ({fresh[0]} to {fresh[-1]}), which chose no fix, against the baseline, intervals of "
        )
        lead += f"{confidence(found['levels']['side'])}:"
        parts += [paragraphs([lead]), table(FRESH, rows, numeric=(1, 2, 3, 4))]
    elif found["candidates"]:
        parts.append(paragraphs([f"Not yet confirmed on fresh seeds: nfloss confirm {study_path(study.folder)}"], "quiet"))
    blocks = "".join(f"<pre>{safe(text)}</pre>" for text in (yaml_block(found), python_code(found)))
    return joined(*parts, Html(f'<div class="take">{blocks}</div>'))


def study_path(folder: Path) -> Path:
    """The last two parts of a study's folder: runs/NAME."""
    return Path(*folder.resolve().parts[-2:])


def _first(entry: dict[str, Any]) -> Html:
    """The gain by which a candidate was chosen, and the share of it that fresh seeds confirm."""
    first = entry["chosen_by"]
    if first is None:
        return NONE
    left = entry["near"]["estimate"] / first["estimate"] if first["estimate"] > 0 else 0.0
    return estimate_with_interval(signed(first["estimate"]), f"{max(left, 0.0):.0%} of it on fresh seeds", False)


def _fresh(entry: dict[str, Any]) -> list[Html]:
    return [gain_cell(entry["near"]), gain_cell(entry["far"]), gain_cell(entry["stability"], "")]


def controls(study: Study, judged: dict[str, Any]) -> Html:
    """The near weights, each judged like a fix against the curve of the others, as a check of the method."""
    rows = [
        [
            f"baseline at near weight {e['weight']:g}",
            *gain_cells({**e, "same_as": None}),
            verdict_chip(judged, e["verdict"]),
            sentences.why(e),
        ]
        for e in judged["controls"]
    ]
    if not rows:
        return paragraphs(["The near weights were not run, so fixes cannot be compared with them."])
    lead = paragraphs(["As a check, near weights judged like fixes, each against the curve of the others:"])
    headers = ["", "near gain", "far gain", "beyond any near weight", "verdict", "why"]
    return joined(lead, table(headers, rows, numeric=(1, 2, 3)))


def effects(study: Study, judged: dict[str, Any]) -> Html:
    """Main effects, then the interactions that are shown after Holm, each with its aliases."""
    measured = MeasuredStudy.of(study)
    near, far = (factorial(measured, column) for column in (NEAR, FAR))
    assert near is not None and far is not None
    shown = [(one, other) for one, other in zip(near.pairs, far.pairs, strict=True) if one.sure]
    rows = [
        [
            Html(f"<b>{safe(one.name)}</b>"),
            *(gain_cell(t.gain.as_dict()) for t in (one, other)),
            p_value(one.p_holm),
            _besides(one),
        ]
        for one, other in [*zip(near.mains, far.mains, strict=True), *shown]
    ]
    aliased = sum(bool(term.carries) for term in near.pairs)
    said = f"{near.cells} cells. " + (
        f"{len(shown)} of {len(near.pairs)} pairs interact in near error after Holm"
        + (f"; {aliased} pairs have aliases" if aliased else "")
        if near.pairs
        else "There are too few cells to estimate pairs; those that bias a main effect are named beside it"
    )
    headers = ["", "near gain, " + ("averaged over the others" if averaged(study) else "each alone")]
    headers += ["far gain", "p Holm (near)", "aliases"]
    return joined(paragraphs([said + "."]), table(headers, rows, numeric=(1, 2, 3)))


def _besides(term: Term) -> str:
    return ", ".join(term.carries[:MOST_ALIASES]) + (", ..." if len(term.carries) > MOST_ALIASES else "")


def power(study: Study, judged: dict[str, Any]) -> Html:
    """The changes that the seeds detect, for each measure."""
    rows = [
        [
            entry.measure,
            f"{percent(entry.sd):.2g} %",
            f"{percent(entry.detectable):.2g} %",
            seed_count_text(entry.seeds_for_asked),
            seed_count_text(entry.seeds_for_equivalence),
        ]
        for entry in power_by_measure(judged)
    ]
    n = len(study.seeds)
    headers = ["", "spread between seeds", f"change that {n} seeds detect", "seeds to detect 5 %", "seeds to show “within 5 %”"]
    level = f"{1 - judged['levels']['side']:.2g} near and far, else 0.05"
    note = f"Spread: median over the fixes of the standard deviation of per-seed gains. Two-sided level {level}, power 80 %."
    return joined(table(headers, rows, numeric=(1, 2, 3, 4)), paragraphs([note], "quiet"))


def fixes(study: Study, judged: dict[str, Any]) -> Html:
    """Each fix of the study alone against the baseline, by issue; fixes that it does not have are named below."""
    issues = {issue["number"]: issue for issue in judged["issues"]}
    shown, missing = sentences.shown_and_missing(judged)
    rows = []
    for fix in shown:
        issue = issues[fix["issue"]]
        title = f"<b>{issue['number']} {safe(issue['title'])}</b>{below(issue['severity'])}"
        group = Html(f"{title}<br>{verdict_chip(judged, issue['verdict']).text}")
        name = Html(f"<b>{safe(fix['id'])}</b> {safe(fix['name'])}")
        held = sentences.support_text(fix)
        verdict = Html(verdict_chip(judged, fix["verdict"]).text + (below(held) if held else ""))
        rows.append([group, name, *gain_cells(fix), verdict, sentences.why(fix)])
    headers = ["issue", "fix", "near gain", "far gain", "beyond any near weight", "verdict", "why"]
    note = f"Intervals: {shared_level(judged['levels'])}. Holds in: repeats of the verdict without one of the seeds."
    parts = [table(headers, rows, numeric=(2, 3, 4), first_of=0)] if rows else []
    return joined(*parts, paragraphs([note] * bool(rows) + [missing] * bool(missing), "quiet"))


def gain_cells(entry: dict[str, Any]) -> list[Any]:
    """Table cells: gains near, far and beyond the near weight curve."""
    if entry.get("key", True) is None:
        return [NONE] * 3
    if entry["same_as"] in ("baseline", "full"):
        return [Html('<span class="quiet">0, proved</span>'), Html('<span class="quiet">0, proved</span>'), NONE]
    return [gain_cell(entry[name]) for name in ("near", "far", "beyond_near_weight_curve")]


def gain_cell(entry: dict[str, Any] | None, noun: str = "error ") -> Html:
    """A gain above its interval; a dash if `entry` is None. `noun` stands before the factor of a very large loss."""
    if entry is None:
        return NONE
    return estimate_with_interval(
        signed(entry["estimate"]).replace("error ", noun), interval(entry), not entry["low"] <= 0 <= entry["high"]
    )


def promises(study: Study, judged: dict[str, Any]) -> Html:
    """The three promises, and other measures of stability."""
    entries = judged["promises"]
    if not entries:
        return paragraphs(["The document's whole recommendation is not in this study."])
    rows = [
        [e["promise"], e["asked"], verdict_chip(judged, e["verdict"]), *_promise_numbers(e), e["n"], _condition(e)]
        for e in entries
    ]
    level = f"{entries[0]['level']:.1%} interval".replace("%", " %")
    headers = ["promise", "asked", "verdict", "measured", level, "seeds", "measure and condition"]
    reach = sorted({e["reach"] for e in entries if e["reach"]})
    said = paragraphs((text[0].upper() + text[1:] + "." for text in reach), "quiet")
    early = [paragraphs(["Void, whatever was measured, since the study is early."])] if is_early(judged) else []
    return joined(*early, table(headers, rows, numeric=(3, 4, 5)), said, _beside(entries[0]))


def _beside(stability: dict[str, Any]) -> Html:
    """Stability measured on the training loss, as in the document, and by other measures."""
    own = stability["as_the_document_would_read_it"]
    ends = f"{times(own['low'])} to {times(own['high'])}"
    sentence = "Measured on its own training loss, as in the document, the recommendation is "
    sentence += f"{times(own['estimate'])} times as stable ({ends}). A changed loss is no measure of its own effect."
    rows = [[row["name"], f"{row['baseline']:.3g}", f"{row['full']:.3g}"] for row in stability["beside"]]
    headers = ["other measures, not tested", "baseline", "recommendation"]
    return joined(paragraphs([sentence]), table(headers, rows, numeric=(1, 2)))


def _promise_numbers(entry: dict[str, Any]) -> list[str]:
    if entry["promise"] == "near field" or entry["measure"].startswith("mean"):
        return [signed(entry["estimate"]), interval(entry)]
    return [f"{times(entry['estimate'])} times", f"[{times(entry['low'])}, {times(entry['high'])}]"]


def _condition(entry: dict[str, Any]) -> str:
    arrived = entry.get("arrived")
    if arrived:
        return f"{entry['measure']}; reached by {arrived['baseline']} baseline and {arrived['full']} recommended runs"
    by = f"; by AbsRel {signed(other['estimate'])} {interval(other)}" if (other := entry.get("abs_rel")) else ""
    return f"{entry['measure']}{by}; condition: {entry['condition']}: {'holds' if entry['condition_holds'] else 'not shown'}"


def leave_one_out(study: Study, judged: dict[str, Any]) -> Html:
    """The gain of each fix inside the whole recommendation, and alone."""
    alone = {fix["id"]: fix for fix in judged["fixes"]}
    said = {ADOPT: "helps", HARMFUL: "hurts"}
    rows = []
    for entry in judged["leave_one_out"]:
        fix = alone.get(entry["id"])
        near, far, _ = gain_cells(entry)
        single = NONE if fix is None else gain_cells(fix)[0]
        name = Html(f"<b>{safe(entry['id'])}</b> {safe(fix['name'] if fix else '')}")
        rows.append(
            [
                name,
                single,
                near,
                far,
                verdict_chip(judged, entry["verdict"], said.get(entry["verdict"], "")),
                entry["detail"],
            ]
        )
    headers = ["fix", "near gain alone", "near gain in the whole", "far gain in the whole", "in the whole", "why"]
    return table(headers, rows, numeric=(1, 2, 3))


def cumulative(study: Study, judged: dict[str, Any]) -> Html:
    """The document's order of work, each step against the baseline; nothing is judged, so intervals are 95 %."""
    rows = [
        [entry["cell"], entry["fixes"], gain_cell(entry["near"]), gain_cell(entry["far"]), gain_cell(entry["stability"], "")]
        for entry in judged["cumulative"]
    ]
    headers = ["step", "fixes", "near gain, 95 %", "far gain, 95 %", "wobble lower by, 95 %"]
    return table(headers, rows, numeric=(2, 3, 4))
