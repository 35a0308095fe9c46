"""A training step as one CUDA graph: one launch instead of a thousand small kernels'."""

from __future__ import annotations

from typing import Protocol

import torch


class Repeatable(Protocol):
    """Work on the same tensors in every call; `decided` is what Python code decides for the next call."""

    def __call__(self) -> None: ...

    @property
    def decided(self) -> tuple[object, ...]: ...


class Captured:
    """A step that is replayed as a CUDA graph from its second call with the same decisions on.

    The first call after a change (of a scheduled threshold, or a network that is frozen) runs eagerly. It is a step of
    training too, and lets libraries and caches of constants allocate what a capture must not.
    """

    def __init__(self, step: Repeatable) -> None:
        self.step = step
        self.seen: tuple[object, ...] | None = None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.stream = torch.cuda.Stream()

    def __call__(self) -> None:
        if self.step.decided != self.seen:
            self.seen, self.graph = self.step.decided, None
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):  # a capture needs another stream than the default, and so does its warm-up
                self.step()
            torch.cuda.current_stream().wait_stream(self.stream)
            return
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=self.stream):
                self.step()
        self.graph.replay()
