"""Before worker processes are forked, all that they need is loaded, and autograd's engine has not started: where there is an
accelerator it starts threads, and then refuses to work in forked processes."""

import subprocess
import sys

LOADED = """
import torch

class Engine:
    def run_backward(self, *arguments, **named):
        raise RuntimeError("autograd's engine has begun before the fork")

engine, torch.autograd.Variable._execution_engine = torch.autograd.Variable._execution_engine, Engine()
import runner.execution.preload
torch.autograd.Variable._execution_engine = engine

from nfloss import Configuration, Losses
from runner.training.kernels.lanes import passes
from runner.training.kernels.lanes.lane_networks import LaneNetworks
from runner.training.kernels.sums import loops
from runner.training.kernels.sums.core import CoreSumming

def in_memory():
    return {name: len(code.signatures) for name, code in {**vars(passes), **vars(loops)}.items() if hasattr(code, "signatures")}

before, images, truth = in_memory(), torch.rand(3, 3, 32, 48), torch.rand(3, 1, 32, 48)
networks, losses = LaneNetworks(3, 0), Losses([Configuration.of(name) for name in ("1-1", "6-2", "8-1")], CoreSumming())
losses(networks(images, training=True), truth).sum().backward()
networks(images, training=False)
later = {name for name, count in in_memory().items() if count > before[name]}
print(sum(before.values()), "in memory, later", later or "none")
"""


def test_all_is_in_memory_before_the_fork_and_autograds_engine_has_not_begun():
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    loaded, later = done.stdout.strip().split(" in memory, later ")
    assert int(loaded) > 0 and later == "none", later
