"""The report's first sections: each takes the study and its verdicts and gives a piece of HTML."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from analysis.comparisons import Rulers
from analysis.effects import percent
from analysis.factorial import Term, averaged, factorial
from analysis.formatting import interval, p_value, signed, times
from analysis.html import NONE, Html, below, chip, gain, joined, paragraphs, safe, table
from analysis.power import power as power_of
from analysis.power import seeds
from analysis.recommendation import label
from analysis.report import sentences
from analysis.report.take_home import code, yaml_block
from analysis.rules import ADOPT, HARMFUL, WORDS, alone
from analysis.study import Study

FRESH = ["", "near gain on the seeds that chose it", "near gain, fresh", "far gain, fresh", "wobble lower by", ""]
MOST_ALIASES = 4  # named in a row


def answer(study: Study, judged: dict[str, Any]) -> Html:
    """The first screen: counts, where fixes were trained alone, then the answer in plain words."""
    count = Counter(fix["verdict"] for fix in alone(judged))
    chips = " ".join(f'<span class="count">{chip(word).text} <b>{count[word]}</b></span>' for word in WORDS)
    first, *rest = sentences.answer(study, judged)
    counted = [Html(f'<p class="counts">{chips}</p>')] if count else []
    return joined(*counted, paragraphs([first], "answer"), paragraphs(rest))


def recommendation(study: Study, judged: dict[str, Any]) -> Html:
    """What to take home: the recommended loss, how it did on fresh seeds, and the YAML and code of it."""
    found = judged["recommendation"]
    rows: list[list[Any]] = [
        [Html(f"<b>{safe(label(e))}</b>"), _first(e), *_fresh(e), chip("confirmed" if e["holds"] else "inconclusive")]
        for e in found["entries"]
    ]
    if found["document"]:
        whole = found["document"]
        rows.append([Html("<b>the document's whole recommendation</b>"), NONE, *_fresh(whole), ""])
    parts = [paragraphs([f"{found['words'][0].upper()}{found['words'][1:]}."], "answer")]
    if rows:
        fresh = found["fresh_seeds"]
        lead = (
            f"Trained again on {len(fresh)} fresh seeds ({fresh[0]} to {fresh[-1]}), which chose nothing, against the baseline:"
        )
        parts += [paragraphs([lead]), table(FRESH, rows, numeric=(1, 2, 3, 4))]
    elif found["candidates"]:
        parts.append(paragraphs([f"Not yet confirmed on fresh seeds: nfloss confirm {at_home(study.folder)}"], "quiet"))
    blocks = "".join(f"<pre>{safe(text)}</pre>" for text in (yaml_block(found), code(found)))
    return joined(*parts, Html(f'<div class="take">{blocks}</div>'))


def at_home(folder: Path) -> Path:
    """A study's folder with the one that it lies in, runs/NAME, from wherever it is read."""
    return Path(*folder.resolve().parts[-2:])


def _first(entry: dict[str, Any]) -> Html:
    """The gain that a candidate was chosen by, and how much of it is left on fresh seeds."""
    first = entry["chosen_by"]
    if first is None:
        return NONE
    left = entry["near"]["estimate"] / first["estimate"] if first["estimate"] > 0 else 0.0
    return gain(signed(first["estimate"]), f"{max(left, 0.0):.0%} of it survives", False)


def _fresh(entry: dict[str, Any]) -> list[Html]:
    return [gain_cell(entry["near"]), gain_cell(entry["far"]), gain_cell(entry["stability"], "")]


def controls(study: Study, judged: dict[str, Any]) -> Html:
    """The near weights, each judged as if it were a fix, against the curve of the others: the method must see through it."""
    rows = [
        [f"baseline at near weight {e['weight']:g}", *gains({**e, "same_as": None}), chip(e["verdict"]), e["detail"]]
        for e in judged["controls"]
    ]
    if not rows:
        return paragraphs(["The near weights were not run, so no fix can be told from turning that knob."])
    lead = paragraphs(["As a check, near weights presented as if they were fixes, each against the curve of the others:"])
    headers = ["", "near gain", "far gain", "beyond any near weight", "p Holm", "verdict", "why"]
    return joined(lead, table(headers, rows, numeric=(1, 2, 3, 4)))


