"""Tables for papers: what is written is what docs/tables.md describes, and stays text in LaTeX, Markdown and spreadsheets."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from synthetic import Planted, write_study

from analysis import verdicts
from analysis.report import write_tables
from analysis.report.tables import SYMBOLS
from analysis.study import StudyError
from runner.cli import main

PAGE = Path(__file__).parents[3] / "docs" / "tables.md"
NAMES = {"1-1": "a_b & 50 % #1 {x} $y$ ~^\\z", "5-2": '=HYPERLINK("x")', "2-1": "@sum|bar <b>", "8-1": "-1+1"}
FIXES = {"1-1": Planted(0.1, 0.03), "5-2": Planted(0.05), "2-1": Planted(-0.2), "8-1": Planted(-0.1, diverge=1)}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    same = {"4-1": Planted(same_as="baseline"), "10-1": Planted(same_as="+1-1"), "9-2": Planted(clash=True)}
    folder = write_study(tmp_path_factory.mktemp("tables") / "s", {**FIXES, **same}, seeds=4, probes=12, steps=120)
    issues = json.loads((folder / "issues.json").read_text())
    for issue in issues:
        issue["fixes"] = [{**fix, "name": NAMES.get(fix["id"], fix["name"])} for fix in issue["fixes"]]
    (folder / "issues.json").write_text(json.dumps(issues))
    return folder


@pytest.fixture(scope="module")
def written(study: Path) -> dict[str, Path]:
    return {path.name: path for path in write_tables(study)}


@pytest.mark.parametrize("name", ["table.csv", "trials.csv"])
def test_the_page_describes_the_columns_that_are_written(written: dict[str, Path], name: str) -> None:
    section = PAGE.read_text().split(f"## {name}")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == written[name].read_text().splitlines()[0].split(",")


def test_a_row_for_each_fix_with_the_ratios_of_its_verdict(study: Path, written: dict[str, Path]) -> None:
    """exp(-gain) of verdicts.json; proved equal is exactly 1."""
    table = pd.read_csv(written["table.csv"], dtype={"fix": str}).set_index("fix")
    fixes = {fix["id"]: fix for fix in verdicts(study)["fixes"] if fix["key"]}
    assert list(table.index) == list(fixes) and "9-2" not in fixes
    for id, fix in fixes.items():
        expected = [math.exp(-fix["far"][end]) for end in ("estimate", "high", "low")]
        assert list(table.loc[id, ["far_ratio", "far_low", "far_high"]]) == pytest.approx(expected, rel=1e-5)
        assert table.word[id] == fix["verdict"] and table.seeds[id] == 4
    assert table.near_ratio["4-1"] == table.near_high["4-1"] == 1 and table.same_as["10-1"] == "1-1"
    assert not table.early.any() and table.diverged["8-1"] == 1


def test_a_row_for_each_trial_as_it_was_recorded(study: Path, written: dict[str, Path]) -> None:
    trials = pd.read_csv(written["trials.csv"], dtype={"cell": str})
    records = pd.concat(map(pd.read_parquet, sorted((study / "records").glob("trials-*.parquet"))))
    assert len(trials) == len(records) == 5 * 4  # five that are trained, four seeds
    assert trials.final_far_silog.sum() == pytest.approx(records.final_far_silog.sum(), rel=1e-5)
    assert set(trials.cells[trials.cell == "1-1"]) == {"1-1; 10-1"} and set(trials.cells[trials.cell == "baseline"]) == {
        "baseline; 4-1"
    }
    assert list(trials.seed[trials.cell == "2-1"]) == [0, 1, 2, 3]
    assert list(trials.status[trials.cell == "8-1"]) == ["diverged", "finished", "finished", "finished"]


def test_no_cell_is_a_formula(written: dict[str, Path]) -> None:
    for name in ("table.csv", "trials.csv"):
        for row in csv.reader(written[name].read_text().splitlines()):
            assert not any(re.match(r"[=+@\t\r]|-[^0-9.]|-\d+\+", cell) for cell in row), row
    rows = list(csv.DictReader(written["table.csv"].read_text().splitlines()))
    assert {row["fix"]: row["name"] for row in rows}["5-2"] == '\'=HYPERLINK("x")'


def test_latex_is_text_under_booktabs_rules(written: dict[str, Path]) -> None:
    """By LaTeX's rules: a special character of a name has a backslash or is a command; each row has five separators."""
    text = written["table.tex"].read_text()
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    row = next(line for line in text.splitlines() if line.startswith("1-1"))
    assert r"a\_b \& 50 \% \#1 \{x\} \$y\$ \textasciitilde \textasciicircum \textbackslash z" in row
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body} == {5} and len(body) == 6
    assert not any(symbol in text for symbol in SYMBOLS) and text.isascii()


def test_markdown_is_text(written: dict[str, Path]) -> None:
    text = written["table.md"].read_text()
    assert r"@sum\|bar &lt;b>" in text
    assert {line.replace(r"\|", "").count("|") for line in text.splitlines()} == {7}


def test_equal_studies_give_equal_files_and_a_broken_one_none(study: Path, written: dict[str, Path], tmp_path: Path) -> None:
    before = {name: path.read_bytes() for name, path in written.items()}
    assert {path.name: path.read_bytes() for path in write_tables(study)} == before
    broken = write_study(tmp_path / "b", {"1-1": Planted()}, seeds=2, probes=12, steps=120)
    (broken / "records" / "trials-001.parquet").unlink()
    with pytest.raises(StudyError, match="no seed is complete"):
        write_tables(broken)
    assert not (broken / "report").exists()


def test_tables_and_comparison_are_one_line(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["report", str(study), "--tables", "--compare", str(study)])
    said = capsys.readouterr()
    assert ended.value.code == 2 and said.out == "" and len(said.err.splitlines()) == 1 and "give one of them" in said.err
