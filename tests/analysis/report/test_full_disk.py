"""A disk that is full while a report is written: one line, and every file is the old or the new one, whole.

A limit of a file's size (RLIMIT_FSIZE) makes writing fail as a full disk does, for whoever runs the tests.
"""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from commands import nfloss
from synthetic import Planted, write_study

from analysis import write_report
from analysis.files import write_whole

OLD = "what was there"


@contextmanager
def room(size: int) -> Iterator[None]:
    """A file of this process may have so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """With the files of an earlier report."""
    folder = write_study(tmp_path / "study", {"1-1": Planted(0.1)}, seeds=2, probes=8, steps=120)
    (folder / "report" / "figures").mkdir(parents=True)
    for name in ("summary.md", "report.html", "report.ipynb", "figures/forest.png", "figures/forest.svg", "../verdicts.json"):
        (folder / "report" / name).write_text(OLD)
    return folder


def whole(path: Path) -> bool:
    """Whether a file is the old one, or a new one to its end."""
    content = path.read_bytes()
    if content == OLD.encode():
        return True
    if path.suffix == ".png":
        return content.startswith(b"\x89PNG") and content.endswith(b"IEND\xaeB`\x82")
    if path.suffix == ".svg":
        return ElementTree.fromstring(content).tag.endswith("svg")
    return bool(json.loads(content)) if path.suffix == ".json" else content.endswith(b"\n")


def written(study: Path) -> dict[str, Path]:
    paths = [study / "verdicts.json", *(path for path in (study / "report").rglob("*") if path.is_file())]
    return {path.name: path for path in paths}


def test_a_file_that_does_not_fit_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(OLD)
    with room(1000), pytest.raises(OSError, match=r"page\.html: cannot be written \(File too large\)$"):
        write_whole(path, "x" * 1001)
    assert path.read_text() == OLD and list(tmp_path.iterdir()) == [path]


def test_a_figure_that_does_not_fit_ends_the_report_in_one_line(study: Path) -> None:
    """The verdicts, 13 kB, have room; the first figure, 50 kB, has not."""
    done = nfloss("report", study, room=30_000)
    progress, said = done.stderr.splitlines()
    assert done.returncode == 2 and progress.startswith("drawing the report"), done.stderr
    assert said.startswith(f"nfloss: {study.resolve()}/report/figures/forest.") and "cannot be written (File too large)" in said
    files = written(study)
    assert all(map(whole, files.values())) and not any(name.startswith(".") for name in files), files
    assert files["verdicts.json"].read_text() != OLD and files["report.html"].read_text() == OLD


def test_a_page_that_does_not_fit_leaves_the_old_one(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The notebook is not run, which would take long: it has one cell of 60 kB, and the one-page summary fits."""
    from analysis.judge import verdicts, write_verdicts

    def executed(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
        write_verdicts(verdicts(folder), folder)
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("x" * 60_000)])

    monkeypatch.setattr("analysis.report.notebook.execute", executed)
    with room(62_000), pytest.raises(OSError, match=r"report\.html: cannot be written \(File too large\)$"):
        write_report(study)
    files = written(study)
    assert all(map(whole, files.values())) and not any(name.startswith(".") for name in files), files
    assert files["report.html"].read_text() == OLD and len(files["report.ipynb"].read_text()) > 60_000
