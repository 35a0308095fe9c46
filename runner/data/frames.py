"""Frames: colour images with metric depth, and their statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


class DataError(ValueError):
    """Data that cannot be used. The message is one line: what was given, what is allowed, where."""


@dataclass(frozen=True)
class Frames:
    """N images with their depth.

    rgb:   [N, 3, H, W] float32 in 0..1
    depth: [N, 1, H, W] float32 metres along the optical axis, 0 = invalid

    >>> frames = Frames(torch.zeros(2, 3, 1, 2), torch.tensor([[[[0.5, 2.0]]], [[[0.0, 4.0]]]]))
    >>> frames.inverse_depth().flatten().tolist()
    [2.0, 0.5, 0.0, 0.25]
    >>> round(frames.near_share(), 4)
    0.3333
    """

    rgb: Tensor
    depth: Tensor

    def __post_init__(self) -> None:
        shape = self.depth.shape
        if len(shape) != 4 or shape[1] != 1 or self.rgb.shape != (shape[0], 3, *shape[2:]):
            raise DataError(
                f"Frames were given rgb {tuple(self.rgb.shape)} and depth {tuple(shape)}; "
                "allowed are [N, 3, H, W] with [N, 1, H, W]"
            )

    def __len__(self) -> int:
        return len(self.depth)

    @property
    def valid(self) -> Tensor:
        """[N, 1, H, W] bool: where the depth is known."""
        return self.depth > 0

    def inverse_depth(self) -> Tensor:
        """[N, 1, H, W] 1/metres, 0 where invalid."""
        # Safe before the division: 1/0 would be inf, and inf times a zero mask is NaN.
        safe = torch.where(self.valid, self.depth, torch.ones_like(self.depth))
        return torch.where(self.valid, 1 / safe, torch.zeros_like(safe))

    def near_share(self, threshold: float = 1.0) -> float:
        """Share of all valid pixels, pooled, that are nearer than `threshold` metres; 0 if none is valid."""
        near = self.valid & (self.depth < threshold)
        return near.sum().item() / max(self.valid.sum().item(), 1)

    def near_share_per_image(self, threshold: float = 1.0) -> Tensor:
        """[N] share of each image's valid pixels nearer than `threshold` metres; 0 where none is valid."""
        near = self.valid & (self.depth < threshold)
        return near.flatten(1).sum(1) / self.valid.flatten(1).sum(1).clamp(min=1)

    def median_depth(self) -> float:
        """Median over all valid pixels, metres: the trivial prediction. Raises DataError where none is valid."""
        depth = self.depth[self.valid]
        if depth.numel() == 0:
            raise DataError(f"median_depth of {len(self)} frames: no valid pixel; at least one is needed")
        return depth.median().item()

    def select(self, indices: Tensor | Sequence[int] | slice) -> Frames:
        """The frames at `indices`, in that order."""
        chosen = indices if isinstance(indices, Tensor | slice) else torch.as_tensor(list(indices), dtype=torch.long)
        return Frames(self.rgb[chosen], self.depth[chosen])

    def to(self, device: torch.device | str) -> Frames:
        return Frames(self.rgb.to(device), self.depth.to(device))


NEAR = 1.0  # metres: the boundary of near and far in every metric, whatever threshold a fix uses
#: Metres: bins of true depth; NEAR is an edge of one.
DEPTH_EDGES = (0.0, 0.25, 0.35, 0.5, 0.7, NEAR, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.0, 16.0, 22.0, 32.0)
