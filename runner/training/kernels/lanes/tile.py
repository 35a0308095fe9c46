"""The product from which all convolutions are built: a tile of sums over vectors.

A vector holds the same weight, or the same pixel, of LANES networks: every lane has work, whatever the number of channels,
and no network can reach another's numbers. It is written in LLVM's intermediate language, because a compiler's loops do not
keep two dozen sums in registers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from runner.training.kernels.lanes.vector import broadcast_value, llvm_vector, multiply_add_values, vector_pointer
from runner.training.kernels.width import LANES, WIDE

#: Pixels and channels of a tile: its sums and factors fit into the registers (32 of AVX-512; 16 of AVX2, two a vector).
PIXELS, CHANNELS = (6, 4) if WIDE else (3, 2)
#: Input channels of a tile of a weight's gradient, where both factors change with every pixel.
INPUTS = 4 if WIDE else 2

INDEX = ir.IntType(64)
OUT, A, A_TAPS, B, B_TAPS = 0, 4, 8, 9, 13  # indices of the arrays among a tile's arguments


def make_tile(rows: int, columns: int, shared: bool = False) -> Any:
    """A numba intrinsic that computes rows x columns vectors: out[t, u] (+)= sum over taps i and steps j of a[t] * b[u].

    Its arguments are arrays with offsets and strides in elements. `out, out_at, out_t, out_u`: row t, column u is at out_at +
    t * out_t + u * out_u. `a, a_at, a_t, a_j, a_taps`: row t at tap i and step j is at a_at + a_taps[i] + t * a_t + j * a_j.
    `b, b_at, b_u, b_j, b_taps`: likewise. Then the numbers of taps and steps, and whether to add to `out`.

    Args:
        rows: number of t.
        columns: number of u.
        shared: `a` has single numbers, the same for all lanes (images), instead of vectors.
    """

    @intrinsic
    def tile(
        context: Any, out: Any, out_at: Any, out_t: Any, out_u: Any, a: Any, a_at: Any, a_t: Any, a_j: Any, a_taps: Any,
        b: Any, b_at: Any, b_u: Any, b_j: Any, b_taps: Any, taps: Any, steps: Any, add: Any
    ) -> Any:  # fmt: skip
        i = types.int64
        signature = types.void(out, i, i, i, a, i, i, i, a_taps, b, i, i, i, b_taps, i, i, types.boolean)
        return signature, lambda *given: Tile(rows, columns, shared, *given).emit()

    return tile


class Tile:
    """Emits the LLVM code of one tile."""

    def __init__(self, rows: int, columns: int, shared: bool, context: Any, builder: Any, signature: Any, given: Any) -> None:
        self.rows, self.columns, self.shared = rows, columns, shared
        self.context, self.builder, self.signature, self.given = context, builder, signature, given
        self.vector = llvm_vector(signature.args[0].dtype)

    def emit(self) -> Any:
        build = self.builder
        out_at, out_t, out_u, a_at, a_t, a_j = (self.given[place] for place in (1, 2, 3, 5, 6, 7))
        b_at, b_u, b_j, taps, steps, add = (self.given[place] for place in (10, 11, 12, 14, 15, 16))
        cells = [(t, u) for t in range(self.rows) for u in range(self.columns)]
        places = {cell: self._offset(out_at, (out_t, cell[0]), (out_u, cell[1])) for cell in cells}
        sums = {cell: cgutils.alloca_once(build, self.vector) for cell in cells}  # in registers, once optimised
        with build.if_else(add) as (yes, no):
            with yes:
                for cell in cells:
                    build.store(self._load(OUT, places[cell]), sums[cell])
            with no:
                for cell in cells:
                    build.store(ir.Constant(self.vector, [0.0] * LANES), sums[cell])
        with cgutils.for_range(build, taps) as tap:
            a_tap = build.add(a_at, self._number(A_TAPS, tap.index))
            b_tap = build.add(b_at, self._number(B_TAPS, tap.index))
            with cgutils.for_range(build, steps) as step:
                a_step, b_step = self._offset(a_tap, (a_j, step.index)), self._offset(b_tap, (b_j, step.index))
                of_b = [self._load(B, self._offset(b_step, (b_u, u))) for u in range(self.columns)]
                for t in range(self.rows):
                    of_a = self._factor(self._offset(a_step, (a_t, t)))
                    for u in range(self.columns):
                        build.store(multiply_add_values(build, of_a, of_b[u], build.load(sums[t, u])), sums[t, u])
        for cell in cells:
            place, align = self._pointer(OUT, places[cell])
            build.store(build.load(sums[cell]), place, align=align)
        return self.context.get_dummy_value()

    def _offset(self, start: Any, *steps: tuple[Any, Any]) -> Any:
        for stride, count in steps:
            start = self.builder.add(start, self.builder.mul(stride, INDEX(count) if isinstance(count, int) else count))
        return start

    def _number(self, array: int, at: Any) -> Any:
        data = self.context.make_array(self.signature.args[array])(self.context, self.builder, self.given[array]).data
        return self.builder.load(self.builder.gep(data, [at]))

    def _pointer(self, array: int, at: Any) -> tuple[Any, int]:
        return vector_pointer(self.context, self.builder, self.signature.args[array], self.given[array], at)

    def _load(self, array: int, at: Any) -> Any:
        place, align = self._pointer(array, at)
        return self.builder.load(place, align=align)

    def _factor(self, at: Any) -> Any:
        return broadcast_value(self.builder, self._number(A, at)) if self.shared else self._load(A, at)
