"""Who takes the loss's sums over the pixels on a device: machine code on a CPU where numba is there, else nobody."""

from __future__ import annotations

import torch

from nfloss.pixel_rows import Summing


def summing_on(device: torch.device) -> Summing | None:
    """None: the loss is computed pixel by pixel in torch."""
    if device.type != "cpu":
        return None
    try:
        from runner.sums import CoreSumming
    except ImportError:  # a minimal installation
        return None
    return CoreSumming()
