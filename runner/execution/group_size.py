"""How many networks are trained together: by the experiment, the memory of a GPU, or what a CPU core does best."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from nfloss import Configuration
from runner.execution.devices import processes
from runner.execution.frame_cache import seed_data
from runner.experiment.experiment import Experiment
from runner.experiment.plan import Plan
from runner.study.folder import read_study
from runner.training.kernels.width import BREAK_EVEN, LANES, worthwhile
from runner.training.loop import train
from runner.training.machine_code import in_lanes
from runner.training.settings import Training

#: A user's networks are run one after another: together they share the batch and the loss, and each needs its own memory.
OWN_GROUP = 4
#: Reckoned, not measured (benchmarks/gpu.py does): a step launches some 2,000 kernels however many networks there are, and
#: moves 82 MB a network at 64x96; so many keep an H200's memory busy for longer than the launches take.
LARGEST_GPU_GROUP = 512


def gpu_group(experiment: Experiment, device: torch.device) -> int:
    """How many networks fit: from the memory of a step of 2 and of 4, as many as fill 80 % of what is free."""
    data = seed_data(experiment.data, experiment.seeds[0], device)
    brief = experiment.training.model_copy(update={"steps": 2, "evaluate_every": 2, "cuda_graphs": False})
    peaks = []
    for count in (2, 4):
        torch.cuda.reset_peak_memory_stats(device)
        train([Configuration.of()], data, brief, experiment.model.depth_range, device, size=count)
        peaks.append(torch.cuda.max_memory_allocated(device))
    each = max((peaks[1] - peaks[0]) // 2, 1)
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(LARGEST_GPU_GROUP, int(0.8 * free) // each))


#: What a group's step costs before its first network, in networks (from benchmarks/group_size.py at 32x48).
WORTH_OF_A_STEP = 2


def even_size(count: int, largest: int) -> int:
    """The number of networks in each of as few groups as hold `count`, of at most `largest`."""
    return -(-count // -(-count // largest))


def cost_of_a_step(size: int) -> float:
    """Of a group of so many networks, in networks."""
    return size + WORTH_OF_A_STEP


def best_size(count: int, seeds: int, largest: int, workers: int, cost: Callable[[int], float] = cost_of_a_step) -> int:
    """Networks in a group, at most `largest`, with which so many workers have soonest trained `count` with each of the seeds;
    `cost` is what a step of a group costs, by its size.

    The last group is filled up to the size of the others, and at the end a worker may have nothing to do: both are work lost.
    """

    def takes(size: int) -> float:
        groups = -(-count // size) * seeds
        return -(-groups // workers) * cost(size)

    sizes = {even_size(count, at_most) for at_most in range(1, largest + 1)}
    return min(sorted(sizes, reverse=True), key=takes)


#: Networks that a CPU core trains together as groups of convolutions: measured flat from about here on, at 32x48 and at 64x96
#: (benchmarks/group_size.py).
CPU_GROUP = 18


def largest_cpu_group(settings: Training) -> int:
    """Networks that a CPU core trains together at most."""
    return LANES if in_lanes(torch.device("cpu"), settings) else CPU_GROUP


#: What a network's loss adds to a step in lanes, in networks trained as groups of convolutions.
OF_A_LOSS = 0.1


def cost_of_a_step_on_a_core(settings: Training) -> Callable[[int], float]:
    """Of a group of so many networks, in the form in which they are trained (benchmarks/group_size.py)."""
    lanes = in_lanes(torch.device("cpu"), settings)
    return lambda size: BREAK_EVEN + OF_A_LOSS * size if lanes and worthwhile(size) else cost_of_a_step(size)


def group_size(plan: Plan, device: torch.device, folder: Path | None = None) -> int:
    """As the study in the folder began, as the experiment says, or what suits the device; on a CPU such that no core is
    left with nothing to do."""
    experiment = plan.experiment
    if folder is not None and (folder / "study.yaml").exists():
        return int(read_study(folder)["group_size"])
    if experiment.group_size:
        return experiment.group_size
    own = experiment.model.network is not None
    if device.type == "cuda":
        return OWN_GROUP if own else gpu_group(experiment, device)
    workers, seeds = processes(experiment, device), len(experiment.seeds)
    largest = min(OWN_GROUP if own else largest_cpu_group(experiment.training), -(-plan.networks // workers))
    cost = cost_of_a_step if own else cost_of_a_step_on_a_core(experiment.training)
    return best_size(-(-plan.networks // seeds), seeds, largest, workers, cost)
