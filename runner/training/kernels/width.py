"""How many networks lie side by side, and whether this machine can do it: asked without loading a compiler."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import torch

#: Networks side by side, a cache line of float32: a vector register of AVX-512, or two of AVX2 (eight in one were slower).
LANES = 16
#: Whether one register holds them.
WIDE = torch.backends.cpu.get_cpu_capability() == "AVX512"
#: So many are trained as soon as groups of convolutions as in lanes, idle ones among them (benchmarks/group_size.py).
BREAK_EVEN = 8 if WIDE else 10


@cache
def can_compile() -> bool:
    """Whether numba, which turns the kernels of this folder into machine code, is installed."""
    return find_spec("numba") is not None


def worthwhile(networks: int) -> bool:
    """Whether so many networks are trained sooner in lanes than as groups of convolutions."""
    return BREAK_EVEN <= networks <= LANES
