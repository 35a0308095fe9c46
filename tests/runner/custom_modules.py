"""Networks as a user would write them: valid ones, and others that each violate the contract in one way."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Small(nn.Module):
    """Two convolutions, BatchNorm and optional dropout; `scales` scales, the finest halved `halvings` times."""

    def __init__(self, width: int = 4, scales: int = 3, halvings: int = 0, dropout: float = 0.0, norm: bool = True) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1, bias=not norm)  # before a norm, its gradient is round-off
        self.norm = nn.BatchNorm2d(width, momentum=0.3) if norm else nn.Identity()
        self.drop = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(width, 1, 3, padding=1)
        self.scales, self.halvings = scales, halvings

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.head(self.drop(torch.relu(self.norm(self.first(images)))))
        full = 0.05 + F.softplus(x)
        return [F.avg_pool2d(full, 2**s) for s in range(self.halvings, self.halvings + self.scales)]


class OneTensor(Small):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images)[0]


class AsTuple(Small):
    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(super().forward(images))


class AsMapping(Small):
    """As monodepth2's decoder returns it, with another key."""

    def forward(self, images: Tensor) -> dict[object, Tensor]:
        scales = super().forward(images)
        return {"features": images, **{("disp", s): scales[s] for s in reversed(range(len(scales)))}}


class FewerInEvaluation(Small):
    def forward(self, images: Tensor) -> list[Tensor]:
        scales = super().forward(images)
        return scales if self.training else scales[:1]


class Disparity(Small):
    def forward(self, images: Tensor) -> list[Tensor]:
        return [torch.sigmoid(scale) for scale in super().forward(images)]


class Depth(Small):
    """Some values are negative."""

    def forward(self, images: Tensor) -> list[Tensor]:
        return [scale - 1.0 for scale in super().forward(images)]


class NotFinite(Small):
    def forward(self, images: Tensor) -> list[Tensor]:
        return [scale / 0.0 for scale in super().forward(images)]


class Detached(Small):
    def forward(self, images: Tensor) -> list[Tensor]:
        return [scale.detach() for scale in super().forward(images)]


class TwoChannels(Small):
    def forward(self, images: Tensor) -> list[Tensor]:
        return [scale.expand(-1, 2, -1, -1) for scale in super().forward(images)]


class CoarsestFirst(Small):
    def forward(self, images: Tensor) -> list[Tensor]:
        return super().forward(images)[::-1]


class Cropped(Small):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images)[0][..., 1:]


class AString(Small):
    def forward(self, images: Tensor) -> str:
        return "depth"


class Complex(Small):
    def forward(self, images: Tensor) -> Tensor:
        return torch.complex(first := super().forward(images)[0], first)


class Raises(Small):
    def forward(self, images: Tensor) -> Tensor:
        return self.head(images.flatten(1))


class Untrained(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean(1, keepdim=True) + 1.0


NUMBER = 3


def no_module() -> int:
    return NUMBER