def effects(study: Study, judged: dict[str, Any]) -> Html:
    """Main effects, then the pairs that show after Holm or have aliases, with what each estimate carries besides."""
    rulers = Rulers.of(study)
    near, far = (factorial(rulers, f"final_{side}_abs_rel") for side in ("near", "far"))
    assert near is not None and far is not None
    told = [(one, other) for one, other in zip(near.pairs, far.pairs, strict=True) if one.sure]
    rows = [
        [
            Html(f"<b>{safe(one.name)}</b>"),
            *(gain_cell(t.gain.as_dict()) for t in (one, other)),
            p_value(one.p_holm),
            _besides(one),
        ]
        for one, other in [*zip(near.mains, far.mains, strict=True), *told]
    ]
    aliased = sum(bool(term.carries) for term in near.pairs)
    said = f"{near.cells} cells. " + (
        f"{len(told)} of {len(near.pairs)} pairs interact in near error after Holm"
        + (f"; {aliased} pairs have aliases" if aliased else "")
        if near.pairs
        else "The cells are too few to estimate pairs; what a main effect carries of them stands beside it"
    )
    headers = ["", "near gain, " + ("averaged over the others" if averaged(study) else "by itself")]
    headers += ["far gain", "p Holm (near)", "not told apart from"]
    return joined(paragraphs([said + "."]), table(headers, rows, numeric=(1, 2, 3)))


def _besides(term: Term) -> str:
    return ", ".join(term.carries[:MOST_ALIASES]) + (", ..." if len(term.carries) > MOST_ALIASES else "")


def power(study: Study, judged: dict[str, Any]) -> Html:
    """What the seeds can tell apart on each ruler."""
    rows = [
        [
            entry.ruler,
            f"{percent(entry.sd):.2g} %",
            f"{percent(entry.detectable):.2g} %",
            seeds(entry.seeds_for_asked),
            seeds(entry.seeds_for_equivalence),
        ]
        for entry in power_of(judged)
    ]
    n = len(study.seeds)
    headers = ["", "spread between seeds", f"change that {n} seeds tell", "seeds to tell 5 %", "seeds to show “under 2 %”"]
    note = "Spread: median over the fixes of the standard deviation of per-seed gains. Level 0.05 before Holm, power 80 %."
    return joined(table(headers, rows, numeric=(1, 2, 3, 4)), paragraphs([note], "quiet"))


def fixes(study: Study, judged: dict[str, Any]) -> Html:
    """The study's fixes alone against the baseline, issue by issue; those that it does not have are named below."""
    issues = {issue["number"]: issue for issue in judged["issues"]}
    shown, missing = sentences.in_the_study(judged)
    rows = []
    for fix in shown:
        issue = issues[fix["issue"]]
        group = Html(
            f"<b>{issue['number']} {safe(issue['title'])}</b>{below(issue['severity'])}<br>{chip(issue['verdict']).text}"
        )
        name = Html(f"<b>{safe(fix['id'])}</b> {safe(fix['name'])}")
        rows.append([group, name, *gains(fix), chip(fix["verdict"]), fix["detail"]])
    headers = ["issue", "fix", "near gain", "far gain", "beyond any near weight", "p Holm", "verdict", "why"]
    parts = [table(headers, rows, numeric=(2, 3, 4, 5), first_of=0)] if rows else []
    return joined(*parts, *([paragraphs([missing], "quiet")] if missing else []))


def gains(entry: dict[str, Any]) -> list[Any]:
    """Cells: near, far, beyond the near weight's curve, p after Holm."""
    if entry.get("key", True) is None:
        return [NONE] * 4
    if entry["same_as"] in ("baseline", "full"):
        return [Html('<span class="quiet">0, proved</span>'), Html('<span class="quiet">0, proved</span>'), NONE, NONE]
    shown = [gain_cell(entry[name]) for name in ("near", "far", "beyond_near_weight_curve")]
    return [*shown, p_value(entry["near"]["p_holm"])]


