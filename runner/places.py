"""Where groups run: on a Ray cluster, on a GPU in this process, or on the CPU in a worker process per core."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from runner.endings import Ending
from runner.execution import Progress, processes, run_here
from runner.experiment import Experiment
from runner.waiting import Waiting
from runner.workers import run_in_workers


def check_place(experiment: Experiment, device: torch.device) -> None:
    """Raises ClusterError where groups are to run on a cluster that cannot be used."""
    if experiment.execution.ray:
        from runner.ray_execution import connect

        connect(experiment, device)


def run_groups(waiting: Waiting, experiment: Experiment, device: torch.device, progress: Progress) -> Iterator[Ending]:
    """Run the groups and give their records, or their crashes, as they finish, in any order."""
    workers = min(processes(experiment, device), len(waiting.groups))
    if experiment.execution.ray:
        from runner.ray_execution import run_on_ray

        yield from run_on_ray(waiting, experiment, device, progress)
    elif workers <= 1:
        yield from run_here(waiting, experiment, device, progress)
    else:
        yield from run_in_workers(waiting, experiment, workers, progress)
