"""The report's first sections: each takes the study and its verdicts and gives a piece of HTML."""

from __future__ import annotations

from collections import Counter
from typing import Any

from analysis import words
from analysis.load import Study
from analysis.rules import ADOPT, HARMFUL, WORDS
from analysis.tables import NONE, Html, chip, gain, joined, paragraphs, safe, table


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
            f"<b>{issue['number']} {safe(issue['title'])}</b><small>{safe(issue['severity'])}</small>"
            + chip(issue["verdict"]).text
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
    ends = f"{words.times(own['low'])} to {words.times(own['high'])}"
    sentence = "On its own training loss, as the document would read it, the recommendation is "
    sentence += f"{words.times(own['estimate'])} times as steady ({ends}). A loss that was changed cannot judge itself."
    rows = [[row["name"], f"{row['baseline']:.3g}", f"{row['full']:.3g}"] for row in stability["beside"]]
    return joined(paragraphs([sentence]), table(["beside it, not tested", "baseline", "recommendation"], rows, numeric=(1, 2)))


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
