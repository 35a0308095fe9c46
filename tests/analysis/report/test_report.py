"""The report, end to end, once; its cells, its page, its verdicts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from printed import plain_text, said_of, table_rows
from synthetic import Planted, write_study

from analysis import load, statements, terminal_summary, write_report
from analysis.plots import available, draw
from analysis.report.build import summary
from analysis.report.html_page import to_html
from analysis.report.notebook import build, cells
from analysis.report.sentences import mixed_software
from analysis.rules import trained_alone
from analysis.study import StudyError
from analysis.symptom_changes import symptom_change


@pytest.fixture(scope="session")
def page(rich: Path) -> Path:
    return write_report(rich)


def test_everything_is_written(page: Path, rich: Path) -> None:
    assert page == rich / "report" / "report.html"
    assert (rich / "verdicts.json").exists()
    pages = {f"issue_{number:02}" for number in range(1, 11)} - {"issue_07"}  # which trains nothing of its own
    for ending in ("png", "svg"):
        figures = {path.stem for path in (rich / "report" / "figures").glob(f"*.{ending}")}
        assert figures == set(available(load(rich))) | pages
    assert (rich / "report" / "summary.pdf").read_bytes().startswith(b"%PDF")
    summary = (rich / "report" / "summary.md").read_text()
    assert "| 8 Inverse depth against depth | 8-2 detached-scale |" in summary
    assert "3 times steadier" in summary
    assert "near error [99.74 %]" in summary and "holds in 4 of 4" in summary  # 5 % shared by 19 fixes


def test_the_report_says_at_which_level_and_how_firmly_it_decides(rich: Path) -> None:
    from analysis import verdicts
    from analysis.report import sections

    study = load(rich)
    text = "".join(part(study, verdicts(study)).text for part in (sections.fixes, sections.answer))
    assert "Intervals: 99.74 % (5 % shared by 19 fixes)." in text and "holds&nbsp;in&nbsp;4&nbsp;of&nbsp;4" in text
    assert "its series" in text and "would say" in text and "10-1 is the same training as 1-1" in text


def test_the_page_needs_nothing_from_elsewhere(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"(?:src|href)=[\"']?https?:", text)
    assert "<script" not in text
    assert text.count("data:image/png;base64") == len(list((page.parent / "figures").glob("*.png")))
    assert (
        text.index("Of 25 fixes for 10 issues")
        < text.index("<dt>adopt</dt>")
        < text.index("How good the networks are")
        < text.index("one depth everywhere")
        < text.index("<svg")
        < text.index("24 fixes: ")
        < text.index("The recommended loss</a>")
        < text.index("Of 24 fixes, each alone")
        < text.index('id="recommendation"')
        < text.index('id="fixes"')
        < text.index("data:image/png")
        < text.index('id="promises"')
        < text.index('id="issue-1"')
    )
    for anchor in set(re.findall(r'href="#([^"]+)"', text)):
        assert f'id="{anchor}"' in text, f"a link to {anchor} leads nowhere"
    assert 'alt="' in text


def test_the_page_says_one_thing_of_each_fix(page: Path, rich: Path) -> None:
    """In tables, issues, the headline and the titles of figures."""
    from analysis.judge import read_verdicts

    judged, text = read_verdicts(rich), page.read_text()
    alone, _, rest = text.partition('id="leave-one-out"')  # whose ratios are others: inside the whole
    found = said_of(judged, *table_rows(alone), *table_rows(rest.partition('id="issues"')[2]))
    for fix in trained_alone(judged):
        both = " ".join(statements.error(fix, side) for side in ("near", "far"))
        assert (found[fix["id"]]["errors"], found[fix["id"]]["words"]) == ({both}, {fix["verdict"]}), fix["id"]
    plain = plain_text(text)
    assert f"To adopt: {judged['recommendation']['words']}." in plain and statements.counts(judged) in plain
    for figure, title in (("trade_off", statements.beyond_sentence(judged)), ("forest", statements.counts(judged))):
        assert title in (rich / "report" / "figures" / f"{figure}.svg").read_text()
    assert not re.search(r"gain %|gain [+−\d]|error lower by|times higher|[+−]\d+\.\d %", plain), "another unit"


def test_the_notebook_holds_its_results_and_no_errors(page: Path, rich: Path) -> None:
    notebook = nbformat.read(rich / "report" / "report.ipynb", as_version=4)
    nbformat.validate(notebook)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert outputs and all(output.output_type in ("execute_result", "display_data") for output in outputs)
    assert all("timestamp" not in str(cell.metadata) and "execution" not in cell.metadata for cell in notebook.cells)
    assert str(rich) not in (rich / "report" / "report.ipynb").read_text()
    assert to_html(notebook, "Which fixes help? rich") == page.read_text()


def test_equal_studies_give_equal_notebooks(rich: Path) -> None:
    one, two = (nbformat.writes(build(cells(load(rich)))) for _ in range(2))
    assert one == two


def test_figures_are_the_same_bytes_again(page: Path, rich: Path) -> None:
    from analysis.judge import read_verdicts

    before = (rich / "report" / "figures" / "forest.png").read_bytes()
    assert draw("forest", load(rich), read_verdicts(rich)).png == before


def test_the_lines_for_the_terminal(page: Path, rich: Path) -> None:
    *networks, counts, promises, path = terminal_summary(rich).splitlines()
    assert len(networks) == 7  # the table's two heads, four rows, and whether the curves still fall
    assert "adopt" in counts and "4 seeds" in counts
    assert "refuted" in promises
    assert path.endswith("report.html")


def test_a_study_without_the_recommendation_has_no_figure_of_it(tmp_path: Path) -> None:
    from synthetic import Planted, write_study

    from analysis import verdicts
    from analysis.report import sections

    study = load(write_study(tmp_path / "bare", {"1-1": Planted(0.1)}, seeds=2, probes=20))
    judged = verdicts(study)
    assert not {"stability", "leave_one_out"} & set(available(study))
    assert "not in this study" in sections.promises(study, judged).text
    assert '<p class="quiet">Not in this study: 1-2, 1-3, 2-1' in sections.fixes(study, judged).text
    rows = [line for line in summary(study, judged).splitlines() if line.startswith("| 1 ")]
    assert [row.split(" | ")[1] for row in rows] == ["1-1 fixed-mean"]
    assert "2 seeds cannot reach" in sections.answer(study, judged).text
    for name in available(study):
        assert draw(name, study, judged).png.startswith(b"\x89PNG")


def test_a_study_of_combinations_alone_counts_no_fixes(tmp_path: Path) -> None:
    """A search's cells are combinations: a row of zeros would read as if ten fixes had been tried and none had helped."""
    from synthetic import Planted, write_study

    from analysis import verdicts
    from analysis.statements import counts

    study = load(write_study(tmp_path / "runs" / "pair", {"1-1 5-2": Planted(0.1)}, seeds=2, probes=20))
    judged = verdicts(study)
    assert counts(judged) == "no fix alone, combinations only"
    assert "\npair: no fix alone, combinations only; 2 seeds\n" in terminal_summary(study.folder)
    text = summary(study, judged)
    assert text.startswith("## pair: no fix alone, combinations only\n\n|") and "\n\nNo fix was trained alone" in text


