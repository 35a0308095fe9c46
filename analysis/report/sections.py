"""The first sections of the report: each function returns one as HTML, from a study and its verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.comparisons import MeasuredStudy
from analysis.effects import percent
from analysis.factorial import Term, averaged, factorial
from analysis.formatting import confidence, p_value, ratio, shared_level, times, titled
from analysis.markup import (
    NONE,
    Html,
    below,
    bold_id,
    chip,
    estimate_with_interval,
    joined,
    paragraphs,
    safe,
    table,
    verdict_chip,
)
from analysis.power import power_by_measure, seed_count_text
from analysis.recommendation import candidate_text
from analysis.regime import is_early, why_early
from analysis.report import sentences
from analysis.report.loss_yaml import python_code, yaml_block
from analysis.rulers import FAR, NEAR
from analysis.rules import ADOPT, HARMFUL
from analysis.statements import EQUAL, promised, shown_and_missing, support_text, why
from analysis.study import Study

NEAR_ERROR, FAR_ERROR, CURVE, WOBBLE = "near error", "far error", "near error / the near-weight curve's", "wobble, 95 %"
FRESH = ["", "near error, first seeds", "near error, fresh seeds", "far error, fresh seeds", "wobble, fresh seeds, 95 %", ""]
MOST_ALIASES = 4  # in a table row


def answer(study: Study, judged: dict[str, Any]) -> Html:
    """The results as sentences."""
    return paragraphs(sentences.answer_sentences(study, judged))


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
    parts = [paragraphs([f"To adopt: {found['words']}."], "answer")]
    if is_early(judged):
        return joined(*parts, paragraphs([f"{why_early(judged)[0].upper()}{why_early(judged)[1:]}."]))
    if rows:
        fresh = found["fresh_seeds"]
        lead = f"On {len(fresh)} fresh seeds ({fresh[0]} to {fresh[-1]}), which chose no fix; ratios to the baseline's, "
        lead += f"intervals of {confidence(found['levels']['side'])}:"
        parts += [paragraphs([lead]), table(FRESH, rows, numeric=(1, 2, 3, 4))]
    elif found["candidates"]:
        parts.append(paragraphs([f"Not yet confirmed on fresh seeds: nfloss confirm {study_path(study.folder)}"], "quiet"))
    blocks = "".join(f"<pre>{safe(text)}</pre>" for text in (yaml_block(found), python_code(found)))
    return joined(*parts, Html(f'<div class="take">{blocks}</div>'))


def study_path(folder: Path) -> Path:
    """The last two parts of a study's folder: runs/NAME."""
    return Path(*folder.resolve().parts[-2:])


def _first(entry: dict[str, Any]) -> Html:
    """The ratio by which a candidate was chosen, and the share of that log gain that fresh seeds give again."""
    first = entry["chosen_by"]
    if first is None:
        return NONE
    left = entry["near"]["estimate"] / first["estimate"] if first["estimate"] > 0 else 0.0
    return estimate_with_interval(times(first["estimate"]), f"{max(left, 0.0):.0%} of this gain on fresh seeds", False)


def _fresh(entry: dict[str, Any]) -> list[Html]:
    return [ratio_cell(entry[measure]) for measure in ("near", "far", "stability")]


def controls(study: Study, judged: dict[str, Any]) -> Html:
    """The near weights, each judged like a fix against the curve of the others, as a check of the method."""
    rows = [
        [
            f"baseline at near weight {e['weight']:g}",
            *ratio_cells(e),
            verdict_chip(judged, e["verdict"]),
            why(e),
        ]
        for e in judged["controls"]
    ]
    if not rows:
        return paragraphs(["The near weights were not run, so fixes cannot be compared with them."])
    lead = paragraphs(["As a check, near weights judged like fixes, each against the curve of the others:"])
    headers = ["", NEAR_ERROR, FAR_ERROR, CURVE, "verdict", "why"]
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
            *(ratio_cell(t.gain.as_dict()) for t in (one, other)),
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
    headers = ["", f"{NEAR_ERROR}, " + ("averaged over the others" if averaged(study) else "each alone")]
    headers += [FAR_ERROR, "p Holm (near)", "aliases"]
    return joined(paragraphs([said + "."]), table(headers, rows, numeric=(1, 2, 3)))


def _besides(term: Term) -> str:
    return ", ".join(term.carries[:MOST_ALIASES]) + (", ..." if len(term.carries) > MOST_ALIASES else "")


def power(study: Study, judged: dict[str, Any]) -> Html:
    """The changes that the seeds detect, for each measure."""
    rows = [
        [
            entry.measure,
            f"{percent(entry.sd):.2g} %",
            times(entry.detectable),
            seed_count_text(entry.seeds_for_asked),
            seed_count_text(entry.seeds_for_equivalence),
        ]
        for entry in power_by_measure(judged)
    ]
    n = len(study.seeds)
    headers = [
        "",
        "spread between seeds",
        f"ratio that {n} seeds tell from ×1",
        "seeds to tell ×0.95",
        "seeds to show “within 5 %”",
    ]
    level = f"{1 - judged['levels']['side']:.2g} near and far, else 0.05"
    note = f"Spread: median over the fixes of the standard deviation of per-seed gains. Two-sided level {level}, power 80 %."
    return joined(table(headers, rows, numeric=(1, 2, 3, 4)), paragraphs([note], "quiet"))


