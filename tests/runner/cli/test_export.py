"""What `nfloss export` writes reads back as the configuration, and its Python file is the library's loss."""

from __future__ import annotations

import shutil
import types
from pathlib import Path

import pytest
import torch
from commands import nfloss
from synthetic import Planted, make_early, write_study

from analysis import load, verdicts
from analysis.judge import write_verdicts
from analysis.report import yaml_block
from nfloss import Configuration, SSISilogNearFieldLoss
from nfloss.yaml_block import document_block
from runner.cli.export import export_loss


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fixes = {"5-2": Planted(near=0.2, far=0.03), "2-1": Planted(near=-0.1), "9-2": Planted(near=-0.08, far=0.1)}
    folder = write_study(tmp_path_factory.mktemp("export") / "s", fixes, full=Planted(near=-0.2), seeds=6)
    write_verdicts(verdicts(folder), folder)
    return folder


@pytest.mark.parametrize("block", [yaml_block, document_block])
@pytest.mark.parametrize("numbers", [{}, {"near_weight": 3.0, "alpha": 0.5}, {"near_threshold": 0.7}])
@pytest.mark.parametrize("fixes", [[], ["5-2"], ["9-2"], ["9-3"], ["1-1", "5-2", "9-2"]], ids="+".join)
def test_a_block_reads_back_as_what_it_was(tmp_path: Path, block, fixes: list[str], numbers: dict[str, float]) -> None:
    if fixes == ["9-2"]:
        numbers = {**numbers, "start_threshold": 0.6, "end_threshold": 2.0}
    (tmp_path / "train.yaml").write_text(block({"fixes": fixes, "numbers": numbers}))
    assert SSISilogNearFieldLoss.from_yaml(tmp_path / "train.yaml").configuration == Configuration.of(*fixes, **numbers)


def test_the_documents_form_has_the_documents_keys() -> None:
    said = document_block({"fixes": ["9-2"], "numbers": {"near_weight": 3.0}})
    assert "near_field_weight: 3.0" in said and "near_field_threshold_schedule:" in said and "fixes" not in said


@pytest.mark.parametrize("fixes", [None, ["5-2", "9-2"], []])
def test_the_files_are_the_loss(study: Path, fixes: list[str] | None) -> None:
    block, files = export_loss(study, fixes, False)
    wanted = ["5-2"] if fixes is None else fixes  # what the planted gains support
    assert [path.name for path in files] == ["loss.yaml", "loss-document.yaml", "near_field_loss.py"]
    assert files[0].read_text() == block + "\n"
    for path in files[:2]:
        assert SSISilogNearFieldLoss.from_yaml(path).configuration == Configuration.of(*wanted)
    made = types.ModuleType("made")
    exec(files[2].read_text(), made.__dict__)
    pred, gt = torch.rand(2, 1, 16, 16, dtype=torch.float64), torch.rand(2, 1, 16, 16, dtype=torch.float64) * 3
    expected = SSISilogNearFieldLoss(wanted)(pred, gt)
    assert made.SSISilogNearFieldLoss()(pred, gt).item() == pytest.approx(expected.item(), rel=1e-12)


def test_the_evidence_is_in_the_docstring(study: Path) -> None:
    text = export_loss(study, ["5-2", "1-1"], False)[1][2].read_text()
    near = next(fix for fix in verdicts(load(study))["fixes"] if fix["id"] == "5-2")["near"]
    low, high = (2.718281828 ** -near[end] for end in ("high", "low"))
    assert f"near error ×{2.718281828 ** -near['estimate']:.2f} [{low:.2f}, {high:.2f}]" in " ".join(text.split())
    assert "6 paired seeds" in text and "1-1: not in this study" in text.replace("1-1 alone", "1-1")
    assert "Chosen by hand" in text and max(map(len, text.split('"""')[1].splitlines())) <= 104


def test_of_an_early_study_only_what_the_user_names(study: Path, tmp_path: Path) -> None:
    early = Path(shutil.copytree(study, tmp_path / "s", ignore=shutil.ignore_patterns("export")))
    make_early(early)
    write_verdicts(verdicts(early), early)
    with pytest.raises(
        ValueError, match=r"early, so nothing is recommended: the baseline.* --set training\.steps=4800; or name"
    ):
        export_loss(early, None, False)
    assert not (early / "export").exists()
    text = export_loss(early, ["5-2"], False)[1][2].read_text()
    assert "Chosen by hand" in text and "Early, so nothing is to be concluded" in text and "early: " in text
    assert export_loss(early, [], False)[0].startswith("loss:")


@pytest.mark.parametrize(
    ("more", "said"),
    [(["--fixes", "5-9"], "unknown fix '5-9'"), (["--fixes", "1-1", "1-2"], "clash"), (["--fix", "1-1"], "--fixes")],
)
def test_mistakes_are_one_line_and_write_nothing(study: Path, tmp_path: Path, more: list[str], said: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in (study / "export").iterdir()}
    done = nfloss("export", study, *more)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1
    assert before == {path: path.stat().st_mtime_ns for path in (study / "export").iterdir()}
