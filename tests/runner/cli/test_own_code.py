"""Code that an experiment names: whose it is is said before it runs, and code that never ends does not hang in silence."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from commands import Command, nfloss

from runner.cli import plan

SMALL = """
design: {one_at_a_time: ["1-1"]}
seeds: 1
data: {train: 16, probe: 4, validation: 4, height: 16, width: 16}
training: {steps: 2, batch: 2, evaluate_every: 2}
device: cpu
workers: 1
"""
NET = """
import pathlib, time, torch

class Net(torch.nn.Module):
    def __init__(self, endless):
        super().__init__()
        self.head = torch.nn.Conv2d(3, 1, 1)
        if endless:
            (pathlib.Path(__file__).parent / "begun").touch()
            time.sleep(600)

    def forward(self, images):
        return torch.nn.functional.softplus(self.head(images)) + 0.01
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """An experiment with a fix and a network of its own; whether its constructor never ends, is an argument of it."""
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "own_fix.py").write_text((Path(__file__).parents[3] / "examples" / "own_fix.py").read_text())
    own = "extensions: [own_fix.py]\nmodel: {network: 'net.py:Net', arguments: {endless: false}}\n"
    (tmp_path / "small.yaml").write_text(SMALL + own)
    return tmp_path


def test_a_run_says_first_whose_code_it_loads(small: Path) -> None:
    done = nfloss("run", "small.yaml", "--no-report", "--no-tracking", cwd=small)
    first, *rest = done.stderr.splitlines()
    assert done.returncode == 0, done.stderr
    assert first == f"nfloss: running the code of {small / 'own_fix.py'}, {small / 'net.py'}:Net"
    assert "running the code" not in "".join(rest)


def test_it_is_said_even_if_the_code_fails_when_it_is_imported(small: Path) -> None:
    (small / "own_fix.py").write_text("1 / 0")
    done = nfloss("run", small / "small.yaml")
    first, second = done.stderr.splitlines()
    assert done.returncode == 2 and str(small / "own_fix.py") in first and "ZeroDivisionError" in second


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_constructor_that_never_ends_is_ended_by_ctrl_c(small: Path, command: str) -> None:
    process = Command(command, "small.yaml", "--set", "model.arguments.endless=true", cwd=small)
    until = time.monotonic() + 60
    while not (small / "begun").exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(60)
    assert process.returncode == 130 and "Traceback" not in said
    assert len([line for line in said.splitlines() if "interrupted" in line]) == 1 and not (small / "runs").exists()


def test_what_takes_long_is_said_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(plan, "USUAL_SECONDS", 0.05)
    with plan.said_if_it_takes_long() as told:
        told(["/home/me/net.py:Net"])
        time.sleep(0.3)
    with plan.said_if_it_takes_long():  # an experiment without code of its own
        time.sleep(0.1)
    assert capsys.readouterr().err == "nfloss: still running the code of /home/me/net.py:Net; Ctrl-C ends it\n"