def gain_cell(entry: dict[str, Any] | None, noun: str = "error ") -> Html:
    """A gain above its interval; a dash where there is none. `noun`: what is said to be so many times higher."""
    if entry is None:
        return NONE
    return gain(
        signed(entry["estimate"]).replace("error ", noun),
        interval(entry),
        not entry["low"] <= 0 <= entry["high"],
    )


def promises(study: Study, judged: dict[str, Any]) -> Html:
    """The three promises, with what stands beside stability."""
    entries = judged["promises"]
    if not entries:
        return paragraphs(["The document's whole recommendation is not in this study."])
    rows = [[e["promise"], e["asked"], chip(e["verdict"]), *_promise_numbers(e), e["n"], _condition(e)] for e in entries]
    level = f"{entries[0]['level']:.1%} interval".replace("%", " %")
    headers = ["promise", "asked", "answer", "measured", level, "seeds", "measure and condition"]
    reach = sorted({e["reach"] for e in entries if e["reach"]})
    said = paragraphs((text[0].upper() + text[1:] + "." for text in reach), "quiet")
    return joined(table(headers, rows, numeric=(3, 4, 5)), said, _beside(entries[0]))


def _beside(stability: dict[str, Any]) -> Html:
    """The own loss as the document would read it, and other measures of steadiness."""
    own = stability["as_the_document_would_read_it"]
    ends = f"{times(own['low'])} to {times(own['high'])}"
    sentence = "On its own training loss, as the document would read it, the recommendation is "
    sentence += f"{times(own['estimate'])} times as steady ({ends}). A loss that was changed cannot judge itself."
    rows = [[row["name"], f"{row['baseline']:.3g}", f"{row['full']:.3g}"] for row in stability["beside"]]
    return joined(paragraphs([sentence]), table(["beside it, not tested", "baseline", "recommendation"], rows, numeric=(1, 2)))


def _promise_numbers(entry: dict[str, Any]) -> list[str]:
    if entry["promise"] == "near field" or entry["measure"].startswith("mean"):
        return [signed(entry["estimate"]), interval(entry)]
    return [
        f"{times(entry['estimate'])} times",
        f"[{times(entry['low'])}, {times(entry['high'])}]",
    ]


def _condition(entry: dict[str, Any]) -> str:
    arrived = entry.get("arrived")
    if arrived:
        return f"{entry['measure']}; reached by {arrived['baseline']} baseline and {arrived['full']} recommended runs"
    return f"{entry['measure']}; condition: {entry['condition']}: {'holds' if entry['condition_holds'] else 'not shown'}"


def leave_one_out(study: Study, judged: dict[str, Any]) -> Html:
    """What each fix gives inside the whole, beside what it gives alone."""
    alone = {fix["id"]: fix for fix in judged["fixes"]}
    said = {ADOPT: "helps", HARMFUL: "hurts"}
    rows = []
    for entry in judged["leave_one_out"]:
        fix = alone.get(entry["id"])
        near, far, _, p = gains(entry)
        single = NONE if fix is None else gains(fix)[0]
        name = Html(f"<b>{safe(entry['id'])}</b> {safe(fix['name'] if fix else '')}")
        rows.append([name, single, near, far, p, chip(entry["verdict"], said.get(entry["verdict"], "")), entry["detail"]])
    headers = ["fix", "near gain alone", "near gain in the whole", "far gain in the whole", "p Holm", "in the whole", "why"]
    return table(headers, rows, numeric=(1, 2, 3, 4))


def cumulative(study: Study, judged: dict[str, Any]) -> Html:
    """The document's order of work, step by step, each against the baseline."""
    rows = [
        [entry["cell"], entry["fixes"], gain_cell(entry["near"]), gain_cell(entry["far"]), gain_cell(entry["stability"], "")]
        for entry in judged["cumulative"]
    ]
    return table(["step", "fixes", "near gain", "far gain", "wobble lower by"], rows, numeric=(2, 3, 4))
