"""The minutes that a plan says: what a group is made of, by hand; and what becomes of a group that cannot be tried."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from commands import nfloss

from nfloss import Configuration
from runner.execution import Group, StartBlock
from runner.experiment import parse_experiment
from runner.study import estimate
from runner.study.estimate import Timing, longest, time_group
from runner.training import Training

TIRED = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.head, self.calls = torch.nn.Conv2d(3, 1, 3, padding=1), 0

    def forward(self, images):
        self.calls += 1
        if self.calls > 6:
            raise RuntimeError("the seventh call\\nand more")
        return 0.01 + torch.nn.functional.softplus(self.head(images))
"""
TINY = """
design: {one_at_a_time: ["5-2"]}
seeds: 2
model: tired.py:Net
data: {train: 16, probe: 4, validation: 4, height: 16, width: 16}
"""


@pytest.mark.parametrize(("every", "evaluations", "validations"), [(4, 3, 1), (1, 10, 2), (30, 1, 1), (10, 1, 1)])
def test_a_group_is_steps_evaluations_and_an_end(every: int, evaluations: int, validations: int) -> None:
    """Ten steps: probes at every multiple and at the end; the validation set at the last fifth of them, one at least."""
    seconds = Timing(starting=7.0, frames=5.0, step=1.0, probe=100.0, validation=10_000.0, end=0.5)
    settings = Training(steps=10, evaluate_every=every)
    assert seconds.group(settings) == 10 * 1.0 + evaluations * 100.0 + validations * 10_000.0 + 0.5


@pytest.mark.parametrize("every", [1, 5, 40])
def test_a_try_tells_steps_from_evaluations(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training whose clock is known: a step is 2 s, the probe 30, the validation set 400, what comes last 9. Where every step
    is evaluated, a step and its evaluation are one and need not be told apart."""
    clock = [1000.0]

    def training(configurations, data, settings, depth_range, device, look, size, own) -> None:  # type: ignore[no-untyped-def]
        clock[0] += 77.0  # networks are made
        for step in range(1, settings.steps + 1):
            clock[0] += 2.0 + (5.0 if step == 1 else 0.0)  # the first is cold
            if step % settings.evaluate_every == 0 or step == settings.steps:
                validated = step == settings.steps or (settings.evaluate_every, step) == (1, 10)  # of eleven the last two
                clock[0] += 30.0 + (400.0 if validated else 0.0)
                look(step, 0)
        clock[0] += 9.0

    monkeypatch.setattr(estimate, "train", training)
    monkeypatch.setattr(estimate, "time", SimpleNamespace(monotonic=lambda: clock[0], time=lambda: clock[0]))
    content = {
        "name": "tried",
        "design": {"one_at_a_time": ["5-2"]},
        "data": {"train": 8, "probe": 2, "validation": 2, "height": 16, "width": 16},
        "training": {"evaluate_every": every, "steps": 100},
    }
    group = Group("", 0, (Configuration.of(),), 1)
    tried = time_group(group, parse_experiment(content, "tried"), torch.device("cpu"), asked=990.0)
    assert tried.starting == 10.0 and tried.end == 9.0 and tried.validation == 400.0
    assert (tried.step, tried.probe) == ((32.0, 0.0) if every == 1 else (2.0, 30.0))


@pytest.mark.parametrize(("data", "seconds"), [({}, 5.0), ({"folder": "frames", "depth_scale": 1000}, 0.0)])
def test_a_block_of_start_networks_is_its_steps_and_scenes_of_its_own(
    data: dict, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step of 2 s, after 7 s in which networks are made; a folder's frames are those of the seed, there already."""
    clock = [1000.0]

    def training(seeds, frames, settings, depth_range, device, custom) -> None:  # type: ignore[no-untyped-def]
        assert seeds == (4, 5, 6, 7)
        clock[0] += 7.0 + 2.0 * settings.start_steps

    monkeypatch.setattr(estimate, "train_neutral", training)
    monkeypatch.setattr(estimate, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    content = {"name": "x", "design": {"one_at_a_time": ["5-2"]}, "data": data}
    content["training"] = {"start": "neutral", "start_steps": 100}
    took = estimate.timed_start(StartBlock((4, 5, 6, 7)), None, parse_experiment(content, "x"), torch.device("cpu"), frames=5.0)
    assert took == 200.0 + seconds


def test_a_users_networks_take_the_time_that_they_are() -> None:
    """Ten networks with three seeds in fours, two workers: 4, 4, 2, 4, 4, ... By hand, in fours: one worker takes 1 + 1/2 +
    1 + 1 + 1/2 and the other 1 + 1 + 1/2 + 1. Filled up to fours they are nine alike, of which one worker takes five."""
    groups = [Group("", seed, (Configuration.of(),) * count, 4) for seed in range(3) for count in (4, 4, 2)]
    assert longest(groups, 2, alike=False) == 4.0
    assert longest(groups, 2, alike=True) == 5.0


def test_a_network_that_fails_while_it_is_tried_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "tired.py").write_text(TIRED)
    (tmp_path / "tiny.yaml").write_text(TINY)
    done = nfloss("plan", tmp_path / "tiny.yaml")
    assert done.returncode == 2 and "2 cells, 2 distinct" in done.stdout
    said = [line for line in done.stderr.splitlines() if "still running the code of" not in line]  # on a busy machine
    assert said == ["nfloss: the first groups, tried for some steps, failed: RuntimeError: the seventh call"]


def test_frames_are_drawn_for_a_few_and_counted_for_all(monkeypatch):
    """16 of 256 training frames and 8 held out take 3 s: 264 take 11 times as long; a folder is read whole."""
    clock = iter([10.0, 13.0, 20.0, 24.0])
    monkeypatch.setattr(estimate.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(estimate, "FEW", 16)
    drawn = lambda data, seed: SimpleNamespace(to=lambda device: SimpleNamespace(train=range(data.train)))  # noqa: E731
    monkeypatch.setattr(estimate, "make_seed_data", drawn)
    content = {"name": "x", "design": {"one_at_a_time": ["5-2"]}, "data": {"train": 256, "probe": 4, "validation": 4}}
    experiment = parse_experiment(content, "x")
    frames, seconds = estimate.timed_frames(experiment, 0, torch.device("cpu"))
    assert (len(frames.train), seconds) == (16, pytest.approx(3.0 * 264 / 24))
    folder = SimpleNamespace(data=experiment.data.model_copy(update={"folder": Path("frames")}))
    assert estimate.timed_frames(folder, 0, torch.device("cpu"))[1] == pytest.approx(4.0)
