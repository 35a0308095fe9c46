"""StackedNetworks in lanes, for a CPU: the same networks up to rounding, in a fraction of the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from runner.networks import LARGEST_STRIDE, StackedNetworks
from runner.training.kernels.lanes.block import Block, lane_order
from runner.training.kernels.lanes.maps import aligned
from runner.training.kernels.width import LANES


class LaneNetworks(StackedNetworks):
    """StackedNetworks of at most LANES networks; same arguments.

    `parameters` [LANES, D] are interleaved in memory, in the order of `lane_order`; idle lanes stay zero. A network's bits
    do not depend on which networks are in the other lanes, or how many.
    """

    def __init__(self, count: int, *arguments: Any, **named: Any) -> None:
        if count > LANES:
            raise ValueError(f"{count} networks: there are {LANES} lanes")
        super().__init__(count, *arguments, **named)
        self.count, self.order = count, torch.from_numpy(lane_order(self.layers))
        self.inverse_order = torch.argsort(self.order)
        self.parameters = interleaved(self.parameters.detach()[:, self.order]).requires_grad_()
        self.blocks: dict[tuple[torch.Size, str], Block] = {}

    def state(self, evaluation: int) -> dict[str, Tensor]:
        state = super().state(evaluation)
        return {**state, "parameters": state["parameters"][self.inverse_order]}

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        super().load_state({**state, "parameters": state["parameters"][self.order]})
        self.parameters[self.count :] = 0.0

    def __call__(self, images: Tensor, training: bool, update_statistics: bool = True) -> list[Tensor]:
        if not training:
            return self._evaluate(images)
        if len(images) * images.shape[-2] * images.shape[-1] <= LARGEST_STRIDE**2:
            raise ValueError(f"Expected more than 1 value per channel when training, got images {list(images.shape)}")
        block = self._block("training", images)
        predictions: tuple[Tensor, ...] = LaneFunction.apply(self.parameters, images, block, self)
        if update_statistics:
            self._update_statistics(block)
        return list(predictions)

    def _block(self, use: str, images: Tensor) -> Block:
        """The block for batches of this shape, created once. Evaluation has its own: training's maps are needed by backward."""
        if (images.shape, use) not in self.blocks:
            batch, _, height, width = images.shape
            self.blocks[images.shape, use] = Block(self.layers, batch, height, width, flat(self.parameters).dtype)
        return self.blocks[images.shape, use]

    @torch.no_grad()
    def _evaluate(self, images: Tensor) -> list[Tensor]:
        """Predictions by running statistics, LANES evaluations at a time."""
        block, pieces = self._block("evaluation", images), list[Tensor]()
        rows_evaluated = self.parameters if self.network_of is None else self.parameters[self.network_of]
        for first in range(0, len(self.momenta), LANES):
            lanes = slice(first, min(first + LANES, len(self.momenta)))
            numbers = self.parameters if self.network_of is None else interleaved(rows_evaluated[lanes])
            self._load_statistics(block, lanes)
            predicted = block.forward(flat(numbers), images.numpy(), False, self.depth_range)[0]
            pieces.append(torch.from_numpy(predicted[: lanes.stop - first]))
        return [torch.cat(pieces).unsqueeze(2)]

    def _load_statistics(self, block: Block, evaluations: slice) -> None:
        """Copy running statistics to the block's norms."""
        for name, norm in block.norms.items():
            for lanes, values in ((norm.mean, self.means[name]), (norm.variance, self.variances[name])):
                piece = values[evaluations].numpy()
                lanes.reshape(-1, LANES)[:, : len(piece)] = piece.T

    @torch.no_grad()
    def _update_statistics(self, block: Block) -> None:
        """Update the running statistics after a batch, each evaluation's with its momentum; with the unbiased variance."""
        for name, norm in block.norms.items():
            pixels = block.images * block.y[name].height * block.y[name].width
            mean, variance = (torch.from_numpy(v.reshape(-1, LANES)).T[: self.count] for v in (norm.mean, norm.variance))
            self.means[name].lerp_(self.for_evaluations(mean), self.momenta)
            self.variances[name].lerp_(self.for_evaluations(variance * (pixels / (pixels - 1))), self.momenta)


def interleaved(rows_of: Tensor) -> Tensor:
    """[k, D] -> [LANES, D], transposed in memory: the same parameter of all networks is adjacent. Idle lanes are zero."""
    dtype = rows_of.numpy().dtype
    lanes = torch.from_numpy(aligned(rows_of.shape[1] * LANES, dtype).reshape(-1, LANES))
    lanes[:, : len(rows_of)] = rows_of.T
    return lanes.T


def flat(lanes: Tensor) -> np.ndarray:
    """Interleaved [LANES, D] -> [D * LANES], the same memory."""
    return lanes.detach().T.numpy().reshape(-1)


class LaneFunction(torch.autograd.Function):
    """A block's networks: parameters [LANES, D] -> inverse depth [K, B, 1, h, w], finest scale first."""

    @staticmethod
    def forward(ctx: Any, parameters: Tensor, images: Tensor, block: Block, networks: LaneNetworks) -> Any:
        predicted = block.forward(flat(parameters), images.numpy(), True, networks.depth_range)
        ctx.block, ctx.forward_passes, ctx.depth_range = block, block.forward_passes, networks.depth_range
        return tuple(torch.from_numpy(scale[: networks.count]).unsqueeze(2) for scale in predicted)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.forward_passes != ctx.block.forward_passes:
            raise RuntimeError("a later forward pass has overwritten what this gradient needs")
        result = torch.from_numpy(aligned(len(ctx.block.parameters), ctx.block.dtype, np.empty).reshape(-1, LANES))
        ctx.block.backward(
            result.numpy().reshape(-1), [padded_to_lanes(scale.squeeze(2)) for scale in gradients], ctx.depth_range
        )
        return result.T, None, None, None


def padded_to_lanes(rows: Tensor) -> np.ndarray:
    """[K, ..] -> [LANES, ..], with zeros in the idle lanes."""
    idle = LANES - len(rows)
    return (torch.cat([rows, rows.new_zeros(idle, *rows.shape[1:])]) if idle else rows.contiguous()).numpy()
