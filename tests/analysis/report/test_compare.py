"""Several studies compared, end to end, on planted ones: what is said, what is written, what is refused."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
from synthetic import Planted, write_study

from analysis.formatting import ratio
from analysis.report.compare import Comparison, Table, comparison, file_stem, markdown, study_names
from analysis.study import StudyError

FIXES = {
    "1-1": Planted(0.1, 0.03),
    "2-1": Planted(-0.2, -0.1),
    "4-1": Planted(same_as="baseline"),
    "5-2": Planted(0.15, -0.15),
    "10-1": Planted(same_as="+1-1"),
}


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what is said, which need no figure and are quicker without."""
    monkeypatch.setattr("analysis.report.compare.draw_comparison", lambda *_: b"")


def make(folder: Path, fixes: dict[str, Planted] = FIXES, first: int = 0, seeds: int = 5, **more: object) -> Path:
    return write_study(folder, fixes, first_seed=first, seeds=seeds, probes=12, steps=120, **more)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Planted: the second as the first on other seeds; in the third 2-1 is as good as it was bad, and 5-2 is not there."""
    root = tmp_path_factory.mktemp("three")
    third = {**FIXES, "2-1": Planted(0.2, 0.1), "9-1": Planted(0.1)}
    del third["5-2"]
    return [make(root / "one"), make(root / "two", first=10), make(root / "three", third, first=20, seeds=4)]


@pytest.fixture(scope="module")
def found(three: list[Path]) -> Comparison:
    return comparison(three[0], three[1:])


def row(found: Comparison, fix: str, below: int = 0) -> list[str]:
    at = next(at for at, cells in enumerate(found.fixes.rows) if cells[0].split()[0] == fix)
    return found.fixes.rows[at + below]


def number(cell: str) -> float:
    """Of "×0.94 [0.91, 0.97]" the first."""
    return float(cell.split()[0].removeprefix("×"))


def test_a_row_for_the_word_and_one_for_each_error(found: Comparison) -> None:
    assert found.fixes.header == ["fix", "one", "two", "three", "together"]
    assert [cells[0] for cells in found.fixes.rows[::3]] == ["1-1 fixed-mean", "2-1 weighted-moments", "5-2 linear-ramp"]
    assert row(found, "1-1") == ["1-1 fixed-mean", "adopt", "adopt", "adopt", "same"]
    assert row(found, "2-1") == ["2-1 weighted-moments", "harmful", "harmful", "adopt", "opposite"]
    assert row(found, "5-2") == ["5-2 linear-ramp", "trade", "trade", "–", "same"]


def test_errors_are_those_planted_and_pooled_where_the_studies_agree(found: Comparison) -> None:
    """Near error of 1-1 is exp(-0.1) = 0.905 in all three; of 2-1 exp(0.2) = 1.22 twice and exp(-0.2) = 0.82 once."""
    assert all(0.88 <= number(cell) <= 0.93 for cell in row(found, "1-1", 1)[1:])
    near = row(found, "2-1", 1)
    assert [round(number(cell), 1) for cell in near[1:4]] == [1.2, 1.2, 0.8] and near[4] == "studies differ"
    assert row(found, "5-2", 2)[3] == "–" and "[" in row(found, "5-2", 2)[4]


def test_the_sentences(found: Comparison) -> None:
    assert found.before == ["What differs (one / two / three): seeds 0 to 4 / 10 to 14 / 20 to 23."]
    two, three, *rest = found.after
    assert two.startswith(
        "two against one: of 3 fixes 3 decided in both, 3 with the same word and 0 with the opposite; of 6 gains sure in both"
    )
    assert "6 with the same sign; rank correlation of the gains (Spearman): near 1.00 (3 fixes), far 1.00 (3 fixes)." in two
    assert "of 2 fixes 2 decided in both, 1 with the same word and 1 with the opposite (2-1)" in three
    assert "; not near error of 2-1, far error of 2-1; " in three and "near not defined (2 fixes)" in three
    assert "Not shown, in every study the training of the baseline or of another fix: 4-1, 10-1." in rest
    assert "In three alone: 9-1." in rest


def test_markdown_and_figure_are_written_into_the_first(found: Comparison, three: list[Path]) -> None:
    assert found.path == three[0] / "report" / "compare-two+three"
    text = Path(f"{found.path}.md").read_text()
    assert text == markdown(found) and "| **2-1 weighted-moments** | harmful | harmful | adopt | opposite |" in text
    assert "](compare-two%2Bthree.png)" in text
    assert Path(f"{found.path}.png").read_bytes().startswith(b"\x89PNG")
    assert not any((other / "report").exists() for other in three[1:])


def test_equal_studies_give_equal_files(found: Comparison, three: list[Path]) -> None:
    before = [Path(f"{found.path}{ending}").read_bytes() for ending in (".md", ".png")]
    comparison(three[0], three[1:])
    assert [Path(f"{found.path}{ending}").read_bytes() for ending in (".md", ".png")] == before


def test_five_studies_and_one_pair(three: list[Path], tmp_path: Path) -> None:
    more = [make(tmp_path / f"more-{at}", first=30 + 10 * at, seeds=2) for at in range(2)]
    found = comparison(three[2], [three[0], three[1], *more])
    assert found.fixes.header[1:] == ["three", "one", "two", "more-0", "more-1", "together"]
    assert len([line for line in found.after if " against three: " in line]) == 4
    assert comparison(three[1], [three[0]]).fixes.header == ["fix", "two", "one", "together"]


@pytest.mark.usefixtures("undrawn")
def test_a_repeat_in_one_study_alone_is_shown(three: list[Path], tmp_path: Path) -> None:
    """4-1 trains what the baseline trains in one, and something of its own in the other: nothing is pooled."""
    other = make(tmp_path / "other", {"4-1": Planted(0.1), "10-1": Planted(same_as="baseline")}, first=40)
    found = comparison(three[0], [other])
    assert row(found, "4-1", 1)[1] == "×1 (proved)" and "[" in row(found, "4-1", 1)[2] and row(found, "4-1", 1)[3] == "–"
    assert row(found, "4-1")[1] == "no effect"
    assert "10-1" not in [cells[0].split()[0] for cells in found.fixes.rows]


@pytest.mark.usefixtures("undrawn")
def test_shared_seeds_are_not_pooled(three: list[Path], tmp_path: Path) -> None:
    found = comparison(three[0], [make(tmp_path / "again", {**FIXES, "1-1": Planted(0.11)})])
    assert "Not pooled: one and again share seeds on the same frames, so their gains are not independent." in found.after
    assert {cells[-1] for at, cells in enumerate(found.fixes.rows) if at % 3} == {"–"}


@pytest.mark.usefixtures("undrawn")
def test_an_early_study_is_marked(three: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its column says so, it is not pooled, and a sentence says why."""
    import analysis.report.compare as module

    judge = module.verdicts
    said = {"reasons": ["its error still falls"], "advice": "train longer"}
    monkeypatch.setattr(module, "verdicts", lambda study: {**judge(study), "regime": {"early": study.name == "two", **said}})
    found = comparison(three[0], three[1:])
    assert found.fixes.header == ["fix", "one", "two (early)", "three", "together"]
    assert "Early, and so not pooled: two." in found.after
    assert "two is early, so nothing is to be concluded from it: its error still falls; train longer." in found.after


