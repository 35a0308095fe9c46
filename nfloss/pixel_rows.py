"""What power sums are taken of, and who takes them: `Summing` is the seam between the loss and machine code for one device.

Shapes: S scales of P_s pixels each, D distinct weightings, R rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Weighting:
    """Which pixels count (1.0 or 0.0), and their weights in SSI and in SILog: [P_s] of each scale."""

    mask: Sequence[Tensor]
    ssi: Sequence[Tensor]
    silog: Sequence[Tensor]


@dataclass(frozen=True)
class PixelRows:
    """The rows of one call: the truth's inverse depth [P_s] of each scale, 1/m, and for each row its weighting and where its
    prediction is: in which of the tensors given, and in which row of it. Residuals are 0 where a weighting counts nothing."""

    inverse: Sequence[Tensor]
    limits: tuple[float, float]
    weightings: Sequence[Weighting]
    weighting_of: tuple[int, ...]
    places: tuple[tuple[int, int], ...]


class Summing(Protocol):
    """Who takes the sums. Float64 whatever the pixels are."""

    def takes(self, tensors: Sequence[Tensor]) -> bool:
        """Whether it can read these."""

    def of_weights(self, weightings: Sequence[Weighting]) -> Tensor:
        """Sums of 1, u and u^2 over the pixels that count, [3, 2, S, D]: weights, spaces, scales, weightings."""

    def of_residuals(self, rows: PixelRows, preds: Sequence[Sequence[Tensor]]) -> Tensor:
        """Sums of v r and v r^2 with v = 1, u and u^2, [2, 3, 2, S, R]; each of `preds` is [k, P_s] at each scale.

        r is p - g and log g - log p, depth clamped to the limits before the logarithm. With a gradient to the predictions."""


class PlainSumming:
    """In torch, pass after pass: what the others have to equal."""

    def takes(self, tensors: Sequence[Tensor]) -> bool:
        return True

    def of_weights(self, weightings: Sequence[Weighting]) -> Tensor:
        return torch.stack([torch.stack([space_sums(w, s) for w in weightings], -1) for s in range(len(weightings[0].mask))], -2)

    def of_residuals(self, rows: PixelRows, preds: Sequence[Sequence[Tensor]]) -> Tensor:
        of_scales = []
        for s, inverse in enumerate(rows.inverse):
            of_rows = zip(rows.places, rows.weighting_of, strict=True)
            scale = [row_sums(rows, preds[piece][s][row], inverse, rows.weightings[d], s) for (piece, row), d in of_rows]
            of_scales.append(torch.stack(scale, -1))
        return torch.stack(of_scales, -2)


def space_sums(weighting: Weighting, scale: int) -> Tensor:
    """Sums of 1, u, u^2 of one scale, [3, 2]."""
    counts = weighting.mask[scale] != 0
    spaces = [torch.where(counts, u[scale], 0.0).double() for u in (weighting.ssi, weighting.silog)]
    return torch.stack([torch.stack([counts.double().sum(), u.sum(), u.square().sum()]) for u in spaces], -1)


def row_sums(rows: PixelRows, pred: Tensor, inverse: Tensor, weighting: Weighting, scale: int) -> Tensor:
    """Sums of v r and v r^2 of one row, [2, 3, 2]."""
    counts = weighting.mask[scale] != 0
    safe = torch.where(counts, pred, inverse)
    residuals = (safe - inverse, inverse.clamp(*rows.limits).log() - safe.clamp(*rows.limits).log())
    of_spaces = []
    for r, u in zip(residuals, (weighting.ssi[scale], weighting.silog[scale]), strict=True):
        r, u = torch.where(counts, r, 0.0).double(), torch.where(counts, u, 0.0).double()
        of_spaces.append(torch.stack([torch.stack([(u**k * r**power).sum() for k in range(3)]) for power in (1, 2)]))
    return torch.stack(of_spaces, -1)
