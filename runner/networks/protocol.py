"""What training needs of networks: of the built-in ones (stacked.py) and of copies of a custom one (custom_stack.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor


class Networks(Protocol):
    """K networks and M evaluations of them, one for each configuration; K < M where several evaluate the same network.

    `parameters` [K, D]: each row is a network, trained on its own.
    """

    @property
    def parameters(self) -> Tensor: ...

    def for_evaluations(self, per_network: Tensor) -> Tensor:
        """[K, ..] -> [M, ..]: for each evaluation the value of its network."""
        ...

    def scale_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Height and width of each scale in training for images of this size, finest first."""
        ...

    def state(self, evaluation: int) -> dict[str, Tensor]:
        """The complete state of one evaluation's network, copied to the CPU."""
        ...

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Set all networks and evaluations to what `state` returned for one."""
        ...

    def __call__(self, images: Tensor, training: bool, update_statistics: bool = True) -> list[Tensor]:
        """Inverse depth (1/m) of images [B, 3, H, W], finest scale first: [K, B, 1, h, w] in training; in evaluation [M, ..],
        where coarser scales may be missing."""
        ...


def at_size(inverse_depth: Tensor, images: Tensor) -> Tensor:
    """Inverse depth [K, B, 1, h, w] at the images' size, resized bilinearly where it differs: metrics need every pixel."""
    if inverse_depth.shape[-2:] == images.shape[-2:]:
        return inverse_depth
    resized = F.interpolate(inverse_depth.flatten(0, 1), size=images.shape[-2:], mode="bilinear", align_corners=False)
    return resized.unflatten(0, inverse_depth.shape[:2])
