"""The report's sections: each takes the study and its verdicts and gives a piece of HTML."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from analysis import words
from analysis.load import Study
from analysis.plots_symptoms import short
from analysis.rules import ADOPT, HARMFUL, WORDS
from analysis.symptoms import symptom_table
from analysis.tables import Html, chip, gain, joined, paragraphs, safe, table

NONE = Html('<span class="quiet">–</span>')
SHARES = {
    "loss": "own loss (as the document has it)",
    "batch_near_error": "near error of the batch (7-1)",
    "normalised_loss": "loss / unweighted loss (7-2)",
}


def answer(study: Study, judged: dict[str, Any]) -> Html:
    """The first screen: counts, then the answer in plain words."""
    tried = [fix for fix in judged["fixes"] if fix["key"]]
    count = Counter(fix["verdict"] for fix in tried)
    chips = "".join(f'<span class="count">{chip(word).text} {count[word]}</span>' for word in WORDS)
    first, *rest = words.answer(study, judged)
    return joined(Html(f'<p class="counts">{chips}</p>'), paragraphs([first], "answer"), paragraphs(rest))


def fixes(study: Study, judged: dict[str, Any]) -> Html:
    """All issues and their fixes alone against the baseline."""
    issues = {issue["number"]: issue for issue in judged["issues"]}
    rows = []
    for fix in judged["fixes"]:
        issue = issues[fix["issue"]]
        group = Html(
            f"<b>{issue['number']} {safe(issue['title'])}</b><small>{safe(issue['severity'])}</small>{chip(issue['verdict']).text}"
        )
        name = Html(f"<b>{safe(fix['id'])}</b> {safe(fix['name'])}")
        rows.append([group, name, *_gains(fix), chip(fix["verdict"]), fix["detail"]])
    headers = ["issue", "fix", "near gain", "far gain", "beyond any near weight", "p Holm", "verdict", "why"]
    return table(headers, rows, numeric=(2, 3, 4, 5), first_of=0)


def _gains(entry: dict[str, Any]) -> list[Any]:
    if entry.get("key", True) is None:
        return [NONE] * 4
    if entry["same_as"] in ("baseline", "full"):
        return [Html('<span class="quiet">0, proved</span>'), Html('<span class="quiet">0, proved</span>'), NONE, NONE]
    return [_gain(entry["near"]), _gain(entry["far"]), _gain(entry["beyond_near_weight_curve"]), words.p_value(entry["p_holm"])]


def _gain(entry: dict[str, Any] | None) -> Html:
    if entry is None:
        return NONE
    return gain(words.signed(entry["estimate"]), words.interval(entry), not entry["low"] <= 0 <= entry["high"])


def promises(study: Study, judged: dict[str, Any]) -> Html:
    """The three promises, with what stands beside stability."""
    if not judged["promises"]:
        return paragraphs(["The document's whole recommendation is not in this study."])
    rows = [
        [entry["promise"], entry["asked"], chip(entry["verdict"]), *_promise_numbers(entry), entry["n"], _condition(entry)]
        for entry in judged["promises"]
    ]
    headers = [
        "promise",
        "asked",
        "answer",
        "measured",
        f"{judged['promises'][0]['level']:.1%} interval".replace("%", " %"),
        "seeds",
        "measure and condition",
    ]
    parts = [table(headers, rows, numeric=(3, 4, 5))]
    found = judged["promises"][0]
    own = found["as_the_document_would_read_it"]
    beside = [[row["name"], f"{row['baseline']:.3g}", f"{row['full']:.3g}"] for row in found["beside"]]
    ends = f"{words.times(own['low'])} to {words.times(own['high'])}"
    sentence = f"On its own training loss, as the document would read it, the recommendation is {words.times(own['estimate'])} times steadier ({ends})."
    parts += [paragraphs([sentence + " That loss is a different formula and cannot judge itself."])]
    parts += [table(["beside it, described and not tested", "baseline", "recommendation"], beside, numeric=(1, 2))]
    reach = {entry["reach"] for entry in judged["promises"] if entry["reach"]}
    return joined(*parts, paragraphs(sorted(text[0].upper() + text[1:] + "." for text in reach), "quiet"))


def _promise_numbers(entry: dict[str, Any]) -> list[str]:
    if entry["promise"] == "near field" or entry["measure"].startswith("mean"):
        return [words.signed(entry["estimate"]), words.interval(entry)]
    return [f"{words.times(entry['estimate'])} times", f"[{words.times(entry['low'])}, {words.times(entry['high'])}]"]


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
        near, far, _, p = _gains(entry)
        single = NONE if fix is None else _gains(fix)[0]
        name = Html(f"<b>{safe(entry['id'])}</b> {safe(fix['name'] if fix else '')}")
        rows.append([name, single, near, far, p, chip(entry["verdict"], said.get(entry["verdict"], "")), entry["detail"]])
    headers = ["fix", "near gain alone", "near gain in the whole", "far gain in the whole", "p Holm", "in the whole", "why"]
    return table(headers, rows, numeric=(1, 2, 3, 4))


def cumulative(study: Study, judged: dict[str, Any]) -> Html:
    """The document's order of work, step by step, each against the baseline."""
    rows = [
        [entry["cell"], entry["fixes"], _gain(entry["near"]), _gain(entry["far"]), _gain(entry["stability"])]
        for entry in judged["cumulative"]
    ]
    return table(["step", "fixes", "near gain", "far gain", "wobble lower by"], rows, numeric=(2, 3, 4))


