"""The stack of runner/models.py in lanes, for a CPU: the same networks, to rounding, in a fraction of the time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from runner.lanes import rows
from runner.lanes.block import Block, lane_order
from runner.lanes.vector import LANES
from runner.models import StackedNetworks


class LaneNetworks(StackedNetworks):
    """As StackedNetworks; arguments as there. A network's bits do not depend on how many, or which, are beside it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.order = lane_order(self.layers)
        self.blocks: dict[tuple[int, ...], Block] = {}

    def block(self, number: int, images: Tensor) -> Block:
        """Of networks number * LANES and on, for batches of this shape; made once."""
        batch, _, height, width = images.shape
        key = (number, batch, height, width)
        if key not in self.blocks:
            dtype = self.parameters.detach().numpy().dtype
            self.blocks[key] = Block(self.layers, self.order, batch, height, width, dtype)
        return self.blocks[key]

    def __call__(self, images: Tensor, training: bool, update_statistics: bool = True) -> list[Tensor]:
        parameters = self.parameters if training else self.read(self.parameters)
        pieces = parameters.split(LANES)
        blocks = [self.block(number, images) for number in range(len(pieces))]
        if not training:
            self._remember(blocks)
        each = [Lanes.apply(piece, images, block, self, training) for piece, block in zip(pieces, blocks, strict=True)]
        if training and update_statistics:
            self._update(blocks)
        return list(each[0]) if len(each) == 1 else [torch.cat(scale) for scale in zip(*each, strict=True)]

    def _remember(self, blocks: list[Block]) -> None:
        """Give each reading its running statistics."""
        for number, block in enumerate(blocks):
            for name, values in (("mean", self.means), ("variance", self.variances)):
                for layer, of_readings in values.items():
                    lanes = getattr(block.convolutions[layer].norm, name).reshape(-1, LANES)
                    piece = of_readings[number * LANES : (number + 1) * LANES].numpy()
                    lanes[:, : len(piece)] = piece.T

    @torch.no_grad()
    def _update(self, blocks: list[Block]) -> None:
        """Running statistics after a batch, each reading's by its own momentum."""
        for layer in self.means:
            y = blocks[0].convolutions[layer].y
            count = blocks[0].images * y.height * y.width
            mean, variance = (
                np.concatenate([getattr(block.convolutions[layer].norm, name).reshape(-1, LANES).T for block in blocks])
                for name in ("mean", "variance")
            )
            k = len(self.parameters)
            self.means[layer].lerp_(self.read(torch.from_numpy(mean[:k])), self.momenta)
            self.variances[layer].lerp_(self.read(torch.from_numpy(variance[:k] * (count / (count - 1)))), self.momenta)


class Lanes(torch.autograd.Function):
    """A block's networks: parameters [K, D] -> inverse depth [K, B, 1, h, w], finest scale first."""

    @staticmethod
    def forward(ctx: Any, parameters: Tensor, images: Tensor, block: Block, networks: LaneNetworks, training: bool) -> Any:
        heads = block.forward(parameters.detach().numpy(), images.numpy(), training)
        low, span = 1.0 / networks.depth_range.farthest, 1.0 / networks.depth_range.nearest - 1.0 / networks.depth_range.farthest
        said = [images.new_empty(len(parameters), len(images), 2 * head.y.height, 2 * head.y.width, dtype=parameters.dtype) for head in heads]
        for head, values in zip(heads, said, strict=True):
            rows.unfold(head.y, head.bias, values.numpy())
            values.sigmoid_()
        ctx.block, ctx.passed, ctx.span, ctx.like, ctx.heads = block, block.passed, span, parameters, heads
        ctx.save_for_backward(*said)
        return tuple(torch.add(low, values, alpha=span).unsqueeze(2) for values in said)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.passed != ctx.block.passed:
            raise RuntimeError("a later forward pass has taken the place of the one that this gradient is of")
        for head, values, gradient in zip(ctx.heads, ctx.saved_tensors, gradients, strict=True):
            rows.fold(gradient.squeeze(2).contiguous().numpy(), values.numpy(), ctx.span, head.y, head.of_bias)
        result = torch.empty_like(ctx.like)
        ctx.block.backward(result.numpy())
        return result, None, None, None, None
