"""What is taken home loads in the user's training code."""

import json

import pytest
import yaml

from nfloss import Configuration, SSISilogNearFieldLoss
from runner.export import take_home, without_clashes
from runner.study import StudyError


def study(tmp_path, verdicts):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"name": "s", "experiment": {"loss": {"near_weight": 3.0}}}))
    if verdicts is not None:
        entries = [{"id": fix, "verdict": verdict} for fix, verdict in verdicts.items()]
        (tmp_path / "verdicts.json").write_text(json.dumps({"fixes": entries}))
    return tmp_path


def test_the_block_loads_as_the_adopted_loss(tmp_path):
    text = take_home(study(tmp_path, {"1-1": "adopt", "2-1": "harmful", "5-2": "adopt"}))
    (tmp_path / "train.yaml").write_text(text)
    loss_fn = SSISilogNearFieldLoss.from_yaml(tmp_path / "train.yaml")
    assert loss_fn.configuration == Configuration.of("1-1", "5-2", near_weight=3.0)
    assert "fixes=['1-1', '5-2'], near_weight=3.0" in text


def test_clashes_and_repeats_are_left_out_and_named():
    fixes, reasons = without_clashes(["1-1", "1-2", "5-1", "10-1"], {})
    assert fixes == ["1-1", "5-1"]
    assert "1-1 and 1-2 clash" in reasons[0] and "10-1" in reasons[1]


def test_nothing_adopted_is_the_baseline(tmp_path):
    assert "none; the baseline stands" in take_home(study(tmp_path, {"1-1": "no effect"}))


def test_no_verdicts_yet(tmp_path):
    with pytest.raises(StudyError, match="nfloss report"):
        take_home(study(tmp_path, None))
