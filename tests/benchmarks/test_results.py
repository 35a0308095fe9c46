"""The kept results: sections and raw timings of a machine and date belong together; what is cited is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
INDEX = RESULTS / "README.md"
REPORTS = [path for path in sorted(RESULTS.glob("*.md")) if path != INDEX and not path.stem.endswith("-brief")]
RAW = [path for path in sorted(RESULTS.glob("*.json")) if not path.stem.endswith("-brief")]
CITING = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.stem)
def test_the_index_names_each_file(report):
    assert f"]({report.name})" in INDEX.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [*CITING, INDEX], ids=lambda path: path.name)
def test_a_cited_file_is_there(page):
    for name in re.findall(r"\b\d{4}-\d\d-\d\d-[\w.-]+\.(?:md|json)\b", page.read_text(encoding="utf-8")):
        assert (RESULTS / name).exists(), name


@pytest.mark.parametrize(
    "raw", sorted(set(RESULTS.glob("*.json")) - set(RESULTS.glob("*-brief.json"))), ids=lambda path: path.stem
)
def test_raw_timings_stand_under_the_headings_of_the_report(raw):
    """The heading begins with the commit and ends with the command that the content itself names."""
    headings = re.findall(r"^# (.+)$", raw.with_suffix(".md").read_text(encoding="utf-8"), re.MULTILINE)
    for heading, content in json.loads(raw.read_text(encoding="utf-8")).items():
        assert heading in headings
        commit, machine = heading.partition(": ")[0], content["machine"]
        assert machine["commit"].startswith(commit) and heading.endswith(machine["command"])
        assert raw.name.startswith(machine["date"][:10])
