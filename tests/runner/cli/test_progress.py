"""What a run says of itself on the way: the same facts with Rich's bar and without."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runner.cli.progress import Display
from runner.execution import Group, StartBlock, make_groups
from runner.experiment import make_plan, parse_experiment

EXPERIMENT = {"name": "x", "design": {"one_at_a_time": ["1-1", "5-2", "8-1"]}, "seeds": 1, "training": {"steps": 10}}


def begun(display: Display) -> Group:
    """The display of a run of one group of four; gives the group."""
    plan = make_plan(display.experiment)
    (group,) = make_groups([a.configuration for a in plan.trained if a.configuration], [0], 4, False)
    display.begin(plan.summary, 0, plan.trials)
    display.groups([group])
    return group


@pytest.fixture
def display() -> Display:
    return Display(parse_experiment(EXPERIMENT, "here"), Path("nowhere"))


def test_in_a_pipe_a_line_now_and_then(display: Display, capsys: pytest.CaptureFixture[str]) -> None:
    with display:
        group = begun(display)
        display.progress(group.name, 5, 1)
        assert capsys.readouterr().err == "4 cells: 4 to train, 0 the same as another, 0 clash; x 1 seeds = 4 trials\n"
        display.last_line -= 31
        display.started -= 60
        display.progress(group.name, 5, 1)
        assert capsys.readouterr().err == "0/4 trials, 1 diverged, 0:01:00 spent, about 0:01:00 left\n"
        display.finished(4, 1)
    assert capsys.readouterr().err.startswith("4/4 trials, 1 diverged, 0:01:00 spent")


def test_halves_of_a_group_replace_it(display: Display, capsys: pytest.CaptureFixture[str]) -> None:
    group = begun(display)
    display.progress(group.name, 8, 2)
    for half in group.halves():
        display.progress(half.name, 5, 0)
    display.last_line -= 31
    display.started -= 60
    display.progress(half.name, 5, 0)
    assert capsys.readouterr().err.splitlines()[-1] == "0/4 trials, 0 diverged, 0:01:00 spent, about 0:01:00 left"


def test_start_networks_are_shown_before_the_trials_and_count_by_their_batch(capsys: pytest.CaptureFixture[str]) -> None:
    """Two blocks of four networks, 30 steps of twice the batch: 2 x 4 x 2 x 30 = 480 of 480 + 4 x 10 steps in all; 22 steps of
    one are 176."""
    training = {"steps": 10, "start": "neutral", "start_steps": 30, "start_batch": 16}
    display = Display(parse_experiment({**EXPERIMENT, "training": training}, "here"), Path("nowhere"))
    blocks = [StartBlock((0, 1, 2, 3)), StartBlock((4, 5, 6, 7))]
    plan = make_plan(display.experiment)
    display.begin(plan.summary, 0, plan.trials)
    display.starts(blocks)
    assert capsys.readouterr().err.splitlines()[1:] == [
        "first 30 steps of neutral training for the start networks of seeds 0 to 3, seeds 4 to 7"
    ]
    display.last_line -= 31
    display.started -= 176
    display.progress(blocks[1].name, 22, 1)
    said = "start networks 37% trained, 0/4 trials, 0 diverged, 0:02:56 spent, about 0:05:44 left"
    assert capsys.readouterr().err.splitlines() == [said]
    for block in blocks:
        display.progress(block.name, 30, 0)
    assert display.trials() == "0/4 trials, 0 diverged"
    display.starts([])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("rich", [True, False])
def test_on_a_terminal_a_bar_where_rich_is_there(rich: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for module in () if rich else ("rich.console", "rich.progress"):
        monkeypatch.setitem(sys.modules, module, None)
    with Display(parse_experiment(EXPERIMENT, "here"), Path("nowhere")) as display:
        assert (display.bar is not None) == rich
        display.progress(begun(display).name, 5, 1)
        display.finished(4, 1)
