"""How many networks lie side by side, and whether this machine can do it: asked without loading a compiler."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import torch

WIDE = torch.backends.cpu.get_cpu_capability() == "AVX512"
#: As many float32 as a vector register holds.
LANES = 16 if WIDE else 8


@cache
def can_compile() -> bool:
    """Whether numba, which turns the kernels of this folder into machine code, is installed."""
    return find_spec("numba") is not None


def worthwhile(networks: int) -> bool:
    """Whether so many networks are trained sooner in lanes, idle ones among them, than as groups of convolutions."""
    return LANES // 2 <= networks <= LANES
