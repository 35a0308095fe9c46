"""What is judged of a study that is looked at several times, or is not finished: whole looks, each fix on its own seeds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from synthetic import Planted, key_of, write_study

from analysis import load, verdicts
from analysis.deciding import Spending
from analysis.effects import effect
from analysis.judge import fix_words, open_fixes
from analysis.rules import ADOPT, HARMFUL, OPEN
from analysis.study import StudyError
from analysis.word_table import Words, words_of, words_so_far

WEIGHTS = {1.0: Planted(-0.15, 0.2), 2.0: Planted(-0.08, 0.1), 8.0: Planted(0.06, -0.1)}
FIXES = {"3-1": Planted(0.2, 0.1), "5-2": Planted(-0.2, -0.2), "6-2": Planted(0.03, 0.045, noise=0.04)}
LOOKS = [4, 6, 8]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seeds of everything, planned to be looked at after 4, 6 and 8."""
    folder = write_study(tmp_path_factory.mktemp("looks") / "s", FIXES, weights=WEIGHTS, seeds=8, probes=20)
    meta = yaml.safe_load((folder / "study.yaml").read_text())
    meta["experiment"]["looks"] = LOOKS
    (folder / "study.yaml").write_text(yaml.safe_dump(meta))
    return folder


def cut(whole: Path, folder: Path, kept: dict[str, int], looked: dict[int, list[str]] | None = None) -> Path:
    """The same with so many seeds of each cell, and as many as that of the baseline of the others; with these looks."""
    shutil.copytree(whole, folder)
    seeds = {key_of(cell): count for cell, count in kept.items()}
    for path in (folder / "records").glob("trials-*.parquet"):
        trials = pd.read_parquet(path)
        most = trials["key"].map(lambda key: seeds.get(key, kept["baseline"]))
        trials[trials["seed"] < most].to_parquet(path)
    if looked is not None:
        content = {str(at): [key_of(cell) for cell in cells] for at, cells in looked.items()}
        (folder / "looks.json").write_text(json.dumps(content))
    return folder


STAYS = ["baseline", *(f"near weight {weight:g}" for weight in WEIGHTS)]


def test_each_fix_is_judged_on_its_own_seeds_at_the_level_of_its_look(whole: Path, tmp_path: Path) -> None:
    """3-1 and 5-2 were decided after four seeds; the levels are those of the page of the rule, by three fixes planned."""
    looked = {4: [*STAYS, "+6-2"], 6: [*STAYS, "+6-2"]}
    folder = cut(whole, tmp_path / "s", {"baseline": 8, "+3-1": 4, "+5-2": 4}, looked)
    study = load(folder)
    assert study.finished and study.part == "" and len(study.seeds) == 8 and study.seeds_in_words == "4 to 8 seeds"
    judged = {fix["id"]: fix for fix in verdicts(study)["fixes"] if fix["key"]}
    assert {name: (fix["verdict"], fix["n"]) for name, fix in judged.items()} == {
        "3-1": (ADOPT, 4), "5-2": (HARMFUL, 4), "6-2": (OPEN, 8),
    }  # fmt: skip
    for name, n in (("3-1", 4), ("6-2", 8)):
        levels = Spending(tuple(LOOKS)).levels(n, 3)
        rows = study.trials.set_index(["key", "seed"])["final_near_rmse_log"]
        gains = [np.log(rows[(study.baseline, s)]) - np.log(rows[(key_of(f"+{name}"), s)]) for s in range(n)]
        by_hand = effect(gains, *levels)
        near = judged[name]["near"]
        assert (near["low"], near["high"], near["at_least"]) == (by_hand.low, by_hand.high, by_hand.at_least)
        assert list(judged[name]["seeds"]) == [str(s) for s in range(n)]


def test_the_word_at_a_look_is_that_of_its_seeds_alone(whole: Path, tmp_path: Path) -> None:
    """At a look that a study is past, what came after counts for nothing: a resumed run decides as the first did."""
    first = cut(whole, tmp_path / "first", {"baseline": 4})
    later = cut(whole, tmp_path / "later", {"baseline": 8, "+3-1": 4, "+5-2": 4}, {4: [*STAYS, "+6-2"], 6: [*STAYS, "+6-2"]})
    assert open_fixes(first, 4) == open_fixes(later, 4) == {key_of("+6-2")}
    assert open_fixes(later, 6) == {key_of("+6-2")}
    with pytest.raises(StudyError, match="4 of the 6 seeds of this look are complete"):
        open_fixes(first, 6)
    entries = [[(fix["id"], fix["near"]) for fix in fix_words(load(folder, 4)) if fix["key"]] for folder in (first, later)]
    assert entries[0] == entries[1]


@pytest.mark.parametrize(
    ("kept", "looked", "seeds", "part"),
    [
        ({"baseline": 8, "+6-2": 3}, None, 3, "unfinished: 3 of 4 seeds are there"),
        ({"baseline": 4}, None, 4, "looked at after 4 of at most 8 seeds"),
        ({"baseline": 5}, {4: [*STAYS, "+6-2"]}, 4, "looked at after 4 of at most 8 seeds"),  # up to the last whole look
        ({"baseline": 6, "+3-1": 4, "+5-2": 4}, {4: [*STAYS, "+6-2"]}, 6, "looked at after 6 of at most 8 seeds"),
        ({"baseline": 6, "+3-1": 4, "+5-2": 4}, {4: [*STAYS, "+6-2"], 6: []}, 6, ""),
        ({"baseline": 4}, {4: []}, 4, ""),
    ],
)
def test_a_study_is_read_up_to_its_last_whole_look(
    whole: Path, tmp_path: Path, kept: dict[str, int], looked: dict[int, list[str]] | None, seeds: int, part: str
) -> None:
    study = load(cut(whole, tmp_path / "s", kept, looked))
    assert (len(study.seeds), study.part, study.finished) == (seeds, part, part == "")
    assert set(study.trials["seed"]) == set(range(seeds)) == set(study.curves["seed"])


def test_before_the_first_look_every_word_is_open_and_nothing_is_concluded(whole: Path, tmp_path: Path) -> None:
    folder = cut(whole, tmp_path / "s", {"baseline": 3})
    judged = verdicts(folder)
    assert {fix["verdict"] for fix in judged["fixes"] if fix["key"]} == {OPEN}
    assert {fix["detail"] for fix in judged["fixes"] if fix["key"]} == {"3 of 4 seeds are there"}
    assert judged["regime"]["early"] and judged["regime"]["reasons"][0] == "3 of 4 seeds are there"
    assert judged["recommendation"]["fixes"] == []
    found = words_so_far(folder)
    assert found.notes == ["unfinished: 3 of 4 seeds are there"] and [row[2] for row in found.rows] == [OPEN] * 3


def test_the_table_has_ratios_that_rise(whole: Path) -> None:
    """Of an error 18 % lower (exp -0.2) the ratio is 0.82; the interval's lower end stands first."""
    found = words_of(load(whole))
    row = next(row for row in found.rows if row[0] == "3-1")
    ratio, low, high = (float(part.strip("×[],")) for part in row[3].split())
    assert low < ratio < high and ratio == pytest.approx(0.82, abs=0.02) and row[-1] == "8"
    (note,) = found.notes  # of the one that eight seeds leave open
    assert note.startswith("open: 6-2: if the estimates stay, ")


def test_not_one_whole_seed_is_no_table_and_one_line(whole: Path, tmp_path: Path) -> None:
    folder = cut(whole, tmp_path / "s", {"baseline": 8, "+6-2": 0})
    assert words_so_far(folder) == Words()
    with pytest.raises(
        StudyError, match=r"no seed is complete yet: 4 trials are missing \(\+6-2 seed 0, .*\); run with --resume"
    ):
        verdicts(folder)


def test_looks_that_cannot_be_read_are_one_line(whole: Path, tmp_path: Path) -> None:
    folder = cut(whole, tmp_path / "s", {"baseline": 8}, {})
    (folder / "looks.json").write_text("[1, 2")
    with pytest.raises(StudyError, match=r"looks.json: not readable as looks .*; continue the study with --resume"):
        load(folder)
