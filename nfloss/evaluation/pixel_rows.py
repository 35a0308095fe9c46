"""The input of power sums, and `Summing`, the interface between the loss and machine code for one device.

Shapes: S scales of P_s pixels each; P pixels of all scales, one scale after another; D distinct weightings; R rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Weighting:
    """The mask (1.0 or 0.0) and the raw weights to a power, for SSI and for SILog; each [P]."""

    mask: Tensor
    ssi: Tensor
    silog: Tensor


@dataclass(frozen=True)
class Weightings:
    """D weightings, the scales' sizes P_s, and factor, lower and upper limit of each weighting in each space at each scale,
    `curves` [3, 2, S, D] float64. The final weight u is the weighting's value times the factor, clamped to the limits."""

    pieces: Sequence[Weighting]
    sizes: tuple[int, ...]
    curves: Tensor

    def counts(self, scale: int, piece: int) -> Tensor:
        """The mask as bool, [P_s]."""
        return self.pieces[piece].mask.split(self.sizes)[scale] != 0

    def weights(self, space: int, scale: int, piece: int) -> Tensor:
        """The final weights u [P_s], 0 outside the mask."""
        own = self.pieces[piece]
        factor, least, most = self.curves[:, space, scale, piece].tolist()
        u = ((own.ssi, own.silog)[space].split(self.sizes)[scale] * factor).clamp(least, most)
        return torch.where(self.counts(scale, piece), u, 0.0).double()


@dataclass(frozen=True)
class PixelRows:
    """The rows of one call: true inverse depth [P] in 1/m, and for each row its weighting and the place of its prediction:
    the index of the piece, and the row in that piece. Residuals are 0 outside the mask of the weighting."""

    inverse: Tensor
    limits: tuple[float, float]
    weightings: Weightings
    weighting_of: tuple[int, ...]
    places: tuple[tuple[int, int], ...]


class Summing(Protocol):
    """Computes the sums, in float64 for pixels of any type."""

    def takes(self, tensors: Sequence[Tensor]) -> bool:
        """Whether it supports the device and type of these tensors."""

    def of_weights(self, weightings: Weightings) -> Tensor:
        """Sums of 1, u and u^2 over the masked-in pixels, [3, 2, S, D]: weights, spaces, scales, weightings."""

    def of_residuals(self, rows: PixelRows, preds: Sequence[Sequence[Tensor]]) -> Tensor:
        """Sums of v r and v r^2 with v = 1, u and u^2, [2, 3, 2, S, R]; each piece of `preds` has [k, P_s] at each scale.

        r is p - g and log g - log p, clamped to the limits before the logarithm. Differentiable in the predictions."""


class PlainSumming:
    """The sums in plain torch: the reference for every other implementation."""

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
    """Sums of v r and v r^2 of one row, [2, 3, 2]: powers of r, weights v, spaces."""
    counts = rows.weightings.counts(scale, weighting)
    safe = torch.where(counts, pred, inverse)
    residuals = (safe - inverse, inverse.clamp(*rows.limits).log() - safe.clamp(*rows.limits).log())
    of_spaces = []
    for space, residual in enumerate(residuals):
        r, u = torch.where(counts, residual, 0.0).double(), rows.weightings.weights(space, scale, weighting)
        of_spaces.append(torch.stack([torch.stack([(u**k * r**power).sum() for k in range(3)]) for power in (1, 2)]))
    return torch.stack(of_spaces, -1)
