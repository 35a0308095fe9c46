"""Who hears Ctrl-C: not the workers; and this process later, while a group's records are written."""

from __future__ import annotations

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
