"""The ground truth of one call: each scale by itself, and all scales as one row of pixels; computed on first use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nfloss.terms import Target


@dataclass(frozen=True)
class Targets:
    """True inverse depth [B, 1, h, w] of S scales, finest first; for each scale a mask or None, and the predictions' type."""

    gts: Sequence[Tensor]
    masks: Sequence[Tensor | None]
    dtypes: Sequence[torch.dtype]
    min_depth: float
    max_depth: float

    @cached_property
    def scales(self) -> list[Target]:
        of_scales = zip(self.gts, self.masks, self.dtypes, strict=True)
        return [Target.of(gt, mask, self.min_depth, self.max_depth, dtype) for gt, mask, dtype in of_scales]

    @cached_property
    def together(self) -> Target:
        """All scales as one target of P pixels, finest scale first."""
        gt = flattened(self.gts)
        masks = [mask for mask in self.masks if mask is not None]
        mask = flattened([m.bool() for m in masks]) if masks else None
        return Target.of(gt, mask, self.min_depth, self.max_depth, self.dtypes[0])

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        return tuple(gt.numel() for gt in self.gts)

    def by_scale(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Pixels of all scales [P] -> views [P_s] of each scale."""
        return pixels.split(self.sizes)

    @cached_property
    def depths(self) -> list[Tensor]:
        """Depth in metres of each scale, [B, 1, h, w]."""
        own = self.by_scale(self.together.image_depth.flatten())
        return [depth.view(gt.shape) for depth, gt in zip(own, self.gts, strict=True)]


def flattened(maps: Sequence[Tensor]) -> Tensor:
    """Maps of all scales as one [1, 1, 1, P]."""
    return torch.cat([m.flatten() for m in maps]).view(1, 1, 1, -1)
