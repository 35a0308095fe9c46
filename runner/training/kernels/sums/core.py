"""Power sums of the loss (`nfloss.power_sums`) on a CPU core, by machine code that reads each prediction once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nfloss.evaluation.pixel_rows import PixelRows, Weightings
from runner.training.kernels.sums import loops as kernels

NUMBERS = {torch.float32: np.float32, torch.float64: np.float64}


class CoreSumming:
    """Takes float32 and float64 in a CPU's memory, all of one type."""

    def takes(self, tensors: Sequence[Tensor]) -> bool:
        types = {tensor.dtype for tensor in tensors}
        return len(types) == 1 and types <= NUMBERS.keys() and all(tensor.device.type == "cpu" for tensor in tensors)

    def of_weights(self, weightings: Weightings) -> Tensor:
        sizes, kept = integers(weightings.sizes), Addresses()
        to = np.empty((len(sizes), len(weightings.pieces), 2, 3))
        limits, curves = np.empty(2, NUMBERS[weightings.pieces[0].mask.dtype]), weightings.curves.contiguous().numpy()
        kernels.weights_of_rows(limits, sizes, kept.of_weightings(weightings), curves, to)
        return torch.from_numpy(to.transpose(3, 2, 0, 1))

    def of_residuals(self, rows: PixelRows, preds: Sequence[Sequence[Tensor]]) -> Tensor:
        sums: Tensor = SumsOfResiduals.apply(rows, *(pred for piece in preds for pred in piece))
        return sums


class SumsOfResiduals(torch.autograd.Function):
    """The residuals' sums [2, 3, 2, S, R] of predictions [k, P_s], piece by piece and in each scale by scale."""

    @staticmethod
    def forward(ctx: Any, rows: PixelRows, *preds: Tensor) -> Tensor:
        given, kept = Given(rows), Addresses()
        safe = [pred.contiguous() for pred in preds]
        to = np.empty((len(given.sizes), len(rows.places), 2, 3, 2))
        kernels.sums_of_rows(*given.of(kept, rows, safe), to)
        ctx.rows, ctx.given = rows, given
        ctx.save_for_backward(*safe)
        return torch.from_numpy(to.transpose(2, 3, 4, 0, 1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, given, preds, kept = ctx.rows, ctx.given, ctx.saved_tensors, Addresses()
        gradients = [torch.empty_like(pred) for pred in preds]
        by = gradient.permute(3, 4, 0, 1, 2).clone(memory_format=torch.contiguous_format).numpy()
        to, more = kept.of_predictions(gradients, rows.places, given.sizes), repeats(rows.places)
        kernels.gradients_of_rows(*given.of(kept, rows, preds), by, to, more)
        return None, *gradients


class Given:
    """What both kernels are given."""

    def __init__(self, rows: PixelRows) -> None:
        self.limits = np.array(rows.limits, NUMBERS[rows.inverse.dtype])
        self.sizes = integers(rows.weightings.sizes)

    def of(self, kept: Addresses, rows: PixelRows, preds: Sequence[Tensor]) -> tuple[np.ndarray, ...]:
        """Limits, sizes, the addresses of truth, predictions and weightings, these ones' curves, and each row's weighting."""
        truth, preds_at = kept.of_lines([rows.inverse], self.sizes)[:, 0], kept.of_predictions(preds, rows.places, self.sizes)
        weightings, curves = kept.of_weightings(rows.weightings), rows.weightings.curves.contiguous().numpy()
        return self.limits, self.sizes, truth, preds_at, weightings, curves, integers(rows.weighting_of)


class Addresses:
    """Addresses of tensors, which are kept alive with them."""

    def __init__(self) -> None:
        self.kept: list[Tensor] = []

    def of(self, tensors: Sequence[Tensor]) -> np.ndarray:
        """One for each, whose pixels are all of the first one's type."""
        dtype = tensors[0].dtype
        safe = [t if t.dtype == dtype and t.is_contiguous() else t.to(dtype).contiguous() for t in tensors]
        self.kept += safe
        return np.array([tensor.data_ptr() for tensor in safe])

    def of_lines(self, lines: Sequence[Tensor], sizes: np.ndarray) -> np.ndarray:
        """Of each scale in lines of pixels [P] of all scales, [S, lines]."""
        starts = (np.cumsum(sizes) - sizes) * lines[0].element_size()
        return starts[:, np.newaxis] + self.of(lines)

    def of_weightings(self, weightings: Weightings) -> np.ndarray:
        """Of masks, SSI's and SILog's weights, [3, S, D]."""
        pieces, sizes = weightings.pieces, integers(weightings.sizes)
        lines = [w.mask for w in pieces] + [w.ssi for w in pieces] + [w.silog for w in pieces]
        return np.ascontiguousarray(self.of_lines(lines, sizes).reshape(len(sizes), 3, -1).swapaxes(0, 1))

    def of_predictions(self, preds: Sequence[Tensor], places: tuple[tuple[int, int], ...], sizes: np.ndarray) -> np.ndarray:
        """Of each row at each scale, [S, R]; `preds` [k, P_s], piece by piece."""
        pieces, within = integers(places).T
        starts = self.of(preds).reshape(-1, len(sizes))[pieces]
        return np.ascontiguousarray(starts.T + sizes[:, np.newaxis] * within * preds[0].element_size())


@lru_cache(maxsize=4096)
def integers(values: tuple[Any, ...]) -> np.ndarray:
    """These as an array, made once."""
    return np.array(values)


@lru_cache(maxsize=4096)
def repeats(places: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Which rows have a prediction that an earlier one has too, [R]."""
    return np.array([place in places[:r] for r, place in enumerate(places)])