def symptoms(study: Study, judged: dict[str, Any]) -> Html:
    """Each issue's own symptom before and after."""
    rows = []
    shown = symptom_table(study).to_dict("records")
    before = {row["issue"]: row["value"] for row in shown if not row["fix"]}
    for row in shown:
        if row["fix"]:
            values = [
                short(value) if math.isfinite(value) else "?" for value in (before.get(row["issue"], math.nan), row["value"])
            ]
            rows.append(
                [
                    Html(f"<b>{row['issue']}</b> {safe(row['name'])}<small>{safe(row['unit'])}</small>"),
                    row["fix"],
                    *values,
                    row["cured"],
                    row["moves"],
                ]
            )
    return table(
        ["issue and symptom", "fix", "baseline", "with the fix", "cured would be", "the fix"], rows, numeric=(2, 3), first_of=0
    )


def audit(study: Study, judged: dict[str, Any]) -> Html:
    """What the document got wrong."""
    count = Counter(claim["verdict"] for claim in study.audit)
    said = ", ".join(f"{n} {verdict}" for verdict, n in count.most_common())
    wrong = [claim for claim in study.audit if claim["verdict"] not in ("right", "rounded")]
    rows = [[claim["issue"], claim["quantity"], claim["claimed"], claim["computed"], claim["verdict"]] for claim in wrong]
    found = paragraphs([f"{len(study.audit)} numbers and statements of the document recomputed: {said}."])
    return (
        joined(found, table(["issue", "quantity", "the document says", "computed", "verdict"], rows, numeric=(0,)))
        if rows
        else found
    )


def readability(study: Study, judged: dict[str, Any]) -> Html:
    """Issue 7: which logged series tells the truth about the probe error."""
    entries = judged["readability"]
    if not entries:
        return paragraphs(["The curves of this study lack the normalised loss."])
    raw = entries[0]
    rows: list[list[Any]] = [[SHARES["loss"], f"{raw['raw_agreement']:.0%}", NONE, rank(raw["raw_rank"]), NONE]]
    for entry in entries:
        points = [f"{100 * entry[name]:+.0f}".replace("-", "−") for name in ("estimate", "low", "high")]
        difference = Html(f"{points[0]} points<small>[{points[1]}, {points[2]}]</small>")
        rows.append(
            [SHARES[entry["series"]], f"{entry['agreement']:.0%}", difference, rank(entry["rank"]), chip(entry["verdict"])]
        )
    headers = [
        "logged series (the baseline's training)",
        "steps that move as the probe error does",
        "against the own loss",
        "Kendall tau, last half",
        "reads better",
    ]
    return table(headers, rows, numeric=(1, 2, 3))


def rank(value: float) -> str:
    """A rank correlation with a typographic minus."""
    return "?" if math.isnan(value) else f"{value:.2f}".replace("-", "−")


def divergences(study: Study, judged: dict[str, Any]) -> Html:
    """Every training in which a seed diverged, with the exact interval of its rate."""
    diverged = study.trials[study.trials["status"] == "diverged"]
    if diverged.empty:
        return paragraphs([f"None of {len(study.trials)} trials diverged."])
    from analysis.effects import divergence

    cells = study.plan.dropna(subset=["key"]).groupby("key", sort=False)["cell"].agg(", ".join)
    rows = []
    for key, own in diverged.groupby("key", sort=False):
        lost = study.trials[study.trials["key"] == key]["status"] == "diverged"
        rate = divergence([False] * len(lost), list(lost))
        steps = ", ".join(f"{step:.0f}" for step in sorted(own["diverged_step"]))
        rows.append(
            [cells.get(key, key), f"{rate['diverged']} of {rate['n']}", f"{rate['low']:.0%} to {rate['high']:.0%}", steps]
        )
    return table(["training", "diverged", "95 % interval of the rate (exact)", "at steps"], rows, numeric=(1, 2))


def settings(study: Study, judged: dict[str, Any]) -> Html:
    """What was run, with what, where."""
    meta, experiment = study.meta, study.meta["experiment"]
    rows: list[list[Any]] = [[name, words.brief(value)] for name, value in experiment.items() if value not in (None, {}, [])]
    for name in ("device", "machine", "workers", "group_size", "versions", "git_commit", "started"):
        if name in meta:
            rows.append([name.replace("_", " "), words.brief(meta[name])])
    seconds = float(study.trials["seconds"].sum()) if "seconds" in study.trials else math.nan
    trained, cells = study.plan["key"].nunique(), len(study.plan)
    rows.append(
        [
            "trials",
            f"{len(study.trials)} of {trained} distinct trainings for {cells} planned cells, {seconds / 60:.1f} minutes of training in all",
        ]
    )
    return table(["setting", "value"], rows)
