"""The report of a study: verdicts.json, figures, executed notebook, HTML page, summaries, and lines for the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.files import own_folder, remove_abandoned, write_whole
from analysis.formatting import confidence, label_of, titled
from analysis.judge import read_verdicts, verdicts
from analysis.regime import is_early, said
from analysis.report import networks, sentences
from analysis.report.loss_yaml import yaml_block
from analysis.report.memo import memo
from analysis.rules import ADOPT, HARMFUL, TRADE
from analysis.statements import counts, error, promise_estimate, promised, shown_and_missing, support_text, why
from analysis.study import Study, load, require_a_seed, seeds_in_words


def write_report(study_dir: Path | str) -> Path:
    """Judge a study as far as it is there, write its report, and return the path of report/report.html.

    Raises:
        StudyError: the study is broken, or not one seed is complete; nothing is written.
    """
    import nbformat

    from analysis.report.html_page import to_html
    from analysis.report.notebook import build, cells, execute

    study = load(study_dir)
    require_a_seed(study)
    folder = own_folder(study.folder / "report")
    for place in (study.folder, folder, own_folder(folder / "figures")):
        remove_abandoned(place)
    notebook = execute(build(cells(study)), study.folder)  # judges, writes verdicts.json and the figures
    judged = read_verdicts(study.folder)
    page = to_html(notebook, f"Which fixes help? {study.name}")
    write_whole(folder / "summary.md", summary(study, judged))
    write_whole(folder / "summary.pdf", memo(study, judged))
    write_whole(folder / "report.ipynb", nbformat.writes(notebook) + "\n")
    return write_whole(folder / "report.html", page)


def terminal_summary(study_dir: Path | str) -> str:
    """How good the networks are; the verdicts; the promises with the recommendation; last the path of the report."""
    folder = Path(study_dir)
    judged = read_verdicts(folder) if (folder / "verdicts.json").exists() else verdicts(folder)
    kept = "; ".join(f"{entry['asked']}: {entry['verdict']}" for entry in judged["promises"])
    page = folder / "report" / "report.html"
    return "\n".join([
        *networks.terminal_lines(judged),
        f"{judged['study']}: {said(judged, counts(judged, (ADOPT, HARMFUL, TRADE)))}; {seeds_in_words(len(judged['seeds']))}",
        f"promises: {kept or 'the whole recommendation was not run'}; to adopt: {judged['recommendation']['words']}",
        f"report: {page}" if page.exists() else f"report: not written yet; nfloss report {folder}",
    ])  # fmt: skip


def summary(study: Study, judged: dict[str, Any]) -> str:
    """Markdown for a pull request: the results, the fixes, the recommended loss, the promises."""
    lines = [f"## {study.name}: {said(judged, counts(judged))}", "", *networks.markdown_lines(judged), ""]
    lines += [text for sentence in sentences.answer_sentences(study, judged) for text in (sentence, "")]
    shown, missing = shown_and_missing(judged)
    if shown:
        level = confidence(judged["levels"]["side"])
        lines += [
            f"| issue | fix | near error [{level}] | far error [{level}] | verdict | without one seed | why |",
            "|---|---|---|---|---|---|---|",
        ]
    titles = {issue["number"]: titled(issue) for issue in judged["issues"]}
    lines += [*(_line(judged, titles[fix["issue"]], fix) for fix in shown), *(["", missing] if missing else [])]
    lines += [] if is_early(judged) else ["", "```yaml", yaml_block(judged["recommendation"]), "```"]
    if judged["promises"]:
        lines += ["", "| promise | as a ratio | measured | verdict | seeds |", "|---|---|---|---|---|"]
        lines += [
            f"| {entry['asked']} | {promised(entry)} | {promise_estimate(entry)} | {entry['verdict']} | {entry['n']} |"
            for entry in judged["promises"]
        ]
    return "\n".join(lines) + "\n"


def _line(judged: dict[str, Any], title: str, fix: dict[str, Any]) -> str:
    numbers = [error(fix, side) for side in ("near", "far")]
    verdict = f"**{said(judged, fix['verdict'])}**"
    return "| " + " | ".join([title, label_of(fix), *numbers, verdict, support_text(fix), why(fix)]) + " |"
