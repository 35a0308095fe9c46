"""A few validation frames that a person can look at, and what each network of the first seed says about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from runner.data import Frames
from runner.records.files import write_atomically

PLACES = (0.3, 0.6, 0.9)  # among the frames, by the share of their pixels that are near


def picked(frames: Frames) -> list[int]:
    """Frames with few, some and many near pixels, of those whose depth is mostly known."""
    known = frames.valid.flatten(1).double().mean(1)
    shares = torch.where(known >= known.median(), frames.near_share_per_image(), -1.0)
    order = torch.argsort(shares, stable=True)
    usable = order[shares[order] >= 0]
    return [int(usable[round(place * (len(usable) - 1))]) for place in PLACES]


def write_frames(path: Path, frames: Frames) -> None:
    """The picked frames as an npz: rgb [3, H, W, 3] uint8, depth [3, H, W] float32 in metres, 0 where unknown."""
    chosen = frames.select(picked(frames))
    rgb = (chosen.rgb.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:  # given a name, numpy would add its own ending to it
            np.savez_compressed(file, rgb=rgb, depth=chosen.depth[:, 0].numpy())

    write_atomically(path, save)


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
