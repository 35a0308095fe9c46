"""In what the network computes, as `training.precision` has it; the loss and the optimiser compute in float32 always."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch

Precision = Literal["fp32", "tf32", "bf16"]


@contextmanager
def convolutions_in(precision: Precision) -> Iterator[None]:
    """For the while, float32 convolutions on a GPU keep their 23 bits, or 10 of them in `tf32`, which is PyTorch's default."""
    cudnn: Any = torch.backends.cudnn
    before, cudnn.conv.fp32_precision = cudnn.conv.fp32_precision, "tf32" if precision == "tf32" else "ieee"
    try:
        yield
    finally:
        cudnn.conv.fp32_precision = before


def forward_in(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """For a forward pass of training; it can be entered again and again."""
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False) if precision == "bf16" else nullcontext()
