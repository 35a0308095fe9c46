"""One page per issue: what the document says, its symptom, its fixes' gains, and what to do about it."""

from __future__ import annotations

import math
from typing import Any

from analysis.html import Html, chip, joined, paragraphs, safe, table
from analysis.plots.symptoms import short
from analysis.power import seeds_to_tell, spread
from analysis.report import appendix, sections
from analysis.rules import ADOPT, FIVE_PERCENT, HARMFUL, NO_EFFECT, TRADE
from analysis.study import Study
from analysis.symptoms import symptom_table

READABILITY = 7  # the issue whose fixes only record


def page(study: Study, judged: dict[str, Any], number: int) -> Html:
    """What to do about one issue and why; its figure and the document's numbers follow."""
    issue = next(issue for issue in study.issues if issue["number"] == number)
    fixes = [fix for fix in judged["fixes"] if fix["issue"] == number]
    verdict = next(entry for entry in judged["issues"] if entry["number"] == number)
    head = Html(f'<p class="answer">{chip(verdict["verdict"]).text} {safe(issue["says"])}</p>')
    parts = [head, what_to_do(study, fixes), gains(fixes), proofs(study, fixes), symptom(study, number)]
    if number == READABILITY:
        parts.append(appendix.readability(study, judged))
    return joined(*parts)


def what_to_do(study: Study, fixes: list[dict[str, Any]]) -> Html:
    """A line for each fix: what to do with it, and why."""
    items = [f"<li><b>{safe(fix['id'])} {safe(fix['name'])}</b>: {safe(advice(fix))}</li>" for fix in fixes]
    return Html(f"<ul>{''.join(items)}</ul>")


def advice(fix: dict[str, Any]) -> str:
    """What to do with one fix, from its verdict."""
    if fix["key"] is None:
        return f"not judged: {fix['absent']}."
    if fix["verdict"] == ADOPT:
        return f"adopt it; {fix['detail']}."
    if fix["verdict"] == TRADE:
        return f"not for its own sake: {fix['detail']}. Where you want that exchange, turn the near weight."
    if fix["verdict"] == HARMFUL:
        return f"do not use it; {fix['detail']}."
    if fix["verdict"] == NO_EFFECT:
        return f"leave it out; {fix['detail']}."
    values = fix["near"]["values"] if not fix["same_as"] or fix["same_as"] != "baseline" else []
    needed = seeds_to_tell(FIVE_PERCENT, sd) if (sd := spread(values)) > 0 else math.nan
    more = f" A near gain of 5 % would show with {needed:.0f} seeds." if math.isfinite(needed) and needed > len(values) else ""
    return f"open; {fix['detail']}.{more}"


def gains(fixes: list[dict[str, Any]]) -> Html:
    """Gains near, far, beyond the near weight's curve; steadiness."""
    rows = [
        [Html(f"<b>{safe(fix['id'])}</b> {safe(fix['summary'])}"), *sections.gains(fix), steadier(fix), chip(fix["verdict"])]
        for fix in fixes
    ]
    headers = ["fix", "near gain", "far gain", "beyond any near weight", "p Holm", "wobble lower by", "verdict"]
    return table(headers, rows, numeric=(1, 2, 3, 4, 5))


def steadier(fix: dict[str, Any]) -> Html:
    return sections.gain_cell(fix["stability"] if fix["key"] and fix["same_as"] != "baseline" else None, "")


def proofs(study: Study, fixes: list[dict[str, Any]]) -> Html:
    """For each fix that is provably another training: of which, and by what rule."""
    said = []
    for fix in fixes:
        row = study.row_of((fix["id"],))
        if row and row["status"] == "same as":
            other = row["same_as"].removeprefix("+")  # a cell is named by what it adds
            said.append(f"Proof that {fix['id']} is the same training as {other}: {_sentence(row['reason'])}")
    return paragraphs(said)


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def symptom(study: Study, number: int) -> Html:
    """The issue's own measurement, before and after each fix."""
    table_of_all = symptom_table(study)
    rows = table_of_all[table_of_all["issue"] == number].to_dict("records")
    if not rows:
        return Html("")
    shown = [
        [row["fix"] or "baseline", short(row["value"]) if math.isfinite(row["value"]) else "?", row["moves"]] for row in rows
    ]
    shown[0][2] = ""
    title = f"Symptom: {rows[0]['name']} ({rows[0]['unit']}); cured would be: {rows[0]['cured']}."
    return joined(paragraphs([title]), table(["", "measured", "the fix"], shown, numeric=(1,)))


def claims(study: Study, judged: dict[str, Any], number: int) -> Html:
    """The document's numbers about this issue, recomputed."""
    rows = [
        [claim["quantity"], claim["claimed"], claim["computed"], claim["verdict"], claim["shown_by"]]
        for claim in study.audit
        if claim["issue"] == number
    ]
    if not rows:
        return Html("")
    lead = paragraphs(["The document's numbers about it, recomputed:"])
    return joined(lead, table(["quantity", "the document says", "computed", "", "by"], rows))
