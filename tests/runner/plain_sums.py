"""The loss's sums over pixels in plain torch: the reference for machine code."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nfloss.power_sums import PixelRows, Weightings


class PlainSumming:
    """As `nfloss.power_sums.Summing`, on any device and for any type."""

    def takes(self, tensors: Sequence[Tensor]) -> bool:
        return True

    def of_weights(self, weightings: Weightings) -> Tensor:
        _, spaces, scales, pieces = weightings.curves.shape
        each = [(space, s, d) for space in range(spaces) for s in range(scales) for d in range(pieces)]
        weights = [(counted(weightings, s, d), final_weights(weightings, space, s, d)) for space, s, d in each]
        sums = [torch.stack([counts.double().sum(), u.sum(), u.square().sum()]) for counts, u in weights]
        return torch.stack(sums, -1).unflatten(-1, (spaces, scales, pieces))

    def of_residuals(self, rows: PixelRows, preds: Sequence[Sequence[Tensor]]) -> Tensor:
        of_scales = []
        for s, inverse in enumerate(rows.inverse.split(rows.weightings.sizes)):
            of_rows = zip(rows.places, rows.weighting_of, strict=True)
            scale = [row_sums(rows, preds[piece][s][row], inverse, d, s) for (piece, row), d in of_rows]
            of_scales.append(torch.stack(scale, -1))
        return torch.stack(of_scales, -2)


def counted(weightings: Weightings, scale: int, piece: int) -> Tensor:
    """The mask as bool, [P_s]."""
    return weightings.pieces[piece].mask.split(weightings.sizes)[scale] != 0


def final_weights(weightings: Weightings, space: int, scale: int, piece: int) -> Tensor:
    """The final weights u [P_s], 0 outside the mask."""
    own = weightings.pieces[piece]
    factor, least, most = weightings.curves[:, space, scale, piece].tolist()
    u = ((own.ssi, own.silog)[space].split(weightings.sizes)[scale] * factor).clamp(least, most)
    return torch.where(counted(weightings, scale, piece), u, 0.0).double()


def row_sums(rows: PixelRows, pred: Tensor, inverse: Tensor, weighting: int, scale: int) -> Tensor:
    """Sums of v r and v r^2 of one row, [2, 3, 2]: powers of r, weights v, spaces."""
    counts = counted(rows.weightings, scale, weighting)
    safe = torch.where(counts, pred, inverse)
    residuals = (safe - inverse, inverse.clamp(*rows.limits).log() - safe.clamp(*rows.limits).log())
    of_spaces = []
    for space, residual in enumerate(residuals):
        r, u = torch.where(counts, residual, 0.0).double(), final_weights(rows.weightings, space, scale, weighting)
        of_spaces.append(torch.stack([torch.stack([(u**k * r**power).sum() for k in range(3)]) for power in (1, 2)]))
    return torch.stack(of_spaces, -1)
