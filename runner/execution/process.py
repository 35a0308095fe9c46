"""Who hears Ctrl-C: not the workers; and this process later, while a group's records are written."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deaf() -> Iterator[None]:
    """For the while, SIGINT is ignored: a process that is begun stays deaf to it, from its first moment on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """For the while, SIGINT and SIGTERM are remembered; the first is delivered at the end. Signals reach the main thread
    alone, so that in another there is nothing to do."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[tuple[int, FrameType | None]] = []
    kinds = (signal.SIGINT, signal.SIGTERM)
    handlers = {kind: signal.signal(kind, lambda number, frame: heard.append((number, frame))) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in handlers.items():
            signal.signal(kind, handler)
    if heard:
        signal.raise_signal(heard[0][0])


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
