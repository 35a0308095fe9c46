"""The pages that are written from the code: the issues, the document recomputed, how it is measured.

python docs/generate.py    writes them; a test compares them with what is generated now
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from analysis.report import method
from analysis.report.tables import FIX_COLUMNS, HEADER, TRIAL_COLUMNS
from nfloss import ISSUES, audit

HERE = Path(__file__).parent
DOCUMENTS_OWN = range(1, 11)


def cell(text: object) -> str:
    """Text for a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def table(header: list[str], rows: list[list[object]]) -> list[str]:
    return ["| " + " | ".join(map(cell, row)) + " |" for row in (header, ["---"] * len(header), *rows)]


def issues() -> str:
    """The ten issues, their symptoms and fixes."""
    lines = [
        "# The ten issues",
        "",
        "Written by `python docs/generate.py` from the registry. A fix fills slots of the loss with its own choices;",
        "two fixes clash where they fill one slot with different choices. *Beyond the document*: what its argument asks",
        "for and its code does not do; *to the letter*: its code as it stands, where that differs from its text.",
    ]
    for number in DOCUMENTS_OWN:
        issue = ISSUES[number]
        lines += ["", f"## {number} {issue.title} ({issue.severity})", "", issue.says, ""]
        lines += [f"Symptom: {issue.symptom.name} ({issue.symptom.unit}); cured: {issue.symptom.cured}.", ""]
        rows = [[f"`{f.id}`", f.name, f.summary, ", ".join(f.fills), f.origin, f.source] for f in issue.fixes]
        lines += table(["fix", "name", "what it does", "slots", "origin", "source"], rows)
    return "\n".join(lines) + "\n"


def document() -> str:
    """The document's numbers and statements, recomputed."""
    claims = list(audit())
    counts = Counter(claim.verdict for claim in claims)
    lines = [
        "# What the document got wrong",
        "",
        "Written by `python docs/generate.py` from `nfloss.audit()`: each number and statement of the design review,",
        "recomputed by the code that it is about.",
        "",
        f"Of {len(claims)}: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) + ".",
    ]
    for number in DOCUMENTS_OWN:
        own = [claim for claim in claims if claim.issue == number]
        if own:
            rows = [[claim.quantity, claim.claimed, claim.computed, claim.verdict, claim.shown_by] for claim in own]
            lines += ["", f"## {number} {ISSUES[number].title}", ""]
            lines += table(["quantity", "document", "computed", "verdict", "shown by"], rows)
    return "\n".join(lines) + "\n"


def measuring() -> str:
    """How gains, verdicts and promises are measured, in the text of the report."""
    return "# Measuring\n\n" + method().strip().removeprefix("## How it was measured").strip() + "\n"


def tables() -> str:
    """The columns of the tables that `nfloss report STUDY --tables` writes."""
    lines = [
        "# Tables for papers",
        "",
        "`nfloss report runs/ablation --tables` writes four files into the study's `report/`, and draws nothing:",
        "",
        f"* `table.tex` ({', '.join(HEADER)}): a row for each fix, for a paper that loads `booktabs`;",
        "* `table.md`: the same for a pull request;",
        "* `table.csv`: the same and more, in numbers;",
        "* `trials.csv`: a row for each trial.",
        "",
        "Ratios are to the baseline's error, the RMSE of ln depth: below 1 is better. An early study's words are marked.",
        "In CSV numbers have six digits, what is unknown is empty, and text that a spreadsheet would run as a formula (it",
        "begins with `=`, `+`, `-` or `@`) stands behind an apostrophe.",
    ]
    for name, columns in (("table.csv", FIX_COLUMNS), ("trials.csv", TRIAL_COLUMNS)):
        lines += ["", f"## {name}", "", *table(["column", "what it holds"], [[f"`{c}`", text] for c, text in columns.items()])]
    return "\n".join(lines) + "\n"


PAGES = {"issues.md": issues, "document.md": document, "measuring.md": measuring, "tables.md": tables}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (HERE / name).write_text(write(), encoding="utf-8")
