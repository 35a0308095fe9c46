"""The distribution of depth in frames, the mean weight that it implies, and whether a fixed mean weight fits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from runner.data.frames import DEPTH_EDGES, Frames
from runner.networks import SCALES

FITS_WITHIN = 0.05  # of the mean weight; the loss's total is then off by at most as much
QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


@dataclass(frozen=True)
class WeightSettings:
    """Of the loss: near weight, near threshold (metres), the fixed mean weight that is expected, and images in a batch."""

    near_weight: float = 5.0
    threshold: float = 1.0
    expected: float = 1.75
    batch: int = 8


@dataclass(frozen=True)
class DepthStatistics:
    """Depth and near share of frames.

    known:     share of the pixels whose depth is known
    depth:     metres at QUANTILES, of the known pixels
    histogram: share of the known pixels between DEPTH_EDGES, the last bin open
    share:     near share of all known pixels, pooled
    per_image, per_batch: near shares; the batches are random, with a fixed seed
    per_scale: (height, width) -> near share, the depth resized by nearest neighbour as the loss does
    """

    frames: int
    known: float
    depth: list[float]
    histogram: list[float]
    share: float
    per_image: list[float]
    per_batch: list[float]
    per_scale: dict[tuple[int, int], float]


def depth_statistics(frames: Frames, settings: WeightSettings) -> DepthStatistics:
    """The statistics of frames of which at least one pixel is known."""
    depth, near = frames.depth[frames.valid], settings.threshold
    ends = (*DEPTH_EDGES[1:], float("inf"))
    order = torch.randperm(len(frames), generator=torch.Generator().manual_seed(0))
    batches = [frames.select(part) for part in order.split(settings.batch)]
    whole = [batch for batch in batches if len(batch) == settings.batch] or batches
    smaller = [resized(frames, scale) for scale in range(SCALES)]
    return DepthStatistics(
        frames=len(frames),
        known=frames.valid.double().mean().item(),
        depth=quantiles(depth),
        histogram=[
            ((depth >= low) & (depth < high)).double().mean().item() for low, high in zip(DEPTH_EDGES, ends, strict=True)
        ],
        share=frames.near_share(near),
        per_image=frames.near_share_per_image(near)[frames.valid.flatten(1).any(1)].tolist(),
        per_batch=[batch.near_share(near) for batch in whole],
        per_scale={(s.depth.shape[2], s.depth.shape[3]): s.near_share(near) for s in smaller},
    )


def resized(frames: Frames, scale: int) -> Frames:
    """The frames at 1/2^scale of their height and width."""
    size = tuple(max(side >> scale, 1) for side in frames.depth.shape[2:])
    return Frames(*(F.interpolate(part, size=size, mode="nearest") for part in (frames.rgb, frames.depth)))


def quantiles(values: Tensor) -> list[float]:
    """The values at QUANTILES, without interpolation: the nearest of the sorted values. Takes any number of values."""
    ordered = values.sort().values
    return [ordered[round(q * (len(ordered) - 1))].item() for q in QUANTILES]


def mean_weight(share: float, settings: WeightSettings) -> float:
    """The mean weight that a near share implies under the hard boundary."""
    return 1.0 + (settings.near_weight - 1.0) * share


def fixed_mean_fits(found: DepthStatistics, settings: WeightSettings) -> bool:
    """Whether the expected mean weight is within FITS_WITHIN of the frames'."""
    return abs(settings.expected / mean_weight(found.share, settings) - 1.0) <= FITS_WITHIN
