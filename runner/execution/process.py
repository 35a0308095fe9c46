"""What is set for a whole process: how it treats signals, and how its allocator treats freed memory.

Workers ignore SIGINT; the parent defers signals while a group is written.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def sigint_ignored() -> Iterator[None]:
    """Ignore SIGINT within; a process that is started here ignores it from its first moment on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Deliver SIGINT and SIGTERM at the end of the block. Only the main thread receives signals: in another, do nothing."""
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


# glibc's allocator returns memory to the system after every step and asks for it again, page by page. Told not to, training is
# twice as fast, and frames are drawn in two thirds of the time.

#: The environment of a process that is yet to start. In large pages, a step is another tenth faster.
ALLOCATOR_ENVIRONMENT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "67108864",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # malloc.h
#: Bytes; what is larger is returned to the system. glibc allows no larger MMAP_THRESHOLD.
LARGEST = 32 << 20


def keep_memory() -> None:
    """Have the allocator of this running process keep some of what is freed.

    Nothing happens without glibc, or where the environment has set the allocator already.
    """
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    if tell is not None and not any(name.startswith("MALLOC_") for name in os.environ):
        tell(MMAP_THRESHOLD, LARGEST)
        tell(TRIM_THRESHOLD, 4 * LARGEST)