def fixes(study: Study, judged: dict[str, Any]) -> Html:
    """Each fix of the study alone against the baseline, by issue; fixes that it does not have are named below."""
    issues = {issue["number"]: issue for issue in judged["issues"]}
    shown, missing = shown_and_missing(judged)
    rows = []
    for fix in shown:
        issue = issues[fix["issue"]]
        group = Html(f"<b>{safe(titled(issue))}</b>{below(issue['severity'])}")
        name = bold_id(fix)
        held = support_text(fix)
        verdict = Html(verdict_chip(judged, fix["verdict"]).text + (below(held) if held else ""))
        rows.append([group, name, *ratio_cells(fix), verdict, why(fix)])
    headers = ["issue", "fix", NEAR_ERROR, FAR_ERROR, CURVE, "verdict", "why"]
    note = f"Intervals: {shared_level(judged['levels'])}. Holds in: repeats of the verdict without one of the seeds."
    parts = [table(headers, rows, numeric=(2, 3, 4), first_of=0)] if rows else []
    return joined(*parts, paragraphs([note] * bool(rows) + [missing] * bool(missing), "quiet"))


def ratio_cells(entry: dict[str, Any]) -> list[Any]:
    """Table cells: near and far error as ratios to the baseline's, the near error as a ratio to the near-weight curve's."""
    if entry.get("key", True) is None:
        return [NONE] * 3
    if entry.get("same_as") in ("baseline", "full"):
        return [Html(f'<span class="quiet">{EQUAL}</span>')] * 2 + [NONE]
    return [ratio_cell(entry[measure]) for measure in ("near", "far", "beyond_near_weight_curve")]


def ratio_cell(entry: dict[str, Any] | None) -> Html:
    """A ratio above its interval, bold where that excludes 1; a dash if `entry` is None."""
    if entry is None:
        return NONE
    estimate, interval = ratio(entry).split(" ", 1)
    return estimate_with_interval(estimate, interval, not entry["low"] <= 0 <= entry["high"])


def promises(study: Study, judged: dict[str, Any]) -> Html:
    """The three promises, and other measures of stability."""
    entries = judged["promises"]
    if not entries:
        return paragraphs(["The document's whole recommendation is not in this study."])
    rows = [
        [e["promise"], e["asked"], promised(e), ratio_cell(e), verdict_chip(judged, e["verdict"]), e["n"], _condition(e)]
        for e in entries
    ]
    level = f"{entries[0]['level']:.1%}".replace("%", " %")
    headers = ["promise", "in the document's words", "promised ratio", f"measured, {level}", "verdict", "seeds", "of what"]
    reach = sorted({e["reach"] for e in entries if e["reach"]})
    said = paragraphs((text[0].upper() + text[1:] + "." for text in reach), "quiet")
    early = [paragraphs(["Void, whatever was measured, since the study is early."])] if is_early(judged) else []
    return joined(*early, table(headers, rows, numeric=(2, 3, 5)), said, _beside(entries[0]))


def _beside(stability: dict[str, Any]) -> Html:
    """Stability measured on the training loss, as in the document, and by other measures."""
    own = stability["as_the_document_would_read_it"]
    sentence = f"The wobble of its own training loss, at which the document looks, is {ratio(own)} of that of the baseline's. "
    sentence += "A changed loss is no measure of its own effect."
    rows = [[row["name"], f"{row['baseline']:.3g}", f"{row['full']:.3g}"] for row in stability["beside"]]
    headers = ["other measures, not tested", "baseline", "recommendation"]
    return joined(paragraphs([sentence]), table(headers, rows, numeric=(1, 2)))


def _condition(entry: dict[str, Any]) -> str:
    arrived = entry.get("arrived")
    if arrived:
        base, full = arrived["baseline"], arrived["full"]
        return f"{entry['measure']}; {base} trainings of the baseline and {full} of the recommendation reach the target"
    by = f"; by AbsRel {ratio(other)}" if (other := entry.get("abs_rel")) else ""
    return f"{entry['measure']}{by}; condition: {entry['condition']}: {'holds' if entry['condition_holds'] else 'not shown'}"


def leave_one_out(study: Study, judged: dict[str, Any]) -> Html:
    """The errors with each fix inside the whole recommendation as ratios to those of the whole without it, and of it alone."""
    alone = {fix["id"]: fix for fix in judged["fixes"]}
    said = {ADOPT: "helps", HARMFUL: "hurts"}
    rows = []
    for entry in judged["leave_one_out"]:
        fix = alone.get(entry["id"])
        near, far, _ = ratio_cells(entry)
        single = NONE if fix is None else ratio_cells(fix)[0]
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
    headers = ["fix", f"{NEAR_ERROR} alone", f"{NEAR_ERROR} in the whole", f"{FAR_ERROR} in the whole", "in the whole", "why"]
    return table(headers, rows, numeric=(1, 2, 3))


def cumulative(study: Study, judged: dict[str, Any]) -> Html:
    """The document's order of work, each step against the baseline; nothing is judged, so intervals are 95 %."""
    rows = [
        [entry["cell"], entry["fixes"], *(ratio_cell(entry[measure]) for measure in ("near", "far", "stability"))]
        for entry in judged["cumulative"]
    ]
    headers = ["step", "fixes", f"{NEAR_ERROR}, 95 %", f"{FAR_ERROR}, 95 %", WOBBLE]
    return table(headers, rows, numeric=(2, 3, 4))
