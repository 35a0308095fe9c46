"""How the depth of a data set is distributed, what mean weight that implies, and whether a fixed one fits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from runner.data.frames import DEPTH_EDGES, Frames
from runner.networks.stacked import SCALES

FITS_WITHIN = 0.05  # of the mean weight: by so much the loss's total is then off, no more
QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


@dataclass(frozen=True)
class Question:
    """What is asked: the loss's near weight and threshold (metres), its fixed mean, images in a batch."""

    near_weight: float = 5.0
    threshold: float = 1.0
    expected: float = 1.75
    batch: int = 8


@dataclass(frozen=True)
class DepthStatistics:
    """What the frames say.

    known:     share of the pixels whose depth is known
    depth:     metres at QUANTILES, of the known pixels
    histogram: share of the known pixels between DEPTH_EDGES, the last bin open
    share:     near share of all known pixels, pooled
    per_image, per_batch: near shares; batches are dealt out at random, by one fixed seed
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


def depth_statistics(frames: Frames, asked: Question) -> DepthStatistics:
    """Of frames with a known pixel or more."""
    depth, near = frames.depth[frames.valid], asked.threshold
    ends = (*DEPTH_EDGES[1:], float("inf"))
    order = torch.randperm(len(frames), generator=torch.Generator().manual_seed(0))
    batches = [frames.select(part) for part in order.split(asked.batch)]
    whole = [batch for batch in batches if len(batch) == asked.batch] or batches
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
    """Half as high and wide for each scale."""
    size = tuple(max(side >> scale, 1) for side in frames.depth.shape[2:])
    return Frames(*(F.interpolate(part, size=size, mode="nearest") for part in (frames.rgb, frames.depth)))


def quantiles(values: Tensor) -> list[float]:
    """At QUANTILES: of the sorted values the nearest, which needs no interpolation and takes any number of them."""
    ordered = values.sort().values
    return [ordered[round(q * (len(ordered) - 1))].item() for q in QUANTILES]


def weight(share: float, asked: Question) -> float:
    """The mean weight that a near share implies under the hard boundary."""
    return 1.0 + (asked.near_weight - 1.0) * share


def fits(found: DepthStatistics, asked: Question) -> bool:
    return abs(asked.expected / weight(found.share, asked) - 1.0) <= FITS_WITHIN
