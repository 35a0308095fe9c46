"""How many networks vector registers hold, and whether this machine can compile; importing it does not load numba."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import torch

#: Networks in one vector, a cache line of float32: one register of AVX-512, or two of AVX2 (eight in one were slower).
LANES = 16
#: Whether one register holds a vector.
WIDE = torch.backends.cpu.get_cpu_capability() == "AVX512"
#: So many networks take as long in lanes, some of them idle, as in grouped convolutions (benchmarks/group_size.py).
BREAK_EVEN = 8 if WIDE else 10


@cache
def can_compile() -> bool:
    """Whether numba, which compiles the kernels, is installed."""
    return find_spec("numba") is not None


def lanes_are_faster(networks: int) -> bool:
    """Whether so many networks are trained faster in lanes than as grouped convolutions."""
    return BREAK_EVEN <= networks <= LANES
