"""What machine code does on a CPU core, where numba is installed: networks in the lanes of vector registers, the loss by sums.

Without it, and on a GPU, networks are groups of convolutions and the loss goes pixel by pixel, in torch: the same to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nfloss import Configuration, Losses
from nfloss.evaluation.pixel_rows import Summing
from runner.networks.stacked import StackedNetworks
from runner.training.kernels.width import can_compile, worthwhile
from runner.training.settings import Training


def in_use(device: torch.device, settings: Training) -> bool:
    """Whether a training on this device uses machine code."""
    return device.type == "cpu" and settings.machine_code and can_compile()


def in_lanes(device: torch.device, settings: Training) -> bool:
    """Whether networks on this device can be trained in lanes."""
    return in_use(device, settings) and settings.precision == "fp32"


def stack_for(count: int, device: torch.device, settings: Training) -> type[StackedNetworks]:
    """The form in which so many networks train fastest."""
    if in_lanes(device, settings) and worthwhile(count):
        from runner.training.kernels.lanes.networks import LaneNetworks

        return LaneNetworks
    return StackedNetworks


def summing_for(device: torch.device, settings: Training) -> Summing | None:
    """Who takes the loss's sums over the pixels; None: the loss goes pixel by pixel."""
    if in_use(device, settings):
        from runner.training.kernels.sums.core import CoreSumming

        return CoreSumming()
    return None


def load() -> None:
    """Have in memory what training calls, compiled if need be, before processes are forked that use it.

    The way back is taken function by function: autograd's engine begins threads where there is an accelerator, be it used or
    not, and refuses to work in a process that is forked after that.
    """
    if not can_compile():
        return
    from runner.training.kernels.lanes.networks import LaneNetworks
    from runner.training.kernels.sums.core import CoreSumming

    class Remembering(CoreSumming):
        def of_residuals(self, *given: Any) -> Tensor:
            self.sums = super().of_residuals(*given)
            return self.sums

    images, truth = torch.zeros(2, 3, 16, 16), torch.full((2, 1, 16, 16), 0.5)
    networks, summing = LaneNetworks(2, 0), Remembering()
    predictions = networks(images, training=True)
    Losses([Configuration.of(), Configuration.of("3-1")], summing)(predictions, truth)
    for outputs in ([summing.sums], predictions):
        function: Any = outputs[0].grad_fn
        function.apply(*map(torch.zeros_like, outputs))
    networks(images, training=False)
