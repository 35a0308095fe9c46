"""The benchmark's own claims: the plain loop trains what nfloss trains, and the roofline counts the real network."""

import json
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import gpu
import machine
import report
import roofline
from equality import Equality, compare
from plain import as_trials, compared, spec_data, train_plain
from trial_spec import Spec, Trial, Trials
from with_nfloss import run as run_nfloss

from runner.networks import StackedNetworks

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


def test_a_machine_and_date_have_one_file(tmp_path):
    """The same measurement again replaces its section; another, and one that was written by hand, stay."""
    facts = {"date": "2026-01-02T03:04:05+00:00", "commit": "abcdef0123", "command": "python benchmarks/bench.py --full"}
    processor = "Intel(R) Xeon(R) Processor @ 2.80GHz 2"
    machine.keep(tmp_path, "# Report\n\nfirst\n", {"machine": facts, "value": 1}, processor, brief=False)
    report_file = tmp_path / "2026-01-02-intel-xeon-2.80ghz-2.md"
    report_file.write_text(f"{report_file.read_text()}\n# By hand\n\nstays\n")
    other = {**facts, "commit": "1234567890 with changes"}
    for changed, text, value in ((facts, "second", 2), (other, "third", 3)):
        machine.keep(tmp_path, f"# Report\n\n{text}\n", {"machine": changed, "value": value}, processor, brief=False)
    mine, its = (f"{commit}: {facts['command']}" for commit in ("abcdef0", "1234567 with changes"))
    sections = (f"# {mine}\n\n## Report\n\nsecond\n", "# By hand\n\nstays\n", f"# {its}\n\n## Report\n\nthird\n")
    assert report_file.read_text() == "\n".join(sections)
    assert {k: v["value"] for k, v in json.loads(report_file.with_suffix(".json").read_text()).items()} == {mine: 2, its: 3}
    assert len(list(tmp_path.iterdir())) == 2


def test_what_holds_a_processor_back_is_part_of_the_command(monkeypatch):
    for name in machine.HELD_BACK:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    arguments = ["somewhere/bench.py", "--full", "--out", "a folder", "--steps", "6"]
    assert machine.command_line(arguments) == "ATEN_CPU_CAPABILITY=avx2 python benchmarks/bench.py --full --steps 6"


def test_tables_are_markdown():
    assert report.table(["a", "b"], [["long", "1"]]) == "| a    | b |\n| ---- | - |\n| long | 1 |"


@pytest.mark.slow
def test_the_benchmark_of_a_device_compares_what_it_times(tmp_path, capsys):
    """On a CPU, where captured graphs are left out: the same losses as the plain loop, and every figure where it belongs."""
    modes = ["--modes", "fp32,fp32+graphs,bf16", "--plain", "2", "--groups", "2,3"]
    rest = ["--steps", "6", "--rounds", "2", "--size", "32x48", "--out", str(tmp_path)]
    assert gpu.main(["--device", "cpu", *modes, *rest]) == 0
    said = capsys.readouterr().out
    for name in ("plain loop", "2 together, fp32", "3 together, bf16"):
        assert f"| {name} " in said
    assert "graphs " not in said and "not a GPU's figures" in said
    (content,) = json.loads(next(tmp_path.glob("*-brief.json")).read_text()).values()
    assert [len(run["seconds"]) for run in content["runs"]] == [2] * 5
    assert list(content["runs"][0]["first_losses"]) == [gpu.title(fixes) for fixes in content["configurations"][:2]]


def test_a_mode_that_trains_something_else_is_seen():
    plain = gpu.Timed(None, 1, 6, [1.0], first_losses={"baseline": [1.0, 2.0]})
    mode = gpu.Mode("fp32", True)
    same = gpu.Timed(mode, 4, 6, [2.0], first_losses={"baseline": [1.0, 2.001], "2-1": [5.0, 5.0]})
    other = gpu.Timed(mode, 4, 6, [2.0], first_losses={"baseline": [1.001, 2.0], "2-1": [5.0, 5.0]})
    assert gpu.differences(same, plain) == (0.0, pytest.approx(0.0005))
    assert gpu.equal(same, plain) and not gpu.equal(other, plain)
    assert same.microseconds == [pytest.approx(1e6 * 2.0 / 6 / 4)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--modes", "fp16"], "unknown mode fp16; a precision is one of fp32, tf32, bf16"),
        (["--size", "32x48,64x96"], "one size at a time"),
        (["--groups", "0"], "a number of at least 1 is needed"),
        (["--device", "cpu", "--groups", "99999"], "99999 trials: the product has"),
    ],
)
def test_a_slip_is_answered_in_a_line(arguments, says, capsys):
    try:
        status = gpu.main(arguments)
    except SystemExit as ended:
        status = ended.code
    assert (status, says in capsys.readouterr().err) == (2, True)
