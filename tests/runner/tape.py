"""A stand-in for CUDA graphs on the CPU: what is captured is written on a tape and takes no effect; a replay takes it, on the
same tensors. Python runs once, as on a GPU: what a step decides in Python is on the tape as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Stream:
    def wait_stream(self, other: Stream) -> None:
        """There is one."""


class Graph:
    """Operations with the tensors that they were given and have made."""

    def __init__(self) -> None:
        self.tape: list[tuple] = []

    def replay(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, made in self.tape:
                for ours, anew in zip(made, tensors(func(*args, **kwargs)), strict=True):
                    if ours.data_ptr() != anew.data_ptr():
                        ours.copy_(anew)


class Capture(TorchDispatchMode):
    """Writes what changes values on the graph's tape, and keeps what these were before."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph, self.before = graph, dict[object, tuple[Tensor, Tensor]]()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.name()
        assert "lift" not in name, "a tensor of Python's numbers: a GPU would copy it from the host, which no capture may do"
        assert "local_scalar" not in name and "nonzero" not in name, f"{name}: a GPU would have to be asked, in a capture"
        schema = func._schema.arguments
        given = dict(zip((argument.name for argument in schema), args, strict=False)) | kwargs
        written = [tensor for argument in schema if argument.is_write for tensor in tensors(given.get(argument.name))]
        for tensor in written:
            self.before.setdefault((tensor.data_ptr(), tensor.shape, tensor.stride()), (tensor, tensor.clone()))
        made = func(*args, **kwargs)
        if written or not func.is_view:
            self.graph.tape.append((func, args, kwargs, tensors(made)))
        return made


def tensors(tree) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


@contextmanager
def captured(graph: Graph, stream: Stream) -> Iterator[None]:
    """`torch.cuda.graph`."""
    capture = Capture(graph)
    with capture:
        yield
    with torch.no_grad():
        for tensor, value in reversed(capture.before.values()):  # a row may have been written before its matrix
            tensor.copy_(value)


@pytest.fixture
def cuda_graphs_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """`runner/training/cuda_graphs.py` captures on the CPU, and what asks nothing of a GPU asks nothing here."""
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", captured)
    for module in ("nfloss.terms", "nfloss.evaluation.by_pixels", "nfloss.evaluation.fallback", "runner.training.optimiser"):
        monkeypatch.setattr(f"{module}.may_ask", lambda values: False)
