"""A training step as one CUDA graph: a thousand small kernels for the price of one launch."""

from __future__ import annotations

from typing import Protocol

import torch


class Repeatable(Protocol):
    """Work on the same tensors every time; `decided` is what Python has chosen for the next call."""

    def __call__(self) -> None: ...

    @property
    def decided(self) -> tuple[object, ...]: ...


class Captured:
    """Calls a step; from its second call with the same decisions on, replays it as a graph.

    The first call after a change (a scheduled threshold, a frozen network) runs as it is: it is a step of training, and it
    makes whatever the libraries and the caches of constants make on first use, which a capture may not do.
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
            with torch.cuda.stream(self.stream):  # captures happen beside the default stream, and so must what warms them up
                self.step()
            torch.cuda.current_stream().wait_stream(self.stream)
            return
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=self.stream):
                self.step()
        self.graph.replay()
