"""A few validation frames that a person can look at, and what each network of the first seed says about them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from runner.data import Frames

PLACES = (0.3, 0.6, 0.9)  # among the frames, by the share of their pixels that are near


def picked(frames: Frames) -> list[int]:
    """Frames with few, some and many near pixels, of those whose depth is mostly known."""
    known = frames.valid.flatten(1).double().mean(1)
    shares = torch.where(known >= known.median(), frames.near_share_per_image(), -1.0)
    order = torch.argsort(shares, stable=True)
    usable = order[shares[order] >= 0]
    return [int(usable[round(place * (len(usable) - 1))]) for place in PLACES]


def sample_rows(keys: Sequence[str], predicted: Tensor, frames: Frames) -> pd.DataFrame:
    """A row per network and picked frame: key, sample, and its depth in metres as the bytes of float16 [H, W].

    predicted: [K, N, 1, H, W], of all frames.
    """
    chosen = predicted[:, picked(frames), 0].to(torch.float16).cpu().numpy()
    return pd.DataFrame(
        {"key": key, "sample": at, "metres": depth.tobytes()}
        for key, depths in zip(keys, chosen, strict=True)
        for at, depth in enumerate(depths)
    )
