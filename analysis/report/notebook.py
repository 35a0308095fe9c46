"""The report as a notebook, run in the report's folder; it can be run again from there."""

from __future__ import annotations

import html
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.formatting import titled
from analysis.plots import available
from analysis.promises import whole_less_one
from analysis.report.method_text import method
from analysis.rulers import ERROR_EXPLAINED
from analysis.study import Study, StudyError

if TYPE_CHECKING:
    from nbformat import NotebookNode

START = """import os

from analysis import load, verdicts
from analysis.judge import write_verdicts
from analysis.plots import draw
from analysis.report import appendix, glance, issue_page, networks, sections

study = load(os.environ.get("NFLOSS_STUDY", ".."))
judged = verdicts(study)
path = write_verdicts(judged, study.folder)"""
Cell = tuple[str, str]  # kind, source
LINES_OF_OURS = ("StudyError", "OSError")  # whose message says it all: what cannot be read, what cannot be written


@dataclass(frozen=True)
class Section:
    """A section of the report: anchor, title, introduction, the functions that show it, and the figures after them."""

    anchor: str
    title: str
    lead: str
    shown: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()


def first_sections(study: Study) -> list[Section]:
    """The sections that this study has data for, in reading order; the issues follow them."""
    having = set(available(study))

    def figures(*names: str) -> tuple[str, ...]:
        return tuple(name for name in names if name in having)

    first = [
        Section("words", "The answer in words", "", ("sections.answer",)),
        Section("networks", "How good the networks are", "", ("networks.networks",)),
        Section("recommendation", "The recommended loss", "", ("sections.recommendation",)),
        Section(
            "fixes",
            "The ten issues",
            f"Each fix alone. Error: {ERROR_EXPLAINED}, as a ratio to the baseline's: below ×1 is better. Beside it the near "
            "error as a ratio to what a near weight with the same far error gives.",
            ("sections.fixes",),
            figures("forest"),
        ),
        Section(
            "promises",
            "The three promises",
            "The document's whole recommendation against the baseline.",
            ("sections.promises",),
            figures("stability", "convergence"),
        ),
        Section(
            "curve",
            "Better than any near weight?",
            "A higher near weight lowers the near error and raises the far error. A fix is an improvement only if it lies "
            "beyond the curve of all near weights.",
            ("sections.controls",),
            figures("trade_off"),
        ),
        Section("where", "Error by depth, and sample images", "", (), figures("error_by_depth", "samples")),
        Section("steadiness", "Stability and symptoms", "", (), figures("steadiness", "symptoms")),
        Section(
            "effects",
            "Main effects and interactions",
            "Each fix averaged over the others, and the gain of two fixes together beyond the sum of both.",
            ("sections.effects",) * ("effects" in having),
            figures("effects", "interactions"),
        ),
        Section("many", "All configurations", "", (), figures("importance", "pareto", "coordinates")),
        Section(
            "leave-one-out",
            "Leave one out",
            "The whole recommendation against the same without one fix, beside that fix alone.",
            ("sections.leave_one_out",) * bool(whole_less_one(study)),
            figures("leave_one_out"),
        ),
        Section(
            "steps",
            "Step by step",
            "The document's order of work, each step against the baseline.",
            ("sections.cumulative",) * bool((study.plan["design"] == "cumulative").any()),
        ),
        Section("seeds", "How many seeds", "The smallest change that this study detects.", ("sections.power",)),
    ]
    return [section for section in first if section.shown or section.figures]


LAST = (
    Section("wrong", "What the document got wrong", "Its numbers and statements, recomputed.", ("appendix.audit",)),
    Section(
        "rulers",
        "Do the other rulers agree?",
        f"{ERROR_EXPLAINED} decides. The same trainings by the other rulers:",
        ("appendix.other_rulers",),
    ),
    Section("divergence", "Divergence", "Trials with values that are not finite.", ("appendix.divergences",)),
)


def cells(study: Study) -> list[Cell]:
    """The cells in reading order, without sections that the study has no data for."""
    first = first_sections(study)
    parts: list[Cell] = [("markdown", f"# Which fixes help? {plain(study.name)}"), ("code", START)]
    parts.append(_shown("glance.glance"))
    parts.append(("markdown", contents(study, first)))
    for section in first:
        parts += _section(section)
    parts.append(("markdown", '<a id="issues"></a>\n\n## Issue by issue'))
    for issue in study.issues:
        parts += _issue(study, issue)
    for section in LAST:
        parts += _section(section)
    return [*parts, ("markdown", method()), ("markdown", "## Settings"), _shown("appendix.settings")]


