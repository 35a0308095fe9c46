"""The loss's power sums (`nfloss.power_sums`) on a CPU, by machine code that reads each prediction once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nfloss.power_sums import PixelRows, Weightings
from runner.training.kernels.sums import loops

NUMBERS = {torch.float32: np.float32, torch.float64: np.float64}


class CoreSumming:
    """Sums of float32 or float64 tensors in a CPU's memory, all of one type."""

    def takes(self, tensors: Sequence[Tensor]) -> bool:
        types = {tensor.dtype for tensor in tensors}
        return len(types) == 1 and types <= NUMBERS.keys() and all(tensor.device.type == "cpu" for tensor in tensors)

    def of_weights(self, weightings: Weightings) -> Tensor:
        sizes, addresses = integers(weightings.sizes), Addresses()
        to = np.empty((len(sizes), len(weightings.pieces), 2, 3))
        limits, curves = np.empty(2, NUMBERS[weightings.pieces[0].mask.dtype]), weightings.curves.contiguous().numpy()
        loops.weights_of_rows(limits, sizes, addresses.of_weightings(weightings), curves, to)
        return torch.from_numpy(to.transpose(3, 2, 0, 1))

    def of_residuals(self, rows: PixelRows, preds: Sequence[Sequence[Tensor]]) -> Tensor:
        sums: Tensor = SumsOfResiduals.apply(rows, *(pred for piece in preds for pred in piece))
        return sums


class SumsOfResiduals(torch.autograd.Function):
    """The residuals' sums [2, 3, 2, S, R]; `preds` are [k, P_s], all scales of one piece after those of another."""

    @staticmethod
    def forward(ctx: Any, rows: PixelRows, *preds: Tensor) -> Tensor:
        arguments, addresses = KernelArguments(rows), Addresses()
        safe = [pred.contiguous() for pred in preds]
        to = np.empty((len(arguments.sizes), len(rows.places), 2, 3, 2))
        loops.sums_of_rows(*arguments.of(addresses, rows, safe), to)
        ctx.rows, ctx.arguments = rows, arguments
        ctx.save_for_backward(*safe)
        return torch.from_numpy(to.transpose(2, 3, 4, 0, 1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, arguments, preds, addresses = ctx.rows, ctx.arguments, ctx.saved_tensors, Addresses()
        gradients = [torch.empty_like(pred) for pred in preds]
        by = gradient.permute(3, 4, 0, 1, 2).clone(memory_format=torch.contiguous_format).numpy()
        to, more = addresses.of_predictions(gradients, rows.places, arguments.sizes), repeats(rows.places)
        loops.gradients_of_rows(*arguments.of(addresses, rows, preds), by, to, more)
        return None, *gradients


class KernelArguments:
    """The arguments of the forward and the backward kernel."""

    def __init__(self, rows: PixelRows) -> None:
        self.limits = np.array(rows.limits, NUMBERS[rows.inverse.dtype])
        self.sizes = integers(rows.weightings.sizes)

    def of(self, addresses: Addresses, rows: PixelRows, preds: Sequence[Tensor]) -> tuple[np.ndarray, ...]:
        """Limits, sizes, the addresses of truth, predictions and weightings, curves, and each row's weighting."""
        truth = addresses.of_lines([rows.inverse], self.sizes)[:, 0]
        preds_at = addresses.of_predictions(preds, rows.places, self.sizes)
        weightings, curves = addresses.of_weightings(rows.weightings), rows.weightings.curves.contiguous().numpy()
        return self.limits, self.sizes, truth, preds_at, weightings, curves, integers(rows.weighting_of)


class Addresses:
    """Addresses of tensors; it keeps the tensors alive."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []

    def of(self, tensors: Sequence[Tensor]) -> np.ndarray:
        """The address of each tensor, converted to the type of the first and made contiguous where necessary."""
        dtype = tensors[0].dtype
        safe = [t if t.dtype == dtype and t.is_contiguous() else t.to(dtype).contiguous() for t in tensors]
        self.tensors += safe
        return np.array([tensor.data_ptr() for tensor in safe])

    def of_lines(self, lines: Sequence[Tensor], sizes: np.ndarray) -> np.ndarray:
        """[S, lines]: the address of each scale in each line, which has the pixels [P] of all scales."""
        starts = (np.cumsum(sizes) - sizes) * lines[0].element_size()
        return starts[:, np.newaxis] + self.of(lines)

    def of_weightings(self, weightings: Weightings) -> np.ndarray:
        """[3, S, D]: masks, SSI's weights, SILog's weights."""
        pieces, sizes = weightings.pieces, integers(weightings.sizes)
        lines = [w.mask for w in pieces] + [w.ssi for w in pieces] + [w.silog for w in pieces]
        return np.ascontiguousarray(self.of_lines(lines, sizes).reshape(len(sizes), 3, -1).swapaxes(0, 1))

    def of_predictions(self, preds: Sequence[Tensor], places: tuple[tuple[int, int], ...], sizes: np.ndarray) -> np.ndarray:
        """[S, R]: each row's prediction at each scale; `preds` as in `SumsOfResiduals`."""
        pieces, within = integers(places).T
        starts = self.of(preds).reshape(-1, len(sizes))[pieces]
        return np.ascontiguousarray(starts.T + sizes[:, np.newaxis] * within * preds[0].element_size())


@lru_cache(maxsize=4096)
def integers(values: tuple[Any, ...]) -> np.ndarray:
    """The values as an array, cached."""
    return np.array(values)


@lru_cache(maxsize=4096)
def repeats(places: tuple[tuple[int, int], ...]) -> np.ndarray:
    """[R]: whether a row's prediction is also that of an earlier row."""
    return np.array([place in places[:r] for r, place in enumerate(places)])
