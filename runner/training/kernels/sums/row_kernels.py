"""The power sums (`nfloss.power_sums`) of a row and their gradient, each in one pass over the row's pixels.

Sums are float64 whatever the pixels are. Masked pixels are not multiplied by 0 but replaced, so that NaN there has no effect.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from runner.training.kernels.compiled import compiled_fastmath
from runner.training.kernels.sums.logarithm import logarithm


@intrinsic
def pointer(typing: Any, address: Any) -> Any:
    """An address as a pointer."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), code


@intrinsic
def wide_registers(typing: Any) -> Any:
    """Let the calling function use the widest registers; by default compilers use half the width of AVX-512."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')  # bypasses llvmlite's list of allowed names
        return context.get_dummy_value()

    return types.void(), code


@compiled_fastmath
def clamped(x: Any, low: Any, high: Any) -> Any:
    """x limited to [low, high]; NaN stays NaN."""
    return low if x < low else (high if x > high else x)


@compiled_fastmath
def weight_of(curve: Any, x: Any) -> Any:
    """x times the curve's factor, within its limits; x itself where the curve is None, which is known at compile time."""
    if curve is None:
        return x
    return clamped(curve[0] * x, curve[1], curve[2])


@compiled_fastmath
def sums_of_row(p: Any, g: Any, m: Any, u: Any, w: Any, low: Any, high: Any, ssi: Any, silog: Any, to: Any) -> None:
    """Write the sums of one row, `to` [2 powers, 3 weights, 2 spaces], from predictions, truth, mask, weights and curves."""
    wide_registers()
    a0 = a1 = a2 = b0 = b1 = b2 = np.float64(0.0)
    c0 = c1 = c2 = d0 = d1 = d2 = np.float64(0.0)
    none = np.float64(0.0)
    for i in range(len(p)):
        counts = m[i] != 0
        r, t = np.float64(p[i] - g[i]), np.float64(logarithm(clamped(g[i], low, high) / clamped(p[i], low, high)))
        r, t = r if counts else none, t if counts else none
        x, y = weight_of(ssi, np.float64(u[i])) if counts else none, weight_of(silog, np.float64(w[i])) if counts else none
        rr, tt, xr, yt = r * r, t * t, x * r, y * t
        a0, a1, a2 = a0 + r, a1 + xr, a2 + x * xr
        b0, b1, b2 = b0 + rr, b1 + x * rr, b2 + xr * xr
        c0, c1, c2 = c0 + t, c1 + yt, c2 + y * yt
        d0, d1, d2 = d0 + tt, d1 + y * tt, d2 + yt * yt
    to[0, 0, 0], to[0, 1, 0], to[0, 2, 0] = a0, a1, a2
    to[1, 0, 0], to[1, 1, 0], to[1, 2, 0] = b0, b1, b2
    to[0, 0, 1], to[0, 1, 1], to[0, 2, 1] = c0, c1, c2
    to[1, 0, 1], to[1, 1, 1], to[1, 2, 1] = d0, d1, d2


@compiled_fastmath
def gradient_of_row(
    p: Any, g: Any, m: Any, u: Any, w: Any, low: Any, high: Any, ssi: Any, silog: Any, by: Any, to: Any, more: bool
) -> None:
    """Write (or add, if `more`) d L / d p_i [P] to `to`, from d L / d sums, `by` [2, 3, 2]."""
    wide_registers()
    a0, a1, a2 = by[0, 0, 0], by[0, 1, 0], by[0, 2, 0]
    b0, b1, b2 = 2.0 * by[1, 0, 0], 2.0 * by[1, 1, 0], 2.0 * by[1, 2, 0]
    c0, c1, c2 = by[0, 0, 1], by[0, 1, 1], by[0, 2, 1]
    d0, d1, d2 = 2.0 * by[1, 0, 1], 2.0 * by[1, 1, 1], 2.0 * by[1, 2, 1]
    one = p.dtype.type(1.0)
    for i in range(len(p)):
        counts, safe = m[i] != 0, clamped(p[i], low, high)
        r, t = np.float64(p[i] - g[i]), np.float64(logarithm(clamped(g[i], low, high) / safe))
        x, y = weight_of(ssi, np.float64(u[i])), weight_of(silog, np.float64(w[i]))
        inverse = (a0 + x * (a1 + x * a2)) + r * (b0 + x * (b1 + x * b2))
        log = (c0 + y * (c1 + y * c2)) + t * (d0 + y * (d1 + y * d2))
        log = log * np.float64(one / safe) if safe == p[i] else 0.0 * log
        gradient = inverse - log if counts else 0.0
        to[i] = gradient + (to[i] if more else 0.0)


@compiled_fastmath
def weights_of_row(m: Any, u: Any, curve: Any, to: Any) -> None:
    """Write the sums of 1, u and u^2, `to` [3], of one weighting in one space: mask and weights [P]."""
    wide_registers()
    count = weight = squared = 0.0
    for i in range(len(m)):
        counts = m[i] != 0
        x = weight_of(curve, np.float64(u[i])) if counts else 0.0
        count, weight, squared = count + (1.0 if counts else 0.0), weight + x, squared + x * x
    to[0], to[1], to[2] = count, weight, squared
