"""What this machine can do at most: matrix products and copies in float32, all threads, the best of many.

`python benchmarks/hardware.py` prints JSON: operations and bytes per second.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import torch

SIDE = 2048  # of the matrices
COPIED = 256 * 1024**2  # bytes, far beyond the caches
REPEATS = 12


def best_seconds(action: Callable[[], object]) -> float:
    """Of some repeats after a first one."""
    action()
    seconds = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def flops_per_second() -> float:
    a, b, out = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE), torch.empty(SIDE, SIDE)
    return 2.0 * SIDE**3 / best_seconds(lambda: torch.matmul(a, b, out=out))


def bytes_per_second() -> float:
    """Read and written."""
    source = torch.rand(COPIED // 4)
    target = torch.zeros_like(source)
    return 2.0 * COPIED / best_seconds(lambda: target.copy_(source))


if __name__ == "__main__":
    print(json.dumps({"flops": flops_per_second(), "bytes": bytes_per_second(), "threads": torch.get_num_threads()}))
