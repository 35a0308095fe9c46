"""The report as a notebook: cells with fixed ids, run once in the report's folder, readable and runnable from there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.load import Study
from analysis.method import method
from analysis.plots import available
from analysis.promises import whole_less_one

if TYPE_CHECKING:
    from nbformat import NotebookNode

START = """from pathlib import Path

from analysis import evidence, load, sections, verdicts
from analysis.plots import draw
from analysis.verdicts_file import write_verdicts

study = load("..")
judged = verdicts(study)
path = write_verdicts(judged, Path(".."))"""
Cell = tuple[str, str]  # kind, source
Section = tuple[str, str, str]  # title, lead, what shows it
FIRST: tuple[Section, ...] = (
    ("The ten issues", "Each fix alone against the baseline. Gain: by how many percent the error is lower.", "sections.fixes"),
    ("The three promises", "The document's whole recommendation against the baseline.", "sections.promises"),
)
WITHOUT_ONE: Section = (
    "Leave one out",
    "The whole against the whole without one fix, beside that fix alone.",
    "sections.leave_one_out",
)
IN_STEPS: Section = ("Step by step", "The document's order of work, each step against the baseline.", "sections.cumulative")
LAST: tuple[Section, ...] = (
    ("Symptoms", "Each issue measured directly, without regard to the error.", "evidence.symptoms"),
    ("What the document got wrong", "Its numbers and statements, recomputed.", "evidence.audit"),
    (
        "Can the curves be read? (issue 7)",
        "Recording changes no training: which series tells the truth?",
        "evidence.readability",
    ),
    ("Divergence", "Trials that ended in numbers that are not finite.", "evidence.divergences"),
)


def cells(study: Study) -> list[Cell]:
    """Every cell in reading order; sections without data are left out."""
    parts: list[Cell] = [("markdown", f"# Which fixes help? {study.name}"), ("code", START), _shown("sections.answer")]
    parts += [cell for section in FIRST for cell in _section(*section)]
    parts += [("markdown", "## In pictures")] + [_drawn(name) for name in available(study)]
    later = (
        [WITHOUT_ONE] * bool(whole_less_one(study)) + [IN_STEPS] * bool((study.plan["design"] == "cumulative").any()) + [*LAST]
    )
    parts += [cell for section in later for cell in _section(*section)]
    return [*parts, ("markdown", method()), ("markdown", "## Settings"), _shown("evidence.settings")]


def _section(title: str, lead: str, name: str) -> list[Cell]:
    return [("markdown", f"## {title}\n\n{lead}"), _shown(name)]


def _shown(name: str) -> Cell:
    return "code", f"{name}(study, judged)"


def _drawn(name: str) -> Cell:
    return "code", f'display(*draw("{name}", study, judged).with_sentence())'


def build(parts: list[Cell]) -> NotebookNode:
    """The notebook, not yet run; equal parts give equal bytes."""
    from nbformat import v4

    make = {"markdown": v4.new_markdown_cell, "code": v4.new_code_cell}
    found = [make[kind](source, id=f"cell-{at:02d}") for at, (kind, source) in enumerate(parts)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return v4.new_notebook(cells=found, metadata={**kernel, "language_info": {"name": "python"}})


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run it in `folder` with this interpreter's own packages; an error in a cell is raised."""
    from nbclient import NotebookClient
    from traitlets.config import Config

    root = str(Path(__file__).resolve().parents[1])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    with tempfile.TemporaryDirectory(prefix="nf-") as sockets:
        ipc = Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/k"}})
        options: dict[str, Any] = {"kernel_name": "python3", "timeout": 600, "record_timing": False, "config": ipc}
        client = NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, **options)
        client.execute(env={**os.environ, "PYTHONPATH": paths, "MPLBACKEND": "agg"})
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook
