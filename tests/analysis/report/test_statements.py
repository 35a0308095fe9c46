"""No two sentences of a report disagree: the word and the ratios of a fix, what lies beyond the near weights, what to adopt.

What is compared is read from what is printed: the page, the summary, the terminal, the titles of figures.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from printed import plain_text, said_of, table_rows
from synthetic import Planted, make_early, write_study

from analysis import load, statements, terminal_summary, verdicts
from analysis.deciding import Levels
from analysis.formatting import ratio
from analysis.judge import write_verdicts
from analysis.report import glance, issue_page, sections
from analysis.report.build import summary
from analysis.report.tables import fix_table
from analysis.report.tables import words as table_words
from analysis.rules import trained_alone
from analysis.word_table import words_of

WEIGHTS = {1.0: Planted(-0.2, 0.16), 2.0: Planted(-0.1, 0.09), 3.0: Planted(-0.05, 0.05), 8.0: Planted(0.035, -0.06)}
STUDIES: dict[str, dict[str, Any]] = {
    "adopt": {"fixes": {"1-1": Planted(0.1, 0.03), "5-2": Planted(0.2, 0.1), "7-1": Planted(same_as="baseline")}},
    "trade": {"fixes": {"2-1": Planted(-0.1, 0.09), "5-1": Planted(-0.07, 0.14), "5-1w": Planted(-0.5, 0.4)}},
    "harmful": {"fixes": {"8-1": Planted(-0.9, -0.6), "6-2": Planted(-0.1, -0.1, diverge=5), "10-1": Planted(same_as="+8-1")}},
    "no effect": {"fixes": {"2-2b": Planted(), "6-1": Planted(0.02, 0.02, noise=0.001), "4-1": Planted(same_as="baseline")}},
    "open": {"fixes": {"3-1": Planted(0.01, noise=0.1), "9-2": Planted(0.05, 0.0, noise=0.045)}},
}


def make(folder: Path, kind: str, **more: Any) -> Path:
    return write_study(folder, **{"weights": WEIGHTS, "probes": 12, "steps": 120, "seeds": 6, **STUDIES[kind], **more})


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of each word, an early one, one whose first look is yet to come."""
    root = tmp_path_factory.mktemp("said")
    found = {kind: make(root / kind.replace(" ", "-"), kind) for kind in STUDIES}
    found["early"] = make(root / "early", "harmful")
    make_early(found["early"])
    found["unfinished"] = make(root / "unfinished", "adopt", seeds=3)
    meta = yaml.safe_load((found["unfinished"] / "study.yaml").read_text())
    meta["experiment"]["seeds"] = list(range(8))
    meta["experiment"]["looks"] = [6, 8]
    (found["unfinished"] / "study.yaml").write_text(yaml.safe_dump(meta))
    return found


def every_text(folder: Path) -> tuple[dict[str, Any], list[str], str]:
    """The verdicts; all lines of tables; all text of the page's first screens."""
    study = load(folder)
    judged = verdicts(study)
    write_verdicts(judged, folder)
    parts = [glance.glance(study, judged), sections.answer(study, judged), sections.fixes(study, judged)]
    parts += [sections.recommendation(study, judged), *(issue_page.overview(study, judged, n) for n in range(1, 11))]
    page = "".join(part.text for part in parts)
    lines = [*table_rows(page), *summary(study, judged).splitlines(), *(" ".join(row) for row in words_of(study).rows)]
    lines += [" ".join(row) for row in table_words(judged)]
    return judged, lines, plain_text(page)


@pytest.mark.parametrize("kind", [*STUDIES, "early", "unfinished"])
def test_word_and_ratios_of_a_fix_are_the_same_wherever_it_stands(studies: dict[str, Path], kind: str) -> None:
    judged, lines, _ = every_text(studies[kind])
    found = said_of(judged, *lines)
    for fix in trained_alone(judged):
        both = " ".join(statements.error(fix, side) for side in ("near", "far"))
        assert found[fix["id"]]["errors"] == {both}, fix["id"]
        assert found[fix["id"]]["words"] == {fix["verdict"]}, fix["id"]
        assert len(found[fix["id"]]["lines"]) >= 4, "page, issue, summary and tables"
    numbers = fix_table(judged).set_index("fix")
    for fix in trained_alone(judged):  # the CSV has the same to two decimals
        if fix["same_as"] != "baseline":
            assert f"×{numbers.near_ratio[fix['id']]:.2f} [" in ratio(fix["near"])


