"""The precision in which networks compute (`training.precision`); the loss and the optimiser always use float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch

Precision = Literal["fp32", "tf32", "bf16"]


@contextmanager
def convolutions_in(precision: Precision) -> Iterator[None]:
    """Within the context, float32 convolutions on a GPU use all 23 bits of the mantissa, or in `tf32` 10, PyTorch's default."""
    cudnn: Any = torch.backends.cudnn
    before, cudnn.conv.fp32_precision = cudnn.conv.fp32_precision, "tf32" if precision == "tf32" else "ieee"
    try:
        yield
    finally:
        cudnn.conv.fp32_precision = before


def forward_in(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """The context of a forward pass in training; it can be entered repeatedly."""
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False) if precision == "bf16" else nullcontext()
