"""What is recommended: supported fixes together, held by fresh seeds or dropped."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from synthetic import Planted, write_study

from analysis import load, verdicts
from analysis.recommendation import BEST, TOGETHER, candidates
from analysis.report.loss_yaml import annotated_yaml
from nfloss import Configuration, SSISilogNearFieldLoss

GOOD = {"1-1": Planted(near=0.10, far=0.03), "5-2": Planted(near=0.20, far=0.03), "2-1": Planted(near=-0.1)}
WHOLE = Planted(near=-0.2, far=-0.1)


def study(folder: Path, fixes: dict[str, Planted] = GOOD, seeds: int = 6, first: int = 0) -> Path:
    return write_study(folder, fixes, full=WHOLE, seeds=seeds, first_seed=first)


def confirm(folder: Path, together: Planted, best: Planted, first: int = 6) -> None:
    explicit = {TOGETHER: ("1-1 5-2", together), BEST: ("5-2", best)}
    write_study(folder / "confirmation", {}, full=WHOLE, explicit=explicit, seeds=6, first_seed=first)


def alone(*fixes: str) -> dict[str, object]:
    return {"fixes": list(fixes), "numbers": {}}


def test_supported_fixes_are_the_candidates(tmp_path: Path) -> None:
    loaded = load(study(tmp_path / "s"))
    judged = verdicts(loaded)
    assert candidates(loaded, judged["fixes"]) == {TOGETHER: alone("1-1", "5-2"), BEST: alone("5-2")}
    assert judged["recommendation"]["confirmed"] is False
    assert "not yet confirmed" in judged["recommendation"]["words"]


def test_two_fixes_for_one_slot_are_not_put_together(tmp_path: Path) -> None:
    both = {"1-1": Planted(near=0.10, far=0.03), "1-2": Planted(near=0.20, far=0.03)}
    loaded = load(study(tmp_path / "s", both))
    assert candidates(loaded, verdicts(loaded)["fixes"]) == {TOGETHER: alone("1-2")}


def test_what_holds_on_fresh_seeds_is_recommended(tmp_path: Path) -> None:
    folder = study(tmp_path / "s")
    confirm(folder, Planted(near=0.3, far=0.03), Planted(near=0.2, far=0.03))
    judged = verdicts(folder)
    found = judged["recommendation"]
    assert found["confirmed"] and found["fixes"] == ["1-1", "5-2"] and found["fresh_seeds"] == list(range(6, 12))
    assert found["entries"][0]["near_against_document"]["low"] > 0
    text = annotated_yaml(load(folder), judged, found)
    (tmp_path / "train.yaml").write_text(text)
    assert SSISilogNearFieldLoss.from_yaml(tmp_path / "train.yaml").configuration == Configuration.of("1-1", "5-2")
    assert "fixes=['1-1', '5-2']" in text and "confirmed on 6 fresh seeds" in text


def test_what_does_not_hold_is_dropped(tmp_path: Path) -> None:
    folder = study(tmp_path / "s")
    confirm(folder, Planted(near=-0.05), Planted(near=0.2, far=-0.1))
    found = verdicts(folder)["recommendation"]
    assert not found["confirmed"] and found["fixes"] == []
    assert found["words"] == "none, keep the loss as it is: 1-1 + 5-2 or 5-2 was not confirmed on 6 fresh seeds"


def test_seeds_that_chose_cannot_confirm(tmp_path: Path) -> None:
    folder = study(tmp_path / "s")
    confirm(folder, Planted(near=0.3, far=0.03), Planted(near=0.2, far=0.03), first=5)
    assert verdicts(folder)["recommendation"]["fresh_seeds"] == []


def test_nothing_supported_keeps_the_loss(tmp_path: Path) -> None:
    loaded = load(study(tmp_path / "s", {"2-1": Planted(near=-0.1)}))
    judged = verdicts(loaded)
    found = judged["recommendation"]
    assert found["candidates"] == {} and found["words"] == "none, keep the loss as it is"
    assert yaml.safe_load(annotated_yaml(loaded, judged, found))["loss"] == {"type": "ssi-silog-nearfield", "fixes": []}


@pytest.mark.parametrize("absent", ["study.yaml", "plan.parquet"])
def test_a_broken_confirmation_is_said(tmp_path: Path, absent: str) -> None:
    from analysis.study import StudyError

    folder = study(tmp_path / "s")
    confirm(folder, Planted(near=0.3), Planted(near=0.2))
    (folder / "confirmation" / absent).write_bytes(b"{")
    with pytest.raises(StudyError, match=absent):
        verdicts(folder)
