"""How many networks are trained together: as the experiment says, what a GPU's memory holds, or what keeps all CPU cores busy.

The bits of a result depend on it, so a study keeps the number that it began with.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from nfloss import Configuration
from runner.execution.devices import processes
from runner.execution.frame_cache import FrameCache
from runner.experiment import Experiment, Plan
from runner.training import BREAK_EVEN, LANES, Training, can_use_lanes, lanes_are_faster, train

#: Networks of yours are run one after another: together they share the batch and the loss, and each needs its own memory.
CUSTOM_GROUP = 4
#: Reckoned, not measured (benchmarks/gpu.py does): a step launches some 2,000 kernels however many networks there are, and
#: moves 82 MB a network at 64x96; so many keep an H200's memory busy for longer than the launches take.
LARGEST_GPU_GROUP = 512
#: Networks that a CPU core trains together as groups of convolutions: measured flat from about here on, at 32x48 and at 64x96
#: (benchmarks/group_size.py).
CPU_GROUP = 18
#: What a group's step costs before its first network, in networks (benchmarks/group_size.py at 32x48).
STEP_OVERHEAD = 2
#: What the loss of one network adds to a step in lanes, in networks trained as groups of convolutions.
LOSS_COST = 0.1


def group_size(plan: Plan, device: torch.device, frames: FrameCache) -> int:
    """The experiment's own number, or what suits the device; on a CPU such that no core is left with nothing to do."""
    experiment = plan.experiment
    if experiment.group_size:
        return experiment.group_size
    custom = experiment.model.network is not None
    if device.type == "cuda":
        return CUSTOM_GROUP if custom else gpu_group(experiment, device, frames)
    workers, seeds = processes(experiment, device), len(experiment.seeds)
    largest = min(CUSTOM_GROUP if custom else largest_cpu_group(experiment.training), -(-plan.networks // workers))
    cost = step_cost if custom else step_cost_on_a_core(experiment.training)
    return best_size(-(-plan.networks // seeds), seeds, largest, workers, cost)


def gpu_group(experiment: Experiment, device: torch.device, frames: FrameCache) -> int:
    """How many networks fit: from the memory of a step of 2 and of 4, as many as fill 80 % of what is free."""
    data = frames.seed_data(experiment.seeds[0], device)
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


def largest_cpu_group(settings: Training) -> int:
    """Networks that a CPU core trains together at most."""
    return LANES if can_use_lanes(torch.device("cpu"), settings) else CPU_GROUP


def step_cost(size: int) -> float:
    """The cost of a step of a group of `size` networks trained as groups of convolutions, in networks."""
    return size + STEP_OVERHEAD


def step_cost_on_a_core(settings: Training) -> Callable[[int], float]:
    """The same in the form in which a core trains them (benchmarks/group_size.py)."""
    lanes = can_use_lanes(torch.device("cpu"), settings)
    return lambda size: BREAK_EVEN + LOSS_COST * size if lanes and lanes_are_faster(size) else step_cost(size)


def best_size(count: int, seeds: int, largest: int, workers: int, cost: Callable[[int], float] = step_cost) -> int:
    """The size of groups, at most `largest`, with which `workers` have soonest trained `count` networks with each seed.

    The last group is filled up to the size of the others, and at the end a worker may have nothing to do: both are work lost.

    Args:
        cost: of a step of a group, by its size.
    """

    def duration(size: int) -> float:
        groups = -(-count // size) * seeds
        return -(-groups // workers) * cost(size)

    sizes = {even_size(count, at_most) for at_most in range(1, largest + 1)}
    return min(sorted(sizes, reverse=True), key=duration)


def even_size(count: int, largest: int) -> int:
    """The number of networks in each of as few groups as hold `count`, of at most `largest`."""
    return -(-count // -(-count // largest))
