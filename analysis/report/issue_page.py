"""The section of one issue: advice on its fixes, their errors, its symptom, and the document's numbers."""

from __future__ import annotations

import math
from typing import Any

from analysis.formatting import label_of, three_digits
from analysis.markup import Html, joined, paragraphs, safe, table, verdict_chip
from analysis.regime import is_early, said
from analysis.report import appendix, sections
from analysis.rules import ADOPT, HARMFUL, NO_EFFECT, TRADE
from analysis.statements import confirmation_text, is_beyond, why
from analysis.study import Study
from analysis.symptom_changes import symptom_table

READABILITY = 7  # the issue whose fixes only add series to the log


def overview(study: Study, judged: dict[str, Any], number: int) -> Html:
    """Claim, advice, errors, proofs and symptom of one issue."""
    issue = next(issue for issue in study.issues if issue["number"] == number)
    fixes = [fix for fix in judged["fixes"] if fix["issue"] == number]
    parts = [
        paragraphs([issue["says"]], "answer"),
        what_to_do(judged, fixes),
        ratios_table(judged, fixes),
        proofs(study, fixes),
        symptom(study, number),
    ]
    if number == READABILITY:
        parts.append(appendix.readability(study, judged))
    return joined(*parts)


def what_to_do(judged: dict[str, Any], fixes: list[dict[str, Any]]) -> Html:
    """Advice on each fix, as a list; of an early study the verdicts alone."""
    texts = {
        fix["id"]: f"{said(judged, fix['verdict'])}; {fix['detail']}." if is_early(judged) else advice(judged, fix)
        for fix in fixes
    }
    items = [f"<li><b>{safe(label_of(fix))}</b>: {safe(texts[fix['id']])}</li>" for fix in fixes]
    return Html(f"<ul>{''.join(items)}</ul>")


def advice(judged: dict[str, Any], fix: dict[str, Any]) -> str:
    """Advice on one fix, from its verdict and what fresh seeds say of it."""
    if fix["key"] is None:
        return f"not judged: {fix['absent']}."
    if fix["verdict"] == ADOPT:
        fresh = confirmation_text(judged, fix)
        use = "adopt it" if fresh.startswith("confirmed") else "do not adopt it yet"
        return f"{use} ({fresh}); {fix['detail']}."
    if fix["verdict"] == TRADE:
        instead = " If you want this trade, change the near weight." * (not is_beyond(fix))
        return f"do not use it as an improvement; {fix['detail']}.{instead}"
    if fix["verdict"] == HARMFUL:
        return f"do not use it; {fix['detail']}."
    if fix["verdict"] == NO_EFFECT:
        return f"leave it out; {fix['detail']}."
    return f"open; {why(fix)}."


def ratios_table(judged: dict[str, Any], fixes: list[dict[str, Any]]) -> Html:
    """Near and far error, place beside the near-weight curve, and wobble, as ratios."""
    rows = [
        [
            Html(f"<b>{safe(fix['id'])}</b> {safe(fix['summary'])}"),
            *sections.ratio_cells(fix),
            sections.ratio_cell(fix["stability"] if fix["key"] and fix["same_as"] != "baseline" else None),
            verdict_chip(judged, fix["verdict"]),
        ]
        for fix in fixes
    ]
    headers = ["fix", sections.NEAR_ERROR, sections.FAR_ERROR, sections.CURVE, sections.WOBBLE, "verdict"]
    return table(headers, rows, numeric=(1, 2, 3, 4))


def proofs(study: Study, fixes: list[dict[str, Any]]) -> Html:
    """For each fix that is provably the same training as another cell: which, and by which rule."""
    said = []
    for fix in fixes:
        row = study.row_of((fix["id"],))
        if row and row["status"] == "same as":
            other = row["same_as"].removeprefix("+")  # the cell of a fix is named +FIX
            said.append(f"Proof that {fix['id']} is the same training as {other}: {_sentence(row['reason'])}")
    return paragraphs(said)


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def symptom(study: Study, number: int) -> Html:
    """The symptom of the issue, without and with each fix."""
    table_of_all = symptom_table(study)
    rows = table_of_all[table_of_all["issue"] == number].to_dict("records")
    if not rows:
        return Html("")
    shown = [
        [row["fix"] or "baseline", three_digits(row["value"]) if math.isfinite(row["value"]) else "?", row["change"]]
        for row in rows
    ]
    shown[0][2] = ""
    title = f"Symptom: {rows[0]['name']} ({rows[0]['unit']}); cured: {rows[0]['cured']}."
    return joined(paragraphs([title]), table(["", "measured", "the fix"], shown, numeric=(1,)))


def recomputed_numbers(study: Study, judged: dict[str, Any], number: int) -> Html:
    """The document's numbers on this issue, recomputed."""
    rows = [
        [claim["quantity"], claim["claimed"], claim["computed"], claim["verdict"], claim["shown_by"]]
        for claim in study.audit
        if claim["issue"] == number
    ]
    if not rows:
        return Html("")
    lead = paragraphs(["The document's numbers on it, recomputed:"])
    return joined(lead, table(["quantity", "the document says", "computed", "", "by"], rows))
