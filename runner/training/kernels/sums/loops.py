"""The kernels of `row_kernels` for all rows of a call.

Addresses (int64): truth [S], predictions and their gradients [S, R], weightings [3, S, D] (masks, SSI's weights, SILog's).
`curves` [3, 2, S, D]: a factor and two limits; a factor without limits is applied to the sums. `sizes` [S]: pixels of each
scale. `limits` [2]: of inverse depth, in the pixels' type. `of_row` [R]: the weighting of each row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from runner.training.kernels.compiled import compiled_fastmath
from runner.training.kernels.sums.row_kernels import gradient_of_row, pointer, sums_of_row, weights_of_row, wide_registers


@compiled_fastmath
def array_at(address: Any, size: Any, like: Any) -> Any:
    """The array [size] at an address, with the type of `like`."""
    return carray(pointer(address), size, like.dtype)


@compiled_fastmath
def weighting_at(weightings: Any, s: Any, d: Any, size: Any, like: Any) -> Any:
    """Mask, SSI's weights and SILog's weights of a weighting at a scale."""
    m, u, w = weightings[0, s, d], weightings[1, s, d], weightings[2, s, d]
    return array_at(m, size, like), array_at(u, size, like), array_at(w, size, like)


@compiled_fastmath
def bounded(curve: Any) -> bool:
    """Whether a curve [3] (factor and limits) has a finite limit."""
    return bool(curve[1] > -np.inf or curve[2] < np.inf)


@compiled_fastmath
def weights_of_rows(limits: Any, sizes: Any, weightings: Any, curves: Any, to: Any) -> None:
    """Write `to` [S, D, 2 spaces, 3 weights]; weights that differ by a factor alone are summed once."""
    wide_registers()
    for s in range(len(sizes)):
        for d in range(weightings.shape[2]):
            m = array_at(weightings[0, s, d], sizes[s], limits)
            for space in range(2):
                u, curve = array_at(weightings[1 + space, s, d], sizes[s], limits), curves[:, space, s, d]
                if bounded(curve):
                    weights_of_row(m, u, (curve[0], curve[1], curve[2]), to[s, d, space])
                elif not copy_equal_sums(weightings, curves, s, d, space, to):
                    weights_of_row(m, u, None, to[s, d, space])
        for d in range(weightings.shape[2]):
            for space in range(2):
                factor = 1.0 if bounded(curves[:, space, s, d]) else curves[0, space, s, d]
                to[s, d, space, 1] *= factor
                to[s, d, space, 2] *= factor * factor


@compiled_fastmath
def copy_equal_sums(weightings: Any, curves: Any, s: Any, d: Any, space: Any, to: Any) -> bool:
    """Copy the sums of an earlier weighting and space with the same mask and weights and no limits; False if there is none."""
    for other in range(d + 1):
        for its in range(2 if other < d else space):
            same = (
                weightings[0, s, other] == weightings[0, s, d] and weightings[1 + its, s, other] == weightings[1 + space, s, d]
            )
            if same and not bounded(curves[:, its, s, other]):
                to[s, d, space] = to[s, other, its]
                return True
    return False


@compiled_fastmath
def sums_of_rows(limits: Any, sizes: Any, truth: Any, preds: Any, weightings: Any, curves: Any, of_row: Any, to: Any) -> None:
    """Write `to` [S, R, 2 powers, 3 weights, 2 spaces]."""
    wide_registers()
    low, high = limits[0], limits[1]
    for s in range(len(sizes)):
        n, g = sizes[s], array_at(truth[s], sizes[s], limits)
        for r in range(len(of_row)):
            d, p = of_row[r], array_at(preds[s, r], n, limits)
            m, u, w = weighting_at(weightings, s, d, n, limits)
            ssi, silog = curves[:, 0, s, d], curves[:, 1, s, d]
            if bounded(ssi) or bounded(silog):
                both = (ssi[0], ssi[1], ssi[2]), (silog[0], silog[1], silog[2])
                sums_of_row(p, g, m, u, w, low, high, both[0], both[1], to[s, r])
            else:
                sums_of_row(p, g, m, u, w, low, high, None, None, to[s, r])
                times_factors(to[s, r], ssi[0], silog[0])


@compiled_fastmath
def times_factors(sums: Any, ssi: Any, silog: Any) -> None:
    """Multiply the weights in sums [2 powers, 3 weights, 2 spaces] by their factors, in place."""
    for power in range(2):
        sums[power, 1, 0], sums[power, 2, 0] = ssi * sums[power, 1, 0], ssi * ssi * sums[power, 2, 0]
        sums[power, 1, 1], sums[power, 2, 1] = silog * sums[power, 1, 1], silog * silog * sums[power, 2, 1]


@compiled_fastmath
def gradients_of_rows(
    limits: Any, sizes: Any, truth: Any, preds: Any, weightings: Any, curves: Any, of_row: Any, by: Any, to: Any, more: Any
) -> None:
    """Write d L / d p to the addresses `to` [S, R] from d L / d sums, `by` [S, R, 2, 3, 2], which is overwritten. Rows with
    `more` [R] are added."""
    wide_registers()
    low, high = limits[0], limits[1]
    for s in range(len(sizes)):
        n, g = sizes[s], array_at(truth[s], sizes[s], limits)
        for r in range(len(of_row)):
            d, p, t = of_row[r], array_at(preds[s, r], n, limits), array_at(to[s, r], n, limits)
            m, u, w = weighting_at(weightings, s, d, n, limits)
            ssi, silog = curves[:, 0, s, d], curves[:, 1, s, d]
            if bounded(ssi) or bounded(silog):
                both = (ssi[0], ssi[1], ssi[2]), (silog[0], silog[1], silog[2])
                gradient_of_row(p, g, m, u, w, low, high, both[0], both[1], by[s, r], t, more[r])
            else:
                times_factors(by[s, r], ssi[0], silog[0])
                gradient_of_row(p, g, m, u, w, low, high, None, None, by[s, r], t, more[r])