@pytest.mark.usefixtures("undrawn")
def test_promises_that_two_studies_judge(tmp_path: Path) -> None:
    one = make(tmp_path / "one", full=Planted(-0.2, -0.1))
    two, three = make(tmp_path / "two", first=10, full=Planted(0.2)), make(tmp_path / "three", first=20)
    promises = comparison(one, [two, three]).promises
    assert promises is not None and promises.header == ["promise", "one", "two", "three"]
    near = next(cells for cells in promises.rows if cells[0] == "5 % lower near error")
    assert near[1].startswith("refuted, worse: near error ×") and near[2].startswith("confirmed: ") and near[3] == "–"
    assert comparison(one, [three]).promises is None


def test_a_study_given_twice_is_one_line(three: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for others in ([three[0]], [three[1], three[1]], [three[1], three[0] / "." / ".." / "two"]):
        with pytest.raises(StudyError, match="given twice: a study is compared with others, each given once") as error:
            comparison(three[0], others)
        assert len(str(error.value).splitlines()) == 1
    (tmp_path / "link").symlink_to(three[0])
    with pytest.raises(StudyError, match="which are one study, given twice"):
        comparison(three[0], [tmp_path / "link"])


@pytest.mark.usefixtures("undrawn")
def test_a_copy_of_a_study_is_compared_and_not_pooled(three: list[Path], tmp_path: Path) -> None:
    """Nothing says that it is a copy; its seeds say that it is no evidence of its own."""
    copied = shutil.copytree(three[0], tmp_path / "copied")
    found = comparison(three[0], [copied])
    assert found.after[0].startswith("copied against one: of 3 fixes 3 decided in both, 3 with the same word")
    assert "near 1.00 (3 fixes)" in found.after[0]
    assert any(line.startswith("Not pooled: one and copied share seeds") for line in found.after)


def test_broken_incomplete_and_unrelated_studies_are_one_line_and_nothing_is_written(three: list[Path], tmp_path: Path) -> None:
    broken, half = shutil.copytree(three[1], tmp_path / "broken"), shutil.copytree(three[1], tmp_path / "half")
    (broken / "plan.parquet").write_bytes(b"nothing")
    next((half / "records").glob("trials-001*")).unlink()
    unrelated = make(tmp_path / "unrelated", {"8-1": Planted(0.1)}, first=50)
    first = shutil.copytree(three[0], tmp_path / "first", ignore=shutil.ignore_patterns("report"))
    for other, said in (
        (broken, "plan.parquet: not readable"),
        (half, "trials are missing"),
        (tmp_path / "nowhere", "no such study"),
        (unrelated, "no fix was trained alone in two of these studies"),
    ):
        with pytest.raises(StudyError, match=said) as error:
            comparison(first, [three[1], other] if other != unrelated else [other])
        assert len(str(error.value).splitlines()) == 1
    assert not (first / "report").exists()


@pytest.mark.parametrize(
    ("estimate", "low", "high", "said"),
    [
        (0.0, -0.1, 0.1, "×1.00 [0.90, 1.11]"),
        (math.log(2), math.log(1.6), math.log(2.5), "×0.50 [0.40, 0.62]"),
        (-math.log(12.34), -math.log(1500), -math.log(9.996), "×12.3 [10, 1500]"),
        (math.log(25), -math.inf, math.inf, "×0.04 [0, ∞]"),
        (math.nan, math.nan, math.nan, "? [?, ?]"),
    ],
)
def test_a_gain_as_a_ratio_of_errors(estimate: float, low: float, high: float, said: str) -> None:
    """exp(-gain): a gain's lower end is the error's upper end."""
    assert ratio({"estimate": estimate, "low": low, "high": high}) == said


def test_names_of_studies_and_of_files(tmp_path: Path) -> None:
    """Folders of one name are told apart by their parents, and no two lists of folders share a file."""
    folders = [tmp_path / "a" / "one", tmp_path / "b" / "one", tmp_path / "b" / "two"]
    assert study_names(folders) == ["a/one", "b/one", "b/two"]
    assert study_names([folders[0], folders[2]]) == ["one", "two"]
    runs = tmp_path / "runs"
    lists = [["b", "c"], ["c", "b"], ["b+c"], ["b-c"], ["b", "../c"], ["../runs2/b", "c"], ["b"], ["b,c"], ["b%2Bc"]]
    stems = [file_stem([runs / "a", *(runs / name for name in names)]) for names in lists]
    assert stems[:2] == ["compare-b+c", "compare-c+b"] and len(set(stems)) == len(stems)
    assert not any("/" in stem for stem in stems)
    long = [file_stem([runs / "a", *(runs / (letter * 100) for letter in letters)]) for letters in ("bcd", "bce")]
    assert long[0] != long[1] and max(map(len, long)) < 200


@pytest.mark.usefixtures("undrawn")
def test_names_of_fixes_are_text(three: list[Path], tmp_path: Path) -> None:
    """In Markdown a bar ends a cell, and a tag is HTML."""
    studies = []
    for at, source in enumerate(three[:2]):
        folder = shutil.copytree(source, tmp_path / str(at), ignore=shutil.ignore_patterns("report"))
        issues = json.loads((folder / "issues.json").read_text())
        for issue in issues:
            issue["fixes"] = [{**fix, "name": "a|b <script>\n# x"} for fix in issue["fixes"]]
        (folder / "issues.json").write_text(json.dumps(issues))
        studies.append(folder)
    text = markdown(comparison(studies[0], studies[1:]))
    assert "<script" not in text and "\n# x" not in text
    widths = {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {5}


@pytest.mark.parametrize("width", [24, 40, 80, 100, 200])
def test_the_table_fits_the_terminal(
    found: Comparison, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every error is printed whole, and no line is wider: a label and one study need 24 columns."""
    from runner.cli.compare import print_comparison

    monkeypatch.setenv("COLUMNS", str(width))
    print_comparison(found)
    lines = capsys.readouterr().out.splitlines()
    assert lines.pop().startswith("written to ")
    assert max(map(len, lines)) <= width
    for column in range(1, 5):
        for cells in found.fixes.rows:
            if "[" in cells[column]:
                assert any(cells[column] in line for line in lines), cells


def test_what_studies_say_commands_no_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from runner.cli.compare import print_comparison

    said = "[bold]\x1b[31m\x07x"
    print_comparison(Comparison(said, [said], Table([said, said], [[said, said]]), [said], None, tmp_path / "x"))
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\x07" not in out and out.count("[bold][31mx") >= 5