def test_the_command_that_confirms_is_named_wherever_the_report_is_read(
    page: Path, rich: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from analysis.report.sections import study_path

    monkeypatch.chdir(rich / "report")
    assert study_path(Path("..")) == Path(rich.parent.name, rich.name)


def test_an_incomplete_study_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    from synthetic import Planted, write_study

    folder = write_study(tmp_path / "half", {"1-1": Planted(0.1)}, seeds=2, probes=20)
    (folder / "records" / "trials-001.parquet").unlink()
    with pytest.raises(StudyError, match="2 trials are missing"):
        write_report(folder)
    assert not (folder / "report").exists()


@pytest.mark.parametrize(
    ("cured", "before", "value", "expected"),
    [
        ("0", 0.2, 0.1, "eases"),
        ("1", 2.9, 2.9, "no change"),
        ("1", 1.05, 1.4, "worsens"),
        ("at most 1", 0.1, 1.0, "no change"),
        ("at most 1", 0.1, 10.0, "worsens"),
        ("small", 2478.0, 14.0, "eases"),
        ("below the baseline's", 1.0, 0.6, "eases"),
        ("a matter of purpose", 0.2, 0.5, "no direction"),
        ("0", float("nan"), 0.5, "unknown"),
    ],
)
def test_where_a_symptom_moves(cured: str, before: float, value: float, expected: str) -> None:
    assert symptom_change(cured, before, value) == expected


def test_a_mixed_study_is_named_as_one(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "mixed", {"1-1": Planted(near=0.1)}, seeds=3)
    study = load(folder)
    assert mixed_software(study) == ""
    versions = ["2.13.0", "2.13.0", "2.11.0"]
    trials = study.trials.assign(torch=study.trials["seed"].map(dict(zip(study.seeds, versions, strict=True))), python="3.12.3")
    assert mixed_software(replace(study, trials=trials)) == (
        "A mixed study, in which the last digits may differ: torch 2.13.0 (4 trials) and 2.11.0 (2 trials)."
    )
