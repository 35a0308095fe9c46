"""The ground truth of one call: of each scale by itself, and of all scales as one row of pixels. Made when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nfloss.terms import Target


@dataclass(frozen=True)
class Truth:
    """True inverse depth [B, 1, h, w] of S scales, finest first, a mask or none for each; the predictions' types."""

    gts: Sequence[Tensor]
    masks: Sequence[Tensor | None]
    dtypes: Sequence[torch.dtype]
    min_depth: float
    max_depth: float

    @cached_property
    def scales(self) -> list[Target]:
        """A target for each scale."""
        of_scales = zip(self.gts, self.masks, self.dtypes, strict=True)
        return [Target.of(gt, mask, self.min_depth, self.max_depth, dtype) for gt, mask, dtype in of_scales]

    @cached_property
    def together(self) -> Target:
        """All scales as one image of a single line of pixels, finest scale first."""
        gt = line_of(self.gts)
        masks = [mask for mask in self.masks if mask is not None]
        mask = line_of([m.bool() for m in masks]) if masks else None
        return Target.of(gt, mask, self.min_depth, self.max_depth, self.dtypes[0])

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Pixels of each scale."""
        return tuple(gt.numel() for gt in self.gts)

    def by_scale(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """All scales' pixels [P] -> [P_s] of each, not copied."""
        return pixels.split(self.sizes)

    @cached_property
    def depths(self) -> list[Tensor]:
        """Depth in metres of each scale, [B, 1, h, w]."""
        own = self.by_scale(self.together.image_depth.flatten())
        return [depth.view(gt.shape) for depth, gt in zip(own, self.gts, strict=True)]


def line_of(maps: Sequence[Tensor]) -> Tensor:
    """Maps of each scale as one [1, 1, 1, P]."""
    return torch.cat([m.flatten() for m in maps]).view(1, 1, 1, -1)
