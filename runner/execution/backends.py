"""Where groups run: on a Ray cluster, on a GPU in this process, or on the CPU in a worker process per core."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from runner.execution.devices import one_thread, processes
from runner.execution.frame_cache import FrameCache
from runner.execution.queue import Ending, GroupQueue
from runner.execution.run_group import run_in_process
from runner.execution.starts import Progress
from runner.execution.workers import Workers
from runner.experiment import Experiment

#: Runs the groups of a queue and gives their records, or their crashes, as they finish, in any order.
Backend = Callable[[GroupQueue, Progress], Iterator[Ending]]


def check_backend(experiment: Experiment, device: torch.device) -> None:
    """Raises ClusterError where groups are to run on a cluster that cannot be used."""
    if experiment.execution.ray:
        from runner.execution.ray_cluster import connect

        connect(experiment, device)


@contextmanager
def open_backend(experiment: Experiment, device: torch.device, frames: FrameCache, groups: int) -> Iterator[Backend]:
    """The backend of an experiment with so many groups. Worker processes start to load at once, while their parent prepares."""
    workers = min(processes(experiment, device), groups)
    if experiment.execution.ray:
        from runner.execution.ray_cluster import run_on_ray

        yield lambda queue, progress: run_on_ray(queue, experiment, device, progress)
    elif workers <= 1:
        yield lambda queue, progress: run_in_process(queue, experiment, frames, device, progress)
    else:
        with Workers(workers, experiment, frames) as pool, one_thread(device):  # more threads here would slow the workers down
            yield pool.run
