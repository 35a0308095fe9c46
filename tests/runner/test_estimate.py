"""The minutes that a plan says: what a group is made of, by hand; and what becomes of a group that cannot be tried."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import nfloss

from nfloss import Configuration
from runner.estimate import Try, longest
from runner.groups import Group
from runner.training_settings import Training

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


@pytest.mark.parametrize(("every", "evaluations", "validations"), [(4, 3, 1), (1, 10, 1), (30, 1, 1), (10, 1, 1)])
def test_a_group_is_steps_evaluations_and_an_end(every: int, evaluations: int, validations: int) -> None:
    """Ten steps: probes at every multiple and at the end; the validation set after step 9 (the last tenth)."""
    seconds = Try(starting=7.0, frames=5.0, step=1.0, probe=100.0, validation=10_000.0, end=0.5)
    settings = Training(steps=10, evaluate_every=every)
    assert seconds.group(settings) == 10 * 1.0 + evaluations * 100.0 + validations * 10_000.0 + 0.5


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
    assert done.stderr == "nfloss: the first groups, tried for some steps, failed: RuntimeError: the seventh call\n"
