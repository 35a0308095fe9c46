"""In what studies differ, from study.yaml files written here; and which studies may be pooled."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic import Planted, write_study

from analysis import load
from analysis.differences import difference_sentence
from analysis.pooling import pooled_studies
from analysis.study import Study


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return load(write_study(tmp_path_factory.mktemp("plain") / "plain", {"1-1": Planted(0.1)}, seeds=3, probes=10, steps=100))


def changed(study: Study, **settings: Any) -> Study:
    """The study with other settings: `data__height=64` is experiment.data.height; `top__device` is device."""
    meta = copy.deepcopy(study.meta)
    for name, value in settings.items():
        section, key = name.split("__")
        (meta if section == "top" else meta["experiment"].setdefault(section, {}))[key] = value
    return replace(study, meta=meta)


def seeded(study: Study, *seeds: int) -> Study:
    return replace(study, meta={**study.meta, "experiment": {**study.meta["experiment"], "seeds": list(seeds)}})


def said(one: Study, other: Study) -> str:
    return difference_sentence([one, other], ["a", "b"]).removeprefix("What differs (a / b): ")


def test_only_what_differs_is_named(plain: Study) -> None:
    assert said(plain, plain) == "The studies do not differ in data, network, training, seeds or device."
    longer = seeded(changed(plain, training__steps=400, top__device="NVIDIA H200"), 3, 4, 5)
    assert said(plain, longer) == "steps 100 / 400; seeds 0 to 2 / 3 to 5; device cpu / NVIDIA H200."


def test_data_and_network_of_one_s_own(plain: Study) -> None:
    """Of other frames, or of another network, the details need no naming; of the same they do."""
    own = changed(plain, data__folder="../frames", data__depth_scale=1000.0, data__height=64, data__width=96)
    assert said(plain, own) == "image size not said / 64x96; data procedural scenes / ../frames."
    assert said(own, changed(own, data__depth_scale=668.9)) == "data.depth_scale 1000 / 668.9."
    network = changed(plain, model__network="net.py:Net", model__output="disparity", training__start="neutral")
    assert said(plain, network) == "network built-in / net.py:Net; start not said / neutral."


def test_near_weights_loss_and_three_studies(plain: Study) -> None:
    curve, loss = changed(plain, design__near_weights=[1, 8]), changed(plain, loss__near_weight=3.0)
    text = difference_sentence([plain, curve, loss], ["a", "b", "c"])
    assert text == (
        "What differs (a / b / c): near weights not said / 1, 8 / not said; loss.near_weight not said / not said / 3."
    )


def test_studies_are_pooled_where_they_are_independent(plain: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeds 0 to 2 on the scenes are the same scenes and first weights, however long the training; on frames they are not."""
    fresh = seeded(plain, 3, 4, 5)
    assert pooled_studies([plain, fresh], ["a", "b"], [False, False]) == ([0, 1], "")
    longer = seeded(changed(plain, training__steps=400), 2, 7)
    chosen, why = pooled_studies([plain, fresh, longer], ["a", "b", "c"], [False] * 3)
    assert chosen == [] and why == "Not pooled: a and c share seeds on the same frames, so their gains are not independent."
    frames = changed(plain, data__folder="frames")
    assert pooled_studies([plain, frames], ["a", "b"], [False, False])[0] == [0, 1]
    monkeypatch.chdir(tmp_path)
    elsewhere = changed(plain, data__folder=str(tmp_path / "frames"))
    assert pooled_studies([frames, elsewhere], ["a", "b"], [False, False])[0] == []


def test_other_losses_and_early_studies_are_not_pooled(plain: Study) -> None:
    fresh, last = seeded(plain, 3, 4, 5), seeded(plain, 6, 7, 8)
    weighed = changed(fresh, loss__near_weight=3.0)
    assert pooled_studies([plain, weighed], ["a", "b"], [False, False])[1].startswith(
        "Not pooled: the studies have other numbers"
    )
    assert pooled_studies([weighed, plain, last], ["a", "b", "c"], [True, False, False]) == (
        [1, 2],
        "Early, and so not pooled: a.",
    )
    assert pooled_studies([plain, fresh], ["a", "b"], [True, False]) == (
        [],
        "Not pooled: fewer than two studies are not early.",
    )


def test_whatever_a_study_yaml_holds_there_is_a_sentence(plain: Study) -> None:
    """What `load` accepts may hold anything but for seeds, steps and epochs; it is somebody else's file."""
    for odd in (None, "x", 3, [1, [2]], {"folder": {}, "height": None}, {1: {2: 3}}, float("nan"), {"x\ny": "<z>"}):
        for section in ("data", "design", "model", "loss"):
            other = copy.deepcopy(plain.meta)
            other["experiment"][section] = odd
            one = replace(plain, meta={**other, "machine": odd, "versions": odd, "device": odd})
            for studies in ([plain, one], [one, one]):
                assert difference_sentence(studies, ["a", "b"]).endswith(".")
                assert pooled_studies(studies, ["a", "b"], [False, False])[1]
