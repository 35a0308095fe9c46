"""What this machine, or a GPU in it, can do at most: matrix products and copies in float32, all threads, the best of many.

`python benchmarks/hardware.py` prints JSON: operations and bytes per second.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import torch

SIDE = {"cpu": 2048, "cuda": 8192}  # of the matrices
COPIED = {"cpu": 256 * 1024**2, "cuda": 2 * 1024**3}  # bytes, far beyond the caches
REPEATS = 12
CPU = torch.device("cpu")


def best_seconds(action: Callable[[], object], device: torch.device) -> float:
    """Of some repeats after a first one."""
    seconds = []
    for _ in range(1 + REPEATS):
        begin = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - begin)
    return min(seconds[1:])


def flops_per_second(device: torch.device = CPU) -> float:
    side = SIDE[device.type]
    a, b, out = (torch.ones(side, side, device=device) for _ in range(3))
    return 2.0 * side**3 / best_seconds(lambda: torch.matmul(a, b, out=out), device)


def bytes_per_second(device: torch.device = CPU) -> float:
    """Read and written."""
    size = COPIED[device.type]
    source, target = (torch.ones(size // 4, device=device) for _ in range(2))
    return 2.0 * size / best_seconds(lambda: target.copy_(source), device)


if __name__ == "__main__":
    print(json.dumps({"flops": flops_per_second(), "bytes": bytes_per_second(), "threads": torch.get_num_threads()}))