def contents(study: Study, first: list[Section]) -> str:
    """Links to all sections and issues."""
    section_links = [f"[{section.title}](#{section.anchor})" for section in first]
    issue_links = [f"[{plain(titled(issue))}](#issue-{issue['number']})" for issue in study.issues]
    rest = [f"[{section.title}](#{section.anchor})" for section in LAST]
    return f"{' · '.join(section_links)}\n\nIssue by issue: {' · '.join(issue_links)}\n\n{' · '.join(rest)}"


def plain(text: str) -> str:
    """Text from a study, escaped so that Markdown shows it unchanged.

    >>> plain("<b> [a](b)")
    '&lt;b&gt; \\\\[a\\\\]\\\\(b\\\\)'
    """
    return re.sub(r"([\\`*_{}\[\]()#+!|~$])", r"\\\1", html.escape(" ".join(str(text).split()), quote=False))


def _section(section: Section) -> list[Cell]:
    head = f'<a id="{section.anchor}"></a>\n\n## {section.title}' + (f"\n\n{section.lead}" if section.lead else "")
    return [("markdown", head), *map(_shown, section.shown), *map(_drawn, section.figures)]


def _issue(study: Study, issue: dict[str, Any]) -> list[Cell]:
    """The cells of one issue, with its figure if any of its fixes changes the training."""
    number = issue["number"]
    head = f"Issue {number}: {plain(issue['title'])}" if number else plain(issue["title"])
    head = f'<a id="issue-{number}"></a>\n\n### {head} ({plain(issue["severity"])})'
    keys = {study.key_of((fix["id"],)) for fix in issue["fixes"]} - {None, study.baseline}
    figure: list[Cell] = [("code", f'display(*draw("issue", study, judged, {number}).with_sentence())')] if keys else []
    overview, numbers = (("code", f"issue_page.{part}(study, judged, {number})") for part in ("overview", "recomputed_numbers"))
    return [("markdown", head), overview, *figure, numbers]


def _shown(name: str) -> Cell:
    return "code", f"{name}(study, judged)"


def _drawn(name: str) -> Cell:
    return "code", f'display(*draw("{name}", study, judged).with_sentence())'


def build(parts: list[Cell]) -> NotebookNode:
    """The notebook before it is run; equal cells give equal bytes."""
    from nbformat import v4

    make = {"markdown": v4.new_markdown_cell, "code": v4.new_code_cell}
    found = [make[kind](source, id=f"cell-{at:02d}") for at, (kind, source) in enumerate(parts)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return v4.new_notebook(cells=found, metadata={**kernel, "language_info": {"name": "python"}})


def execute(notebook: NotebookNode, study: Path) -> NotebookNode:
    """The notebook, run with this interpreter's packages.

    The kernel works in an empty folder: Python looks for modules where it works, and a study may be somebody else's.

    Raises:
        StudyError: what a cell raised, or what became of the kernel, in one line.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from traitlets.config import Config

    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    told = {"PYTHONPATH": paths, "MPLBACKEND": "agg", "NFLOSS_STUDY": str(study.resolve())}
    with tempfile.TemporaryDirectory(prefix="nf-") as sockets, tempfile.TemporaryDirectory(prefix="nf-") as empty:
        ipc = Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/k"}})
        options: dict[str, Any] = {"kernel_name": "python3", "timeout": 600, "record_timing": False, "config": ipc}
        client = NotebookClient(notebook, resources={"metadata": {"path": empty}}, **options)
        try:
            client.execute(env={**os.environ, **told})
        except CellExecutionError as error:
            said = " ".join(error.evalue.split())
            if error.ename not in LINES_OF_OURS:
                said = f"{study}: its report cannot be drawn ({error.ename}: {said[:300]})"
            raise StudyError(said) from error
        except (CellTimeoutError, DeadKernelError) as error:
            raise StudyError(f"{study}: its report cannot be drawn: the notebook's process died or does not answer") from error
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook
