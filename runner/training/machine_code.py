"""When machine code is used: on a CPU where numba is installed, for networks in lanes and for the loss by sums over pixels.

Elsewhere networks are grouped convolutions and the loss is computed pixel by pixel, in torch: the same up to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nfloss import Configuration, Losses
from nfloss.power_sums import Summing
from runner.networks import StackedNetworks
from runner.training.kernels.width import can_compile, lanes_are_faster
from runner.training.training_settings import Training


def uses_machine_code(device: torch.device, settings: Training) -> bool:
    """Whether a training on this device uses machine code."""
    return device.type == "cpu" and settings.machine_code and can_compile()


def can_use_lanes(device: torch.device, settings: Training) -> bool:
    """Whether networks on this device can be trained in the lanes of vector registers."""
    return uses_machine_code(device, settings) and settings.precision == "fp32"


def stack_for(count: int, device: torch.device, settings: Training) -> type[StackedNetworks]:
    """The kind of stack that trains `count` networks fastest."""
    if can_use_lanes(device, settings) and lanes_are_faster(count):
        from runner.training.kernels.lanes.lane_networks import LaneNetworks

        return LaneNetworks
    return StackedNetworks


def summing_for(device: torch.device, settings: Training) -> Summing | None:
    """What computes the loss's sums over pixels; None where the loss is computed pixel by pixel."""
    if uses_machine_code(device, settings):
        from runner.training.kernels.sums.core import CoreSumming

        return CoreSumming()
    return None


def load_machine_code() -> None:
    """Load everything that training calls, compiling what is not on disk. Call it before worker processes are forked.

    Backward functions are called one by one: autograd's engine starts threads where there is an accelerator, used or not,
    and then refuses to work in forked processes.
    """
    if not can_compile():
        return
    from runner.training.kernels.lanes.lane_networks import LaneNetworks
    from runner.training.kernels.sums.core import CoreSumming

    class KeepingSums(CoreSumming):
        def of_residuals(self, *given: Any) -> Tensor:
            self.sums = super().of_residuals(*given)
            return self.sums

    images, truth = torch.zeros(2, 3, 16, 16), torch.full((2, 1, 16, 16), 0.5)
    networks, summing = LaneNetworks(2, 0), KeepingSums()
    predictions = networks(images, training=True)
    Losses([Configuration.of(), Configuration.of("3-1")], summing)(predictions, truth)
    for outputs in ([summing.sums], predictions):
        function: Any = outputs[0].grad_fn
        function.apply(*map(torch.zeros_like, outputs))
    networks(images, training=False)
