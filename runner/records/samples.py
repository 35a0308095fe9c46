"""A few validation frames for the report, and the depth that each network of the first seed predicts for them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from runner.data import Frames

QUANTILES = (0.3, 0.6, 0.9)  # of the share of near pixels in a frame


def sample_indices(frames: Frames) -> list[int]:
    """Indices of frames with few, some and many near pixels, among the half whose depth is known in most pixels."""
    known = frames.valid.flatten(1).double().mean(1)
    shares = torch.where(known >= known.median(), frames.near_share_per_image(), -1.0)
    order = torch.argsort(shares, stable=True)
    usable = order[shares[order] >= 0]
    return [int(usable[round(quantile * (len(usable) - 1))]) for quantile in QUANTILES]


def sample_rows(keys: Sequence[str], predicted: Tensor, frames: Frames) -> pd.DataFrame:
    """A row per network and sample frame: key, sample, and the predicted depth in metres as the bytes of a float16 [H, W].

    Args:
        predicted: depth of all frames, [K, N, 1, H, W].
    """
    chosen = predicted[:, sample_indices(frames), 0].to(torch.float16).cpu().numpy()
    return pd.DataFrame(
        {"key": key, "sample": at, "metres": depth.tobytes()}
        for key, depths in zip(keys, chosen, strict=True)
        for at, depth in enumerate(depths)
    )
