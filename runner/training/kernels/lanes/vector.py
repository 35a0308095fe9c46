"""A vector as a numba type: one number of each of LANES networks.

A compiler vectorises loops only where it can prove that arrays do not overlap, which it cannot for many arrays.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from runner.training.kernels.width import LANES


class Vector(types.Type):
    """LANES floats of one kind."""

    def __init__(self, element: types.Float) -> None:
        self.element = element
        super().__init__(name=f"vector({element})")


def llvm_vector(element: types.Float) -> ir.VectorType:
    return ir.VectorType(ir.FloatType() if element.bitwidth == 32 else ir.DoubleType(), LANES)


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, llvm_vector(kind.element))


def binary(function: Any, emit: str) -> None:
    """Define an operator between two vectors of one type."""

    @infer_global(function)
    class Template(AbstractTemplate):
        def generic(self, given: Any, named: Any) -> Any:
            alike = len(given) == 2 and isinstance(given[0], Vector) and given[0] == given[1]
            return signature(given[0], *given) if alike else None

    @lower_builtin(function, Vector, Vector)
    def lowered(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        return getattr(builder, emit)(*given)


for each, called in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    binary(each, called)


def vector_pointer(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> tuple[Any, int]:
    """A pointer to the vector at an element of an array, and the alignment that is guaranteed, an element's. Vectors are as
    aligned as the arrays are: that is faster, but not required."""
    data = context.make_array(kind)(context, builder, array).data
    vector = llvm_vector(kind.dtype).as_pointer()
    return builder.bitcast(builder.gep(data, [at]), vector), kind.dtype.bitwidth // 8


@intrinsic
def load(context: Any, array: Any, at: Any) -> Any:
    """The vector at an element of a flat array."""

    def emit(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        place, align = vector_pointer(context, builder, sig.args[0], *given)
        return builder.load(place, align=align)

    return signature(Vector(array.dtype), array, types.int64), emit


@intrinsic
def store(context: Any, array: Any, at: Any, vector: Any) -> Any:
    """Write a vector at an element of a flat array."""

    def emit(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        place, align = vector_pointer(context, builder, sig.args[0], *given[:2])
        builder.store(given[2], place, align=align)
        return context.get_dummy_value()

    return signature(types.void, array, types.int64, vector), emit


def broadcast_value(builder: Any, value: Any) -> Any:
    """LLVM: one number in all lanes."""
    vector = ir.VectorType(value.type, LANES)
    first, none = ir.Constant(ir.IntType(32), 0), ir.Constant(vector, ir.Undefined)
    return builder.shuffle_vector(
        builder.insert_element(none, value, first), none, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    )


@intrinsic
def broadcast(context: Any, value: Any) -> Any:
    """One number in all lanes."""

    def emit(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        return broadcast_value(builder, given[0])

    return signature(Vector(value), value), emit


@intrinsic
def broadcast_like(context: Any, vector: Any, value: Any) -> Any:
    """One number in all lanes, of the type of another vector."""

    def emit(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        element = llvm_vector(sig.args[0].element).element
        narrow = isinstance(element, ir.FloatType)
        return broadcast_value(builder, builder.fptrunc(given[1], element) if narrow else given[1])

    return signature(vector, vector, types.float64), emit


def multiply_add_values(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """LLVM: a * b + c, rounded once."""
    bits = "f32" if isinstance(a.type.element, ir.FloatType) else "f64"
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(a.type, [a.type] * 3), f"llvm.fma.v{LANES}{bits}")
    return builder.call(fma, [a, b, c])


@intrinsic
def multiply_add(context: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once."""

    def emit(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        return multiply_add_values(builder, *given)

    return signature(a, a, b, c), emit


@intrinsic
def where_positive(context: Any, sign: Any, value: Any) -> Any:
    """0 where `sign` <= 0, else `value`: as PyTorch's ReLU, NaN stays NaN."""

    def emit(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        zero = ir.Constant(given[0].type, [0.0] * LANES)
        return builder.select(builder.fcmp_ordered("<=", given[0], zero), zero, given[1])

    return signature(value, sign, value), emit


@intrinsic
def power_of_two(context: Any, exponent: Any) -> Any:
    """2 ** n for integers n in the range of the floats."""

    def emit(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        narrow = sig.args[0].element.bitwidth == 32
        whole = ir.VectorType(ir.IntType(32 if narrow else 64), LANES)
        bias, digits = (ir.Constant(whole, [n] * LANES) for n in ((127, 23) if narrow else (1023, 52)))
        bits = builder.shl(builder.add(builder.fptosi(given[0], whole), bias), digits)
        return builder.bitcast(bits, given[0].type)

    return signature(exponent, exponent), emit


@intrinsic
def rounded(context: Any, vector: Any) -> Any:
    """The nearest integers."""

    def emit(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        bits = sig.args[0].element.bitwidth
        kind = ir.FunctionType(given[0].type, [given[0].type])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.rint.v{LANES}f{bits}"), given)

    return signature(vector, vector), emit


@intrinsic
def clamp(context: Any, vector: Any, low: Any, high: Any) -> Any:
    """Limited to [low, high], which are vectors; NaN becomes `low`."""

    def emit(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        value, low, high = given
        value = builder.select(builder.fcmp_ordered(">", value, low), value, low)
        return builder.select(builder.fcmp_ordered("<", value, high), value, high)

    return signature(vector, vector, low, high), emit


@intrinsic
def keep_nan(context: Any, vector: Any, instead: Any) -> Any:
    """`instead`, but NaN where `vector` is NaN."""

    def emit(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        return builder.select(builder.fcmp_unordered("uno", given[0], given[0]), *given)

    return signature(vector, vector, instead), emit


@intrinsic
def transpose(context: Any, source: Any, at: Any, step: Any, target: Any, place: Any, stride: Any) -> Any:
    """Transpose LANES vectors, `step` elements apart, to LANES vectors of their first, second, .. numbers, `stride` apart."""

    def emit(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        _, at, step, _, place, stride = given
        i64 = ir.IntType(64)

        def vectors(array: int, start: Any, distance: Any) -> list[tuple[Any, int]]:
            starts = [builder.add(start, builder.mul(distance, i64(i))) for i in range(LANES)]
            return [vector_pointer(context, builder, sig.args[array], given[array], start) for start in starts]

        values = [builder.load(where, align=align) for where, align in vectors(0, at, step)]
        reach = 1
        while reach < LANES:  # swap blocks of `reach` beside the diagonal, then larger ones
            first = [lane if not lane & reach else LANES + lane - reach for lane in range(LANES)]
            second = [lane + reach if not lane & reach else LANES + lane for lane in range(LANES)]
            for i in [i for i in range(LANES) if not i & reach]:
                pair = values[i], values[i + reach]
                for offset, chosen in ((0, first), (reach, second)):
                    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), chosen)
                    values[i + offset] = builder.shuffle_vector(*pair, mask)
            reach *= 2
        for value, (where, align) in zip(values, vectors(3, place, stride), strict=True):
            builder.store(value, where, align=align)
        return context.get_dummy_value()

    i = types.int64
    return signature(types.void, source, i, i, target, i, i), emit
