"""A study that somebody else has made: its names are text in the report, never HTML, code, formulas or links."""

from __future__ import annotations

import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml
from synthetic import Planted, write_study

from analysis import load, write_report
from analysis.study import StudyError

HOSTILE = "<script>boo()</script><img src=x onerror=boo()> [in](javascript:boo()) `$\\frac$` **x**\n## more\n<b"


class Elements(HTMLParser):
    """What a browser would see: elements, their attributes, and where they lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_study(
        tmp_path_factory.mktemp("hostile") / "study",
        {"1-1": Planted(0.1), "5-1": Planted(0.2), "6-1": Planted(-0.1)},
        full=Planted(-0.2),
        seeds=3,
        probes=12,
        steps=120,
    )
    issues = json.loads((folder / "issues.json").read_text())
    for issue in issues:
        issue |= {"title": HOSTILE, "says": HOSTILE, "severity": HOSTILE}
        issue["fixes"] = [{**fix, "name": HOSTILE, "summary": HOSTILE, "source": HOSTILE} for fix in issue["fixes"]]
        issue["symptom"] = {**issue["symptom"], "name": HOSTILE, "unit": HOSTILE}
    (folder / "issues.json").write_text(json.dumps(issues))
    audit = json.loads((folder / "audit.json").read_text())
    texts = {name for one in audit for name, value in one.items() if isinstance(value, str)} - {"verdict"}
    said = [{**one, **dict.fromkeys(texts, HOSTILE)} for one in audit]
    (folder / "audit.json").write_text(json.dumps(said))
    meta = yaml.safe_load((folder / "study.yaml").read_text())
    meta |= {
        "name": HOSTILE,
        "device": HOSTILE,
        "git_commit": HOSTILE,
        "machine": {HOSTILE: HOSTILE},
        "versions": {HOSTILE: HOSTILE},
    }
    meta["experiment"] |= {"model": {"network": HOSTILE}, "note": HOSTILE, "extensions": [HOSTILE], "device": HOSTILE}
    meta["experiment"]["data"] |= {"folder": HOSTILE, "format": HOSTILE}
    (folder / "study.yaml").write_text(yaml.safe_dump(meta))
    plan = pd.read_parquet(folder / "plan.parquet")
    named = plan["cell"].where(plan["cell"] == "baseline", plan["cell"] + HOSTILE)
    plan.assign(cell=named, reason=HOSTILE, design=plan["design"].where(plan.index > 1, HOSTILE)).to_parquet(
        folder / "plan.parquet"
    )
    for part in (folder / "records").glob("trials-*.parquet"):
        pd.read_parquet(part).assign(device=HOSTILE, group=HOSTILE).to_parquet(part)
    (folder / "report").mkdir()
    for place in (folder, folder / "report"):
        for module in ("pandas", "IPython", "analysis", "sitecustomize"):
            (place / f"{module}.py").write_text(f"open({str(folder / 'imported')!r}, 'w').close()")
    return folder


@pytest.fixture(scope="module")
def page(study: Path) -> Path:
    return write_report(study)


def test_the_page_has_no_element_of_theirs(page: Path) -> None:
    elements = Elements()
    elements.feed(page.read_text())
    assert not [tag for tag, _ in elements.found if tag in ("script", "iframe", "object", "embed")]
    for tag, attributes in elements.found:
        handlers = {name: value for name, value in attributes.items() if name.startswith("on")}
        assert not handlers or (tag == "button" and "classList.toggle" in str(handlers)), (tag, attributes)
        assert not (attributes.get("href") or "#").strip().lower().startswith("javascript"), attributes
        assert tag != "img" or str(attributes.get("src")).startswith("data:image/png"), attributes
    assert "boo()" in page.read_text()  # it is there, as text


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium here")
def test_a_browser_runs_nothing_of_theirs(page: Path, tmp_path: Path) -> None:
    """`boo`, which all that is hostile calls, is defined, and would leave its mark in the page."""
    told = "<script>function boo() { document.documentElement.setAttribute('data-boo', 'ran') }</script>"
    (tmp_path / "page.html").write_text(page.read_text().replace("<head>", f"<head>{told}", 1))
    (tmp_path / "seen.html").write_text(f"<html><head>{told}</head><body><img src=x onerror=boo()></body></html>")
    switches = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=3000",
    ]

    def shown(name: str) -> str:
        command = ["chromium", *switches, "--dump-dom", (tmp_path / name).as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=120).stdout

    assert 'data-boo="ran"' in shown("seen.html")  # it would be seen
    assert "Which fixes help?" in (seen := shown("page.html")) and 'data-boo="ran"' not in seen


def test_modules_that_lie_in_a_study_are_not_imported(study: Path, page: Path) -> None:
    """The fixture's page was drawn with them there."""
    assert (study / "report" / "pandas.py").exists() and not (study / "imported").exists()


def test_the_notebook_runs_no_code_of_theirs(page: Path) -> None:
    notebook = nbformat.read(page.with_name("report.ipynb"), as_version=4)
    for cell in notebook.cells:
        assert cell.cell_type == "markdown" or "boo" not in cell.source
        assert cell.cell_type == "code" or ("<script" not in cell.source and "](javascript" not in cell.source)


def test_the_figures_have_no_element_of_theirs(page: Path) -> None:
    for figure in (page.parent / "figures").glob("*.svg"):
        assert "<script" not in figure.read_text() and "<img" not in figure.read_text()


@pytest.mark.parametrize("number", ["1) or boo(", 1.5, None, "__import__('os')"])
def test_an_issue_whose_number_is_none_is_refused(study: Path, tmp_path: Path, number: object) -> None:
    """Numbers stand in the notebook's code."""
    copy = tmp_path / "copy"
    shutil.copytree(study, copy, ignore=shutil.ignore_patterns("report"))
    issues = json.loads((copy / "issues.json").read_text())
    issues[0]["number"] = number
    (copy / "issues.json").write_text(json.dumps(issues))
    with pytest.raises(StudyError, match=r"issues\.json.*whole number"):
        load(copy)
