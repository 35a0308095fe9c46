"""In which form K networks are trained together: as groups of convolutions, or in the lanes of a CPU's vector registers."""

from __future__ import annotations

from collections.abc import Callable

import torch

from runner.groups import cost_of_a_step
from runner.lanes.width import LANES, can_compile, worthwhile
from runner.models import StackedNetworks
from runner.training_settings import Training

#: Networks that a CPU core trains together as groups of convolutions: measured flat from about here on, at 32x48 and at 64x96
#: (benchmarks/group_size.py).
CPU_GROUP = 18


def in_lanes(device: torch.device, settings: Training) -> bool:
    """Whether networks on this device can be trained in lanes."""
    return device.type == "cpu" and settings.lanes and settings.precision == "fp32" and can_compile()


def stack_for(count: int, device: torch.device, settings: Training) -> type[StackedNetworks]:
    """The form in which so many networks train fastest; all forms give the same networks, to rounding."""
    if in_lanes(device, settings) and worthwhile(count):
        from runner.lanes.networks import LaneNetworks  # loads a compiler

        return LaneNetworks
    return StackedNetworks


def largest_cpu_group(settings: Training) -> int:
    """Networks that a CPU core trains together at most."""
    return LANES if in_lanes(torch.device("cpu"), settings) else CPU_GROUP


#: What a step in lanes costs, in networks trained as groups of convolutions: of all lanes, and for each network's loss.
OF_ALL_LANES, OF_A_LOSS = 0.5 * LANES, 0.1


def cost_of_a_step_on_a_core(settings: Training) -> Callable[[int], float]:
    """Of a group of so many networks, in the form in which they are trained (benchmarks/group_size.py)."""
    lanes = in_lanes(torch.device("cpu"), settings)
    return lambda size: OF_ALL_LANES + OF_A_LOSS * size if lanes and worthwhile(size) else cost_of_a_step(size)
