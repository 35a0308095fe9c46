"""A ResNet-18 encoder and a decoder with skip connections: sigmoid disparity at four scales, as self-supervised depth
networks have it since monodepth2 (Godard et al., 2019; encoder: He et al., 2016). Plain torch, weights from scratch.

In an experiment: `model: {network: ../examples/resnet18_depth.py:ResNet18Depth, output: disparity}`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Residual(nn.Module):
    """Two 3x3 convolutions and a way around them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.around: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.around = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(y)) + self.around(x))


class Encoder(nn.Module):
    """ResNet-18 without its classifier: features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the image's size."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.widths = (width, width, 2 * width, 4 * width, 8 * width)
        self.stem, self.stem_norm = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        pairs = zip(self.widths, self.widths[1:], (1, 2, 2, 2), strict=False)
        self.stages = nn.ModuleList(nn.Sequential(Residual(i, o, s), Residual(o, o, 1)) for i, o, s in pairs)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> list[Tensor]:
        features = [F.relu(self.stem_norm(self.stem((images - 0.45) / 0.225)))]
        x = F.max_pool2d(features[0], 3, 2, 1)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class ResNet18Depth(nn.Module):
    """images [B, 3, H, W], values 0..1 -> four sigmoid disparities [B, 1, H/2^s, W/2^s], finest first.

    Args:
        width: channels of the first stage; 64 is ResNet-18 (11.2 million parameters in the encoder).
        initial_share: the disparity that it says before training.
    """

    def __init__(self, width: int = 64, initial_share: float = 0.05) -> None:
        super().__init__()
        self.encoder = Encoder(width)
        decoder = (width // 4, width // 2, width, 2 * width, 4 * width)
        skips = (0, *self.encoder.widths[:4])
        deeper = (*decoder[1:], self.encoder.widths[4])
        self.up = nn.ModuleList(nn.Conv2d(i, o, 3, 1, 1) for i, o in zip(deeper, decoder, strict=True))
        self.join = nn.ModuleList(nn.Conv2d(o + s, o, 3, 1, 1) for o, s in zip(decoder, skips, strict=True))
        self.heads = nn.ModuleList(nn.Conv2d(o, 1, 3, 1, 1) for o in decoder[:4])
        for head in self.heads:
            nn.init.constant_(head.bias, math.log(initial_share / (1.0 - initial_share)))

    def forward(self, images: Tensor) -> list[Tensor]:
        features = self.encoder(images)
        x, disparities = features.pop(), list[Tensor]()
        sizes = [images.shape[-2:], *(feature.shape[-2:] for feature in features)]
        for level in (4, 3, 2, 1, 0):
            x = F.interpolate(F.elu(self.up[level](x)), size=sizes[level], mode="nearest")
            x = F.elu(self.join[level](torch.cat([x, features.pop()], dim=1) if features else x))
            if level < 4:
                disparities.insert(0, torch.sigmoid(self.heads[level](x).float()))  # float: bfloat16 has 8 bits
        return disparities
