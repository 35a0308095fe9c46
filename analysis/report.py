"""The report of a study: verdicts.json, figures, an executed notebook, a page, a summary, three lines for the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis import words
from analysis.load import Study, load, require_complete, seeds_in_words
from analysis.rules import ADOPT, HARMFUL, TRADE
from analysis.take_home import yaml_block
from analysis.verdicts import verdicts
from analysis.verdicts_file import read_verdicts


def report(study_dir: Path | str) -> Path:
    """Judge a complete study and write its report; gives the path of report/report.html.

    Raises:
        StudyError: the study is broken or incomplete; nothing is written.
    """
    import nbformat

    from analysis.notebook import build, cells, execute
    from analysis.page import to_html

    study = load(study_dir)
    require_complete(study)
    folder = study.folder / "report"
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    notebook = execute(build(cells(study)), folder)  # judges, writes verdicts.json and the figures
    judged = read_verdicts(study.folder)
    (folder / "summary.md").write_text(summary(study, judged), encoding="utf-8")
    (folder / "report.ipynb").write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    page = folder / "report.html"
    page.write_text(to_html(notebook, f"Which fixes help? {study.name}"), encoding="utf-8")
    return page


def terminal_summary(study_dir: Path | str) -> str:
    """Three lines: the fixes, the promises, where to read more."""
    folder = Path(study_dir)
    judged = read_verdicts(folder) if (folder / "verdicts.json").exists() else verdicts(folder)
    said = "; ".join(f"{entry['asked']}: {entry['verdict']}" for entry in judged["promises"])
    page = folder / "report" / "report.html"
    return "\n".join([
        f"{judged['study']}: {words.counts(judged, (ADOPT, TRADE, HARMFUL))}; {seeds_in_words(len(judged['seeds']))}",
        f"promises: {said or 'the whole recommendation was not run'}; take home: {judged['recommendation']['words']}",
        f"report: {page}" if page.exists() else f"report: not written yet; nfloss report {folder}",
    ])  # fmt: skip


def summary(study: Study, judged: dict[str, Any]) -> str:
    """Markdown fit for a pull request: the answer, the issues, the promises."""
    lines = [f"## {study.name}: {words.counts(judged)}", ""]
    lines += [text for sentence in words.answer(study, judged) for text in (sentence, "")]
    shown, missing = words.in_the_study(judged)
    if shown:
        lines += [
            "| issue | fix | near gain % [95 %] | far gain % [95 %] | p Holm | verdict | why |",
            "|---|---|---|---|---|---|---|",
        ]
    titles = {issue["number"]: f"{issue['number']} {issue['title']}" for issue in judged["issues"]}
    lines += [*(_line(titles[fix["issue"]], fix) for fix in shown), *(["", missing] if missing else [])]
    lines += ["", "```yaml", yaml_block(judged["recommendation"]), "```"]
    if judged["promises"]:
        lines += ["", "| promise | answer | measured | seeds |", "|---|---|---|---|"]
        lines += [
            f"| {entry['asked']} | {entry['verdict']} | {words.measured(entry)} | {entry['n']} |"
            for entry in judged["promises"]
        ]
    return "\n".join(lines) + "\n"


def _line(title: str, fix: dict[str, Any]) -> str:
    if not fix["key"]:
        numbers = ["", "", ""]
    elif fix["same_as"] == "baseline":
        numbers = ["0", "0", ""]
    else:
        numbers = [f"{words.signed(fix[side]['estimate'])} {words.interval(fix[side])}" for side in ("near", "far")]
        numbers.append(words.p_value(fix["p_holm"]))
    return "| " + " | ".join([title, f"{fix['id']} {fix['name']}", *numbers, f"**{fix['verdict']}**", fix["detail"]]) + " |"
