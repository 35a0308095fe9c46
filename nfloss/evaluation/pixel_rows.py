"""What power sums are taken of, and who takes them: `Summing` is the seam between the loss and machine code for one device.

Shapes: S scales of P_s pixels each, P of all scales, one scale after another; D distinct weightings, R rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Weighting:
    """Which pixels count (1.0 or 0.0), and what their weights in SSI and in SILog are made of, [P] each."""

    mask: Tensor
    ssi: Tensor
    silog: Tensor


@dataclass(frozen=True)
class Weightings:
    """D weightings, the scales' sizes P_s, and for each weighting a factor and two limits in each space at each scale,
    [3, 2, S, D] float64: weights u are what they are made of times the factor, between the limits, which may be infinite."""

    pieces: Sequence[Weighting]
    sizes: tuple[int, ...]
    curves: Tensor

    def counts(self, scale: int, piece: int) -> Tensor:
        """Whether a pixel counts, [P_s]."""
        return self.pieces[piece].mask.split(self.sizes)[scale] != 0

    def weights(self, space: int, scale: int, piece: int) -> Tensor:
        """u [P_s], 0 where it does not count."""
        own = self.pieces[piece]
        factor, least, most = self.curves[:, space, scale, piece].tolist()
        u = ((own.ssi, own.silog)[space].split(self.sizes)[scale] * factor).clamp(least, most)
        return torch.where(self.counts(scale, piece), u, 0.0).double()


@dataclass(frozen=True)
class PixelRows:
    """The rows of one call: the truth's inverse depth [P], 1/m, and for each row its weighting and where its
    prediction is: in which of the tensors given, and in which row of it. Residuals are 0 where a weighting counts nothing."""

    inverse: Tensor
    limits: tuple[float, float]
    weightings: Weightings
    weighting_of: tuple[int, ...]
    places: tuple[tuple[int, int], ...]


class Summing(Protocol):
    """Who takes the sums. Float64 whatever the pixels are."""

    def takes(self, tensors: Sequence[Tensor]) -> bool:
        """Whether it can read these."""

    def of_weights(self, weightings: Weightings) -> Tensor:
        """Sums of 1, u and u^2 over the pixels that count, [3, 2, S, D]: weights, spaces, scales, weightings."""

    def of_residuals(self, rows: PixelRows, preds: Sequence[Sequence[Tensor]]) -> Tensor:
        """Sums of v r and v r^2 with v = 1, u and u^2, [2, 3, 2, S, R]; each of `preds` is [k, P_s] at each scale.

        r is p - g and log g - log p, depth clamped to the limits before the logarithm. With a gradient to the predictions."""


class PlainSumming:
    """In torch, pass after pass: what the others have to equal."""

    def takes(self, tensors: Sequence[Tensor]) -> bool:
        return True

    def of_weights(self, weightings: Weightings) -> Tensor:
        _, spaces, scales, pieces = weightings.curves.shape
        each = [(space, s, d) for space in range(spaces) for s in range(scales) for d in range(pieces)]
        weights = [(weightings.counts(s, d), weightings.weights(space, s, d)) for space, s, d in each]
        sums = [torch.stack([counts.double().sum(), u.sum(), u.square().sum()]) for counts, u in weights]
        return torch.stack(sums, -1).unflatten(-1, (spaces, scales, pieces))

    def of_residuals(self, rows: PixelRows, preds: Sequence[Sequence[Tensor]]) -> Tensor:
        of_scales = []
        for s, inverse in enumerate(rows.inverse.split(rows.weightings.sizes)):
            of_rows = zip(rows.places, rows.weighting_of, strict=True)
            scale = [row_sums(rows, preds[piece][s][row], inverse, d, s) for (piece, row), d in of_rows]
            of_scales.append(torch.stack(scale, -1))
        return torch.stack(of_scales, -2)


def row_sums(rows: PixelRows, pred: Tensor, inverse: Tensor, weighting: int, scale: int) -> Tensor:
    """Sums of v r and v r^2 of one row, [2, 3, 2]."""
    counts = rows.weightings.counts(scale, weighting)
    safe = torch.where(counts, pred, inverse)
    residuals = (safe - inverse, inverse.clamp(*rows.limits).log() - safe.clamp(*rows.limits).log())
    of_spaces = []
    for space, residual in enumerate(residuals):
        r, u = torch.where(counts, residual, 0.0).double(), rows.weightings.weights(space, scale, weighting)
        of_spaces.append(torch.stack([torch.stack([(u**k * r**power).sum() for k in range(3)]) for power in (1, 2)]))
    return torch.stack(of_spaces, -1)
