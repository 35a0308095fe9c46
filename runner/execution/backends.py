"""Where groups run: on a Ray cluster, on a GPU in this process, or on the CPU in a worker process per core."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from runner.execution.devices import one_thread, processes
from runner.execution.queue import Ending, Waiting
from runner.execution.run_group import Progress, run_here
from runner.execution.workers import Workers
from runner.experiment.experiment import Experiment

#: Runs groups and gives their records, or their crashes, as they finish, in any order.
Place = Callable[[Waiting, Progress], Iterator[Ending]]


def check_place(experiment: Experiment, device: torch.device) -> None:
    """Raises ClusterError where groups are to run on a cluster that cannot be used."""
    if experiment.execution.ray:
        from runner.execution.ray_cluster import connect

        connect(experiment, device)


@contextmanager
def place_for(experiment: Experiment, device: torch.device, groups: int) -> Iterator[Place]:
    """Where so many groups of the experiment run. Worker processes begin to load at once, while their parent prepares."""
    workers = min(processes(experiment, device), groups)
    if experiment.execution.ray:
        from runner.execution.ray_cluster import run_on_ray

        yield lambda waiting, progress: run_on_ray(waiting, experiment, device, progress)
    elif workers <= 1:
        yield lambda waiting, progress: run_here(waiting, experiment, device, progress)
    else:
        with Workers(workers) as begun, one_thread(device):  # or this one's threads would be in their way
            yield lambda waiting, progress: begun.run(waiting, experiment, progress)
