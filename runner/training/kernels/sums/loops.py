"""The kernels of `runner.training.kernels.sums.kernels` on all rows of a call.

Addresses (int64): truth [S], predictions and their gradients [S, R], weightings [3, S, D] (masks, SSI's weights, SILog's).
`curves` [3, 2, S, D] are a factor and limits; a factor alone is left to the sums. `sizes` [S] are the pixels of each scale,
`limits` [2] those of inverse depth, in the pixels' own type; `of_row` [R] says which weighting is whose.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from runner.training.kernels.compiled import reordered
from runner.training.kernels.sums.kernels import gradient_of_row, pointer, sums_of_row, weights_of_row, wide


@reordered
def at(address: Any, size: Any, like: Any) -> Any:
    """So many numbers of the type of `like` from an address on."""
    return carray(pointer(address), size, like.dtype)


@reordered
def bounded(curve: Any) -> bool:
    """Whether a factor and limits [3] are more than a factor."""
    return bool(curve[1] > -np.inf or curve[2] < np.inf)


@reordered
def weights_of_rows(limits: Any, sizes: Any, weightings: Any, curves: Any, to: Any) -> None:
    """To [S, D, 2 spaces, 3 weights]; what several multiply by a factor alone is summed once."""
    wide()
    for s in range(len(sizes)):
        for d in range(weightings.shape[2]):
            m = at(weightings[0, s, d], sizes[s], limits)
            for space in range(2):
                u, curve = at(weightings[1 + space, s, d], sizes[s], limits), curves[:, space, s, d]
                if bounded(curve):
                    weights_of_row(m, u, (curve[0], curve[1], curve[2]), to[s, d, space])
                elif not found_before(weightings, curves, s, d, space, to):
                    weights_of_row(m, u, None, to[s, d, space])
        for d in range(weightings.shape[2]):
            for space in range(2):
                factor = 1.0 if bounded(curves[:, space, s, d]) else curves[0, space, s, d]
                to[s, d, space, 1] *= factor
                to[s, d, space, 2] *= factor * factor


@reordered
def found_before(weightings: Any, curves: Any, s: Any, d: Any, space: Any, to: Any) -> bool:
    """Take the sums from a weighting and space that came before, if one has the same mask and weights and no limits."""
    for other in range(d + 1):
        for its in range(2 if other < d else space):
            same = (
                weightings[0, s, other] == weightings[0, s, d] and weightings[1 + its, s, other] == weightings[1 + space, s, d]
            )
            if same and not bounded(curves[:, its, s, other]):
                to[s, d, space] = to[s, other, its]
                return True
    return False


@reordered
def sums_of_rows(limits: Any, sizes: Any, truth: Any, preds: Any, weightings: Any, curves: Any, of_row: Any, to: Any) -> None:
    """To [S, R, 2 powers, 3 weights, 2 spaces]."""
    wide()
    low, high = limits[0], limits[1]
    for s in range(len(sizes)):
        n, g = sizes[s], at(truth[s], sizes[s], limits)
        for r in range(len(of_row)):
            d, p = of_row[r], at(preds[s, r], n, limits)
            m, u, w = at(weightings[0, s, d], n, limits), at(weightings[1, s, d], n, limits), at(weightings[2, s, d], n, limits)
            ssi, silog = curves[:, 0, s, d], curves[:, 1, s, d]
            if bounded(ssi) or bounded(silog):
                both = (ssi[0], ssi[1], ssi[2]), (silog[0], silog[1], silog[2])
                sums_of_row(p, g, m, u, w, low, high, both[0], both[1], to[s, r])
            else:
                sums_of_row(p, g, m, u, w, low, high, None, None, to[s, r])
                times_factors(to[s, r], ssi[0], silog[0])


@reordered
def times_factors(sums: Any, ssi: Any, silog: Any) -> None:
    """Sums [2 powers, 3 weights, 2 spaces] of weights that are multiplied, in place."""
    for power in range(2):
        sums[power, 1, 0], sums[power, 2, 0] = ssi * sums[power, 1, 0], ssi * ssi * sums[power, 2, 0]
        sums[power, 1, 1], sums[power, 2, 1] = silog * sums[power, 1, 1], silog * silog * sums[power, 2, 1]


@reordered
def gradients_of_rows(
    limits: Any, sizes: Any, truth: Any, preds: Any, weightings: Any, curves: Any, of_row: Any, by: Any, to: Any, more: Any
) -> None:
    """From d L / d sums, `by` [S, R, 2, 3, 2], used up, to the addresses `to` [S, R]; rows that `more` [R] marks add."""
    wide()
    low, high = limits[0], limits[1]
    for s in range(len(sizes)):
        n, g = sizes[s], at(truth[s], sizes[s], limits)
        for r in range(len(of_row)):
            d, p, t = of_row[r], at(preds[s, r], n, limits), at(to[s, r], n, limits)
            m, u, w = at(weightings[0, s, d], n, limits), at(weightings[1, s, d], n, limits), at(weightings[2, s, d], n, limits)
            ssi, silog = curves[:, 0, s, d], curves[:, 1, s, d]
            if bounded(ssi) or bounded(silog):
                both = (ssi[0], ssi[1], ssi[2]), (silog[0], silog[1], silog[2])
                gradient_of_row(p, g, m, u, w, low, high, both[0], both[1], by[s, r], t, more[r])
            else:
                times_factors(by[s, r], ssi[0], silog[0])
                gradient_of_row(p, g, m, u, w, low, high, None, None, by[s, r], t, more[r])
