"""The report as a notebook: cells with fixed ids, run once in the report's folder, readable and runnable from there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.load import Study
from analysis.measures import DROPPED, LAST, LEAST_PROBES, RUN, TARGET
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
MEASURED = f"""* A **trial** is a configuration and a seed. The seed fixes initial weights, data order and scene split, and is the same for every configuration, so trials are
  compared in pairs. **Gain** = ln(baseline's error) − ln(the fix's error), shown in percent by which the error is lower; intervals are Student t over seeds
  (95 %; 98.3 % for the three promises). Where a value is infinite, the exact interval of the median.
* **Rulers that no loss can move**: AbsRel of near pixels (true depth under 1 m) and far pixels. *Final*: validation, mean of the last {LAST:.0%} of evaluations. *Wobble*:
  standard deviation of ln near AbsRel on the fixed probe around a Savitzky-Golay trend (order 2, a tenth of the run), the first {DROPPED:.0%} dropped (at least {LEAST_PROBES} probes). *Time to the target*:
  first of {RUN} consecutive probes at or below {TARGET:.0%} of the baseline's log improvement; where over 20 % of an arm never arrive, the mean of ln error over training, whose margin
  is what the baseline's own curve would gain if it ran 20 % faster.
* **Verdict on a fix**, in this order: *harmful* if it diverges significantly more; *no effect* if the 90 % intervals of near and far lie inside ±2 %; *adopt* if the near error is
  lower after Holm's correction across the fixes and the far error is not worse by 2 %; *undecided, trades far for near* if the far error pays; *harmful* if the near error is higher
  after Holm, or the far error is more than 2 % higher without a near gain; else *undecided*. *Proved* means the same training as the baseline, by algebra and not by measurement.
* **Verdict on a promise**, in this order: equivalent, confirmed, refuted (worse), refuted (smaller than promised), inconclusive; void if bought with a worse net.
* **Beyond any near weight**: the unfixed loss is also run with other near weights; the gain is the distance to that curve at the fix's own far error.
* **Divergence** is a result: wobble and time are infinite, the error is that of predicting the training set's median depth; it is never dropped and never run again.
* **What this cannot tell**: other data, networks, optimisers or longer training; effects smaller than the intervals; few seeds leave the shape of the distribution to assumption."""

Cell = tuple[str, str]


def cells(study: Study) -> list[Cell]:
    """(kind, source) of every cell, in reading order; sections without data are left out."""
    parts: list[Cell] = [("markdown", f"# Which fixes help? {study.name}"), ("code", START), _shown("sections.answer")]
    parts += _section(
        "The ten issues",
        "Each fix alone against the baseline. Gain: by how many percent the error is lower; positive is better.",
        "sections.fixes",
    )
    parts += _section("The three promises", "The document's whole recommendation against the baseline.", "sections.promises")
    parts += [("markdown", "## In pictures")] + [
        ("code", f'display(*draw("{name}", study, judged).with_sentence())') for name in available(study)
    ]
    if whole_less_one(study):
        parts += _section(
            "Leave one out",
            "The whole recommendation against the whole without one fix, beside that fix alone.",
            "sections.leave_one_out",
        )
    if (study.plan["design"] == "sections.cumulative").any():
        parts += _section(
            "Step by step", "The document's order of work, each step against the baseline.", "sections.cumulative"
        )
    parts += _section("Symptoms", "Each issue measured directly, without regard to the error.", "evidence.symptoms")
    parts += _section("What the document got wrong", "Its numbers and statements, recomputed.", "evidence.audit")
    parts += _section(
        "Can the curves be read? (issue 7)",
        "Recording changes no training; the question is which series tells the truth.",
        "readability",
    )
    parts += _section("Divergence", "Trials that ended in numbers that are not finite.", "evidence.divergences")
    parts += [("markdown", "## How it was measured\n\n" + MEASURED)]
    return parts + _section("Settings", "", "evidence.settings")


def _section(title: str, lead: str, name: str) -> list[Cell]:
    return [("markdown", f"## {title}\n\n{lead}".strip()), _shown(name)]


def _shown(name: str) -> Cell:
    return "code", f"{name}(study, judged)"


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
