"""The stack of runner/networks/stacked.py in lanes, for a CPU: the same networks, to rounding, in a fraction of the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from runner.networks.stacked import LARGEST_STRIDE, StackedNetworks
from runner.training.kernels.lanes.block import Block, lane_order
from runner.training.kernels.lanes.maps import aligned
from runner.training.kernels.width import LANES


class LaneNetworks(StackedNetworks):
    """As StackedNetworks, for at most LANES networks; arguments as there.

    `parameters` [LANES, D] lie side by side in memory, in the order of `lane_order`; idle lanes are zeros and stay so. A
    network's bits do not depend on how many, or which, are beside it.
    """

    def __init__(self, count: int, *arguments: Any, **named: Any) -> None:
        if count > LANES:
            raise ValueError(f"{count} networks: there are {LANES} lanes")
        super().__init__(count, *arguments, **named)
        self.count, self.order = count, torch.from_numpy(lane_order(self.layers))
        self.back = torch.argsort(self.order)
        given = self.parameters.detach()
        self.parameters = side_by_side(given[:, self.order]).requires_grad_()
        self.blocks: dict[tuple[torch.Size, str], Block] = {}

    def state(self, reading: int) -> dict[str, Tensor]:
        state = super().state(reading)
        return {**state, "parameters": state["parameters"][self.back]}

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        super().load_state({**state, "parameters": state["parameters"][self.order]})

    def __call__(self, images: Tensor, training: bool, update_statistics: bool = True) -> list[Tensor]:
        if not training:
            return self._evaluated(images)
        if len(images) * images.shape[-2] * images.shape[-1] <= LARGEST_STRIDE**2:
            raise ValueError(
                f"Expected more than 1 value per channel when training, got images {list(images.shape)}"
            )  # as torch
        block = self._block("training", images)
        predictions: tuple[Tensor, ...] = Lanes.apply(self.parameters, images, block, self)
        if update_statistics:
            self._update(block)
        return list(predictions)

    def _block(self, use: str, images: Tensor) -> Block:
        """For batches of this shape, made once. Evaluation has maps of its own, and training's stay for the way back."""
        if (images.shape, use) not in self.blocks:
            batch, _, height, width = images.shape
            self.blocks[images.shape, use] = Block(self.layers, batch, height, width, flat(self.parameters).dtype)
        return self.blocks[images.shape, use]

    @torch.no_grad()
    def _evaluated(self, images: Tensor) -> list[Tensor]:
        """By running statistics, LANES readings after LANES readings."""
        block, pieces = self._block("evaluation", images), list[Tensor]()
        rows_read = self.parameters if self.network_of is None else self.parameters[self.network_of]
        for first in range(0, len(self.momenta), LANES):
            lanes = slice(first, min(first + LANES, len(self.momenta)))
            numbers = self.parameters if self.network_of is None else side_by_side(rows_read[lanes])
            self._remember(block, lanes)
            said = block.forward(flat(numbers), images.numpy(), False, self.depth_range)[0]
            pieces.append(torch.from_numpy(said[: lanes.stop - first]))
        return [torch.cat(pieces).unsqueeze(2)]

    def _remember(self, block: Block, readings: slice) -> None:
        """Running statistics into the block's norms."""
        for name, norm in block.norms.items():
            for lanes, values in ((norm.mean, self.means[name]), (norm.variance, self.variances[name])):
                piece = values[readings].numpy()
                lanes.reshape(-1, LANES)[:, : len(piece)] = piece.T

    @torch.no_grad()
    def _update(self, block: Block) -> None:
        """Running statistics after a batch, each reading's by its own momentum; the variance unbiased."""
        for name, norm in block.norms.items():
            pixels = block.images * block.y[name].height * block.y[name].width
            mean, variance = (torch.from_numpy(v.reshape(-1, LANES)).T[: self.count] for v in (norm.mean, norm.variance))
            self.means[name].lerp_(self.read(mean), self.momenta)
            self.variances[name].lerp_(self.read(variance * (pixels / (pixels - 1))), self.momenta)


def side_by_side(rows_of: Tensor) -> Tensor:
    """[k, D] -> [LANES, D], a number's lanes beside each other in memory; zeros in the lanes that are left."""
    dtype = rows_of.numpy().dtype
    lanes = torch.from_numpy(aligned(rows_of.shape[1] * LANES, dtype).reshape(-1, LANES))
    lanes[:, : len(rows_of)] = rows_of.T
    return lanes.T


def flat(lanes: Tensor) -> np.ndarray:
    """[LANES, D], side by side -> [D * LANES], the same memory."""
    return lanes.detach().T.numpy().reshape(-1)


class Lanes(torch.autograd.Function):
    """A block's networks: parameters [LANES, D] -> inverse depth [K, B, 1, h, w], finest scale first."""

    @staticmethod
    def forward(ctx: Any, parameters: Tensor, images: Tensor, block: Block, networks: LaneNetworks) -> Any:
        said = block.forward(flat(parameters), images.numpy(), True, networks.depth_range)
        ctx.block, ctx.passed, ctx.depth_range = block, block.passed, networks.depth_range
        return tuple(torch.from_numpy(scale[: networks.count]).unsqueeze(2) for scale in said)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.passed != ctx.block.passed:
            raise RuntimeError("a later forward pass has taken the place of the one that this gradient is of")
        result = torch.from_numpy(aligned(len(ctx.block.parameters), ctx.block.dtype, np.empty).reshape(-1, LANES))
        ctx.block.backward(result.numpy().reshape(-1), [in_all_lanes(scale.squeeze(2)) for scale in gradients], ctx.depth_range)
        return result.T, None, None, None


def in_all_lanes(rows: Tensor) -> np.ndarray:
    """[K, ..] -> [LANES, ..], zeros in the idle lanes."""
    idle = LANES - len(rows)
    return (torch.cat([rows, rows.new_zeros(idle, *rows.shape[1:])]) if idle else rows.contiguous()).numpy()
