"""glibc's allocator gives memory back to the system after every step and asks for it again, page by page; told not to, training
is twice as fast, and frames are drawn in two thirds of the time."""

from __future__ import annotations

import ctypes
import os

#: For a process that is yet to begin. In large pages, a step is another tenth faster.
ENVIRONMENT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "67108864",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # malloc.h
#: What is larger goes back; glibc lets the second threshold be no more.
LARGEST = 32 << 20


def keep_memory() -> None:
    """Have this process keep some of what it frees, as far as one that runs already can be told.

    Nothing happens without glibc, or where the environment has told the allocator something already.
    """
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    if tell is not None and not any(name.startswith("MALLOC_") for name in os.environ):
        tell(MMAP_THRESHOLD, LARGEST)
        tell(TRIM_THRESHOLD, 4 * LARGEST)
