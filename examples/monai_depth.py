"""A published network from a registry package: MONAI's U-Net with an EfficientNet-B0 encoder (Tan and Le, 2019), weights
from scratch, and what makes its output inverse depth. Needs `pip install monai`, which needs torch and numpy alone.

In an experiment: `model: ../examples/monai_depth.py:EfficientNetDepth`.
"""

from __future__ import annotations

import math

import torch
from monai.networks.nets import FlexibleUNet
from torch import Tensor, nn


class EfficientNetDepth(nn.Module):
    """images [B, 3, H, W], values 0..1 -> inverse depth [B, 1, H, W] in 1/m, one scale.

    Args:
        nearest, farthest, initial: metres that it can say, and what it says before training.
        decoder_channels: of the five levels, coarsest first.
    """

    def __init__(
        self,
        nearest: float = 0.1,
        farthest: float = 100.0,
        initial: float = 2.0,
        decoder_channels: tuple[int, ...] = (64, 48, 32, 24, 16),
    ) -> None:
        super().__init__()
        self.network = FlexibleUNet(3, 1, "efficientnet-b0", decoder_channels=tuple(decoder_channels))
        self.low, self.high = 1.0 / farthest, 1.0 / nearest
        share = (1.0 / initial - self.low) / (self.high - self.low)
        self.start = math.log(share / (1.0 - share))

    def forward(self, images: Tensor) -> Tensor:
        logits = self.network(images - 0.5).float()
        return self.low + (self.high - self.low) * torch.sigmoid(logits + self.start)
