"""A logarithm for numba that is vectorised over float32; numpy's is called for one number after another."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from runner.training.kernels.compiled import FAST

# log(1 + f) = f - f^2 / 2 + f^3 * (a polynomial), sqrt(1/2) <= 1 + f < sqrt(2): Cephes' logf, S. L. Moshier
ROOT_HALF_BITS, MANTISSA_BITS = 0x3F3504F3, 23
C0, C1, C2 = np.float32(7.0376836292e-2), np.float32(-1.1514610310e-1), np.float32(1.1676998740e-1)
C3, C4, C5 = np.float32(-1.2420140846e-1), np.float32(1.4249322787e-1), np.float32(-1.6668057665e-1)
C6, C7, C8 = np.float32(2.0000714765e-1), np.float32(-2.4999993993e-1), np.float32(3.3333331174e-1)
LOG2_HIGH, LOG2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # their sum is log 2
ONE, HALF = np.float32(1.0), np.float32(0.5)


def above_root_half(builder: Any, number: Any) -> Any:
    """The bits of a float32 minus those of sqrt(1/2): the exponent in the high bits, the mantissa in the low."""
    integer = ir.IntType(32)
    return integer, builder.sub(builder.bitcast(number, integer), integer(ROOT_HALF_BITS))


@intrinsic
def exponent(typing: Any, number: Any) -> Any:
    """e of x = 2^e (1 + f), as a float32."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer, bits = above_root_half(builder, arguments[0])
        return builder.sitofp(builder.ashr(bits, integer(MANTISSA_BITS)), ir.FloatType())

    return types.float32(types.float32), code


@intrinsic
def mantissa(typing: Any, number: Any) -> Any:
    """1 + f of x = 2^e (1 + f)."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer, bits = above_root_half(builder, arguments[0])
        low = builder.and_(bits, integer((1 << MANTISSA_BITS) - 1))
        return builder.bitcast(builder.add(low, integer(ROOT_HALF_BITS)), ir.FloatType())

    return types.float32(types.float32), code


def logarithm(x: Any) -> Any:
    """log x of a normal number greater than 0; NaN of NaN."""
    return np.log(x)


@overload(logarithm, jit_options={"fastmath": FAST})
def typed_logarithm(x: Any) -> Any:
    """float32: vectorised, right to one or two units in the last place. float64: numpy's."""

    def double(x: Any) -> Any:
        return np.log(x)

    def single(x: Any) -> Any:
        e, f = exponent(x), mantissa(x) - ONE
        z = f * f
        y = ((((((((C0 * f + C1) * f + C2) * f + C3) * f + C4) * f + C5) * f + C6) * f + C7) * f + C8) * f * z
        log = (f + (y + e * LOG2_LOW - HALF * z)) + e * LOG2_HIGH
        return log if x == x else x

    return single if x == types.float32 else double
