"""The document's promises: confirmed where they were planted, by the document's own limits; and how readable a series is."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis import load, promises, verdicts
from analysis.effects import effect
from analysis.judge import _reads
from analysis.plots.figures import available
from analysis.report.sentences import measured_on
from analysis.statements import promises_sentence


def test_promises_of_a_recommendation_that_keeps_them(judged: dict) -> None:
    found_verdicts = {entry["promise"]: entry["verdict"] for entry in judged["promises"]}
    assert found_verdicts == {"stability": "confirmed", "convergence": "confirmed", "near field": "confirmed"}
    assert judged["promises"][1]["measure"] == "steps to the target"


def test_speed_and_steadiness_are_measured_and_not_judged_where_a_trained_network_went_on(small: Path, judged: dict) -> None:
    study = load(small)
    training = {**study.meta["experiment"]["training"], "start": "neutral", "start_steps": 3000}
    on = replace(study, meta={**study.meta, "experiment": {**study.meta["experiment"], "training": training}})
    found, said = verdicts(on), "not judged: training went on from a trained network"
    assert [entry["verdict"] for entry in found["promises"]] == [said, said, "confirmed"]
    assert [entry["interval"] for entry in found["promises"]] == [entry["interval"] for entry in judged["promises"]]
    assert [fix["verdict"] for fix in found["fixes"]] == [fix["verdict"] for fix in judged["fixes"]]
    assert f"3 times steadier: {said} (wobble ×" in promises_sentence(found)
    assert "from networks of 3000 steps of neutral training (L1 in ln depth), whose near error on the probe is 0.900" in (
        measured_on(on)  # ln 0.9 is where the planted curves begin
    )
    assert "from networks of" not in measured_on(study)
    assert set(available(study)) - set(available(on)) == {"stability"}


def test_the_limits_of_the_promises_are_the_documents(judged: dict) -> None:
    """3 times steadier, 20 % faster, 5 % lower error; bands of 25 %, 5 % and 2 %; the level shared by the three."""
    stability, convergence, near = judged["promises"]
    assert (stability["margin"], stability["band"]) == pytest.approx((math.log(3), math.log(1.25)))
    assert (convergence["margin"], convergence["band"]) == pytest.approx((math.log(1.2), math.log(1.05)))
    assert (near["margin"], near["band"]) == pytest.approx((math.log(1 / 0.95), math.log(1 / 0.98)))
    assert [entry["level"] for entry in judged["promises"]] == pytest.approx([1 - 0.05 / 3] * 3)


@pytest.mark.parametrize(("seeds", "said"), [(6, "6 seeds cannot reach 0.0167"), (7, None)])
def test_a_promise_says_where_sign_flips_cannot_reach_its_level(seeds: int, said: str | None) -> None:
    """2 / 2^6 = 0.031 and 2 / 2^7 = 0.0156, against 0.05 / 3 = 0.0167."""
    found = promises._entry("stability", "3 times", effect(np.linspace(0.1, 0.2, seeds)), "")["reach"]
    assert found.startswith(said) if said else found == ""


class OneSeries:
    """A study whose added series agree by so much more than the raw loss, in shares that vary by 0.002 over six seeds."""

    study = type("", (), {"baseline": "base"})
    table = ("agree_normalised_loss",)

    def __init__(self, more: float) -> None:
        self.more = more

    def values(self, column: str, key: str) -> np.ndarray:
        added = column in map("agree_{}".format, promises.LOGGED_SERIES.values())
        return 0.5 + (np.linspace(-0.002, 0.002, 6) + self.more if added else np.zeros(6))


@pytest.mark.parametrize(("more", "reads"), [(0.01, "better"), (0.0, "not told apart"), (-0.01, "worse")])
def test_a_series_reads_better_worse_or_alike(more: float, reads: str) -> None:
    """A result of its own, at 97.5 %: 5 % shared by two series."""
    found = promises.judge_readability(OneSeries(more))
    assert {entry["verdict"] for entry in found} == {reads}
    assert {entry["level"] for entry in found} == {0.975}


def test_a_fix_that_only_records_has_no_effect_on_training_however_well_its_series_reads(judged: dict) -> None:
    found = {fix["id"]: fix for fix in judged["fixes"]}
    assert [found[id]["verdict"] for id in ("7-1", "7-2")] == ["no effect"] * 2
    assert [found[id]["reads"] for id in ("7-1", "7-2")] == ["better", "worse"]
    assert found["4-1"]["reads"] is None
    assert all("proved" in found[id]["words"] for id in ("7-1", "7-2"))
    assert (
        "its series, against the raw loss, reads worse: from one evaluation to the next it moves in the direction of"
        in found["7-2"]["detail"]
    )


def test_a_series_read_too_seldom_is_not_told_apart_and_says_why() -> None:
    """One evaluation has no step to agree on."""
    detail = _reads({"verdict": "not told apart", "agreement": math.nan, "raw_agreement": math.nan})
    assert detail.endswith("its series, against the raw loss, is not told apart: too few evaluations")
