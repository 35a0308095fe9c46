"""The built-in network as a user would write it, with nn.Conv2d and nn.BatchNorm2d: the stack is compared with it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from runner.networks.stacked import WIDTHS, StackedNetworks


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int = 1, momentum: float = 0.1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs, momentum=momentum)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.convolution(x)))


class PlainNetwork(nn.Module):
    """Blocks and heads in the order of the stack's parameters."""

    def __init__(self, momentum: float = 0.1, nearest: float = 0.1, farthest: float = 100.0) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        self.down = nn.ModuleList(Block(i, o, 2, momentum) for i, o in [(3, a), (a, b), (b, c), (c, d)])
        self.bottom = Block(d, d, 1, momentum)
        self.up = nn.ModuleList(Block(i, o, 1, momentum) for i, o in [(d, c), (c, b), (b, a)])
        self.heads = nn.ModuleList(nn.Conv2d(width, 4, 3, 1, 1) for width in WIDTHS[:3])
        self.low, self.high = 1.0 / farthest, 1.0 / nearest

    def forward(self, images: Tensor) -> list[Tensor]:
        x, skips = images - 0.5, []
        for block in self.down:
            x = block(x)
            skips.append(x)
        x = self.bottom(skips.pop())
        features = []
        for block in self.up:
            x = nn.functional.interpolate(block(x), scale_factor=2, mode="nearest") + skips.pop()
            features.insert(0, x)
        logits = [nn.functional.pixel_shuffle(head(f), 2) for head, f in zip(self.heads, features, strict=True)]
        return [self.low + (self.high - self.low) * torch.sigmoid(logit) for logit in logits]

    def parameter_list(self) -> list[Tensor]:
        """In the order of the stack's row."""
        blocks = [*self.down, self.bottom, *self.up]
        inner = [p for block in blocks for p in (block.convolution.weight, block.norm.weight, block.norm.bias)]
        return inner + [p for head in self.heads for p in (head.weight, head.bias)]

    def load_row(self, row: Tensor) -> None:
        with torch.no_grad():
            pieces = row.split([p.numel() for p in self.parameter_list()])
            for parameter, piece in zip(self.parameter_list(), pieces, strict=True):
                parameter.copy_(from_row(piece, parameter))

    def row(self) -> Tensor:
        return torch.cat([to_row(p.detach()) for p in self.parameter_list()])

    def running_statistics(self) -> list[Tensor]:
        blocks = [*self.down, self.bottom, *self.up]
        return [t for block in blocks for t in (block.norm.running_mean, block.norm.running_var)]


def to_row(parameter: Tensor) -> Tensor:
    """The stack stores kernels as [out, 3, 3, in]."""
    return (parameter.permute(0, 2, 3, 1) if parameter.ndim == 4 else parameter).flatten()


def from_row(piece: Tensor, parameter: Tensor) -> Tensor:
    if parameter.ndim < 4:
        return piece
    outputs, inputs, height, width = parameter.shape
    return piece.view(outputs, height, width, inputs).permute(0, 3, 1, 2)


def stack_statistics(stack: StackedNetworks, k: int) -> list[Tensor]:
    return [t for name in stack.means for t in (stack.means[name][k], stack.variances[name][k])]
