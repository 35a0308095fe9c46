"""The input of power sums, and `Summing`, the interface between the loss and machine code for one device.

Shapes: S scales of P_s pixels each; P pixels of all scales, one scale after another; D distinct weightings; R rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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
