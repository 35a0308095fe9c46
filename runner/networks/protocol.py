"""What training asks of networks, the house's stack (models.py) or copies of a user's module (own_networks.py)."""

from __future__ import annotations

from typing import Protocol

import torch.nn.functional as F
from torch import Tensor


class Networks(Protocol):
    """K networks and M readings of them; K = M but where readings share a network. `parameters` [K, D]: a row is trained."""

    @property
    def parameters(self) -> Tensor: ...

    def read(self, per_network: Tensor) -> Tensor:
        """[K, ..] -> [M, ..]"""
        ...

    def scale_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Height and width of each scale that training gives for images of this size, finest first."""
        ...

    def state(self, reading: int) -> dict[str, Tensor]:
        """All that one reading's network is, copied to the CPU."""
        ...

    def __call__(self, images: Tensor, training: bool, update_statistics: bool = True) -> list[Tensor]:
        """Inverse depth (1/m) of images [B, 3, H, W], finest scale first: [K, B, 1, h, w] in training, else [M, ..], where
        coarser scales may be missing."""
        ...


def at_size(inverse_depth: Tensor, images: Tensor) -> Tensor:
    """[K, B, 1, h, w] at the images' size, bilinear where it is not; rulers measure whole images."""
    if inverse_depth.shape[-2:] == images.shape[-2:]:
        return inverse_depth
    resized = F.interpolate(inverse_depth.flatten(0, 1), size=images.shape[-2:], mode="bilinear", align_corners=False)
    return resized.unflatten(0, inverse_depth.shape[:2])
