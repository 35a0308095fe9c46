"""The benchmark's own claims: the plain loop trains what nfloss trains, and the roofline counts the real network."""

import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import report
import roofline
from equality import Equality, compare
from plain import as_trials, compared, spec_data, train_plain
from trial_spec import Spec, Trial, Trials
from with_nfloss import run as run_nfloss

from runner.models import StackedNetworks

TINY = Spec(((), ("2-1", "5-1"), ("6-2", "9-3")), 32, 48, steps=6, evaluate_every=1, train=16, held_out=4)


def test_plain_loop_trains_what_a_study_trains(tmp_path):
    data = spec_data(TINY)
    plain = as_trials([compared(train_plain(fixes, data, TINY.training)) for fixes in TINY.trials], workers=1)
    assert compare(run_nfloss(TINY, tmp_path), plain).holds


def test_a_spec_and_its_results_survive_a_file(tmp_path):
    TINY.save(tmp_path / "spec.json")
    assert Spec.load(tmp_path / "spec.json") == TINY
    trials = Trials((Trial(0.2, (1.0, 0.5), 3.0),), 1, 10.0, 13.0)
    trials.save(tmp_path / "trials.json")
    assert Trials.load(tmp_path / "trials.json") == trials


@pytest.mark.parametrize("curve", [(1.001, 2.0), (1.0, 2.02), (float("nan"), 2.0)])
def test_a_difference_is_seen(curve):
    one, other = (Trials((Trial(0.2, values, 1.0),), 1, 0.0, 1.0) for values in ((1.0, 2.0), curve))
    assert compare(one, one) == Equality(0.0, 0.0, 1.0, 1.0, 1.0)
    assert not compare(other, one).holds


def test_operations_are_those_of_the_convolutions():
    networks = StackedNetworks(1, seed=0)
    counted = FlopCounterMode(display=False)
    with counted:
        sum(p.sum() for p in networks(torch.rand(8, 3, 32, 48), training=True)).backward()
    assert roofline.step(TINY).flops == counted.get_total_flops()


def test_tables_are_markdown():
    assert report.table(["a", "b"], [["long", "1"]]) == "| a    | b |\n| ---- | - |\n| long | 1 |"