@pytest.mark.parametrize("kind", list(STUDIES))
def test_each_planted_word_is_said_in_the_headline_the_titles_and_the_take_home(studies: dict[str, Path], kind: str) -> None:
    """The word of every planted fix is the study's kind; nothing else is counted, named, or given as advice."""
    from analysis.plots.forest import forest
    from analysis.plots.tradeoff import trade_off

    study = load(studies[kind])
    judged, _, text = every_text(studies[kind])
    counted = sum(own != [] and len(own) for own in statements.by_word(judged).values())
    planted = [fix for fix in trained_alone(judged) if fix["same_as"] is None]
    assert {fix["verdict"] for fix in planted} == {kind}
    home = dict(statements.take_home(study, judged))
    headline = terminal_summary(study.folder)
    for counts in (forest(study, judged)[0].texts[0].get_text(), headline, text):
        proved = counted - len(planted)
        expected = len(planted) if kind != "no effect" else counted
        assert re.search(rf"\b{expected} {kind}\b", counts), kind
        assert kind == "no effect" or re.search(rf"\b{proved} no effect\b", counts)
    assert (home["adopt"] != "none, keep the loss as it is") == (kind == "adopt")
    said = judged["recommendation"]["words"]
    assert home["adopt"].startswith(said) and f"to adopt: {said}\n" in headline and f"To adopt: {said}." in text
    for fix in planted:
        assert (statements.label_of(fix) in home["avoid"]) == (kind == "harmful")
        assert (statements.label_of(fix) in home.get("a trade", "")) == (kind == "trade")
        assert (fix["id"] in home["how sure"].partition("open: ")[2]) == (kind == "open")
    title = trade_off(study, judged)[0].texts[-2].get_text()
    beyond = {fix["id"] for fix in planted if "beyond any near weight" in statements.place(fix)}
    assert beyond == ({fix["id"] for fix in planted} if kind == "adopt" else {"5-1"} if kind == "trade" else set())
    assert beyond == set(re.findall(r"\d+-\d+w?", title))
    assert not re.search(r"(?<!not )adopt it", text)  # not before fresh seeds confirm it


def test_what_fresh_seeds_do_not_confirm_is_adopted_nowhere(tmp_path: Path) -> None:
    """Planted: 5-2 helps on the first seeds and harms on the fresh ones."""
    folder = make(tmp_path / "s", "adopt", fixes={"5-2": Planted(0.2, 0.1)})
    fresh = {"supported together": ("5-2", Planted(-0.2, -0.1))}
    write_study(folder / "confirmation", {}, weights=WEIGHTS, explicit=fresh, seeds=6, first_seed=10, probes=12, steps=120)
    judged, _, text = every_text(folder)
    assert dict(statements.take_home(load(folder), judged))["adopt"].startswith("none, keep the loss as it is: 5-2 was not")
    assert text.count("not confirmed on 6 fresh seeds") >= 4 and "adopt it (" not in text
    assert "do not adopt it yet (not confirmed on 6 fresh seeds)" in text


@pytest.mark.parametrize("kind", ["early", "unfinished"])
def test_nothing_is_concluded_from_an_early_or_unfinished_study(studies: dict[str, Path], kind: str) -> None:
    study = load(studies[kind])
    judged, _, text = every_text(studies[kind])
    assert all("since the study is early" in said for _, said in statements.take_home(study, judged))
    assert "Early: nothing is to be concluded from this study." in text
    assert not re.search(r"(adopt|use) it\b", text) and "loss_fn" not in text
    assert kind == "early" or {fix["verdict"] for fix in trained_alone(judged) if fix["same_as"] is None} == {"open"}


def test_randomly_planted_fixes_have_one_word_and_one_pair_of_ratios(tmp_path: Path) -> None:
    """Forty sizes, directions and noises in two studies, from a fixed seed."""
    rng, ids = np.random.default_rng(7), ["1-1", "1-2", "2-1", "2-2a", "2-2b", "3-1", "4-2", "4-3", "5-1", "5-2"]
    ids += ["5-1w", "6-1", "6-2", "8-1", "8-1w", "8-2", "9-1", "9-2", "9-3", "10-2"]
    words = set()
    for at in range(2):
        near, far = rng.choice([-0.5, -0.1, -0.03, 0.0, 0.03, 0.1, 0.3], (2, len(ids)))
        plants = {id: Planted(*gain, noise=rng.choice([0.002, 0.02, 0.08])) for id, *gain in zip(ids, near, far, strict=True)}
        judged, lines, text = every_text(make(tmp_path / str(at), "adopt", fixes=plants))
        found = said_of(judged, *lines)
        for fix in trained_alone(judged):
            both = f"{ratio(fix['near'])} {ratio(fix['far'])}"
            assert (found[fix["id"]]["errors"], found[fix["id"]]["words"]) == ({both}, {fix["verdict"]}), fix["id"]
            words.add(fix["verdict"])
        known = {fix["id"] for fix in trained_alone(judged) if statements.is_beyond(fix)}
        title = statements.beyond_sentence(judged).partition(";")[0]
        assert known == set(re.findall(r"\d+-\d+\w?", title))
        assert not re.search(r"[+−-]\d+(\.\d)? %|times higher|% (higher|lower) (near|far)", text), "another unit"
    assert len(words) >= 4, "the plants are too alike to test anything"


def test_a_ratio_is_the_exponential_of_the_lost_gain_with_rising_ends() -> None:
    """Hand-worked: a gain of ln 2 halves the error; ends ln 1.6 and ln 2.5 are ratios of 0.625 and 0.4."""
    said = ratio({"estimate": math.log(2), "low": math.log(1.6), "high": math.log(2.5)})
    assert said == "×0.50 [0.40, 0.62]"
    assert Levels().side == 0.95
