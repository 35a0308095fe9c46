"""A stand-in for CUDA graphs on the CPU: a capture records operations and undoes their effects; a replay runs them on the same
tensors. Python code runs once, as on a GPU: what it decides in the capture is fixed in the record."""

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
        """There is only one stream."""


class Graph:
    """The recorded operations, with their arguments and results."""

    def __init__(self) -> None:
        self.tape: list[tuple] = []

    def replay(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, made in self.tape:
                for ours, anew in zip(made, tensors(func(*args, **kwargs)), strict=True):
                    if ours.data_ptr() != anew.data_ptr():
                        ours.copy_(anew)


class Capture(TorchDispatchMode):
    """Records operations that change values, and stores the values before."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph, self.before = graph, dict[object, tuple[Tensor, Tensor]]()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.name()
        assert "lift" not in name, "a tensor made of Python numbers: a GPU would copy it from the host in a capture"
        assert "local_scalar" not in name and "nonzero" not in name, f"{name}: a GPU would be asked for a value in a capture"
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
    """In place of `torch.cuda.graph`."""
    capture = Capture(graph)
    with capture:
        yield
    with torch.no_grad():
        for tensor, value in reversed(capture.before.values()):  # a row may have been written before its matrix
            tensor.copy_(value)


@pytest.fixture
def cuda_graphs_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """`runner/training/cuda_graphs.py` captures on the CPU; code that reads no values on a GPU reads none here."""
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", captured)
    for module in ("nfloss.terms", "nfloss.evaluation.by_pixels", "nfloss.evaluation.fallback", "runner.training.optimiser"):
        monkeypatch.setattr(f"{module}.may_ask", lambda values: False)
