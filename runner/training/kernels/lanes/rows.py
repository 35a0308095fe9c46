"""Between rows, a network each, and lanes: images go in, inverse depth comes out, its gradient goes in."""

from __future__ import annotations

from typing import Any

import numpy as np

from runner.training.kernels.compiled import compiled
from runner.training.kernels.lanes.maps import LINE, Map
from runner.training.kernels.lanes.vector import (
    clamp,
    keep_nan,
    load,
    multiply_add,
    nearest,
    power_of_two,
    spread,
    spread_like,
    store,
    transpose,
)
from runner.training.kernels.width import LANES

#: Beyond these, e to that power has left float32.
LEAST, MOST = -87.0, 88.0
#: Of the exponential's power series: more than float32 needs, as many as float64 does.
TERMS = 13


@compiled
def show(images: np.ndarray, shown: Map) -> None:
    """Images [B, 3, H, W] (values 0..1) -> centred, colours innermost."""
    half = images.dtype.type(0.5)
    for image in range(len(images)):
        for y in range(shown.height):
            for x in range(shown.width):
                place = image * shown.image + shown.inside + y * shown.row + x * shown.pixel
                for colour in range(3):
                    shown.values[place + colour] = images[image, colour, y, x] - half


@compiled
def say(head: Map, bias: np.ndarray, low: float, span: float, rows: np.ndarray) -> None:
    """A head's maps -> inverse depth, rows [LANES, B, 2 * height, 2 * width]: a sigmoid's share of the span above `low`. The
    four values of a pixel are four pixels. The maps keep the shares."""
    images, width = rows.shape[1], 2 * head.width
    one, low, span = spread(rows.dtype.type(1.0)), spread(rows.dtype.type(low)), spread(rows.dtype.type(span))
    flat, stride = rows.reshape(-1), images * 2 * head.height * width
    line = line_of_vectors(width, rows.dtype)
    for image in range(images):
        for y in range(2 * head.height):
            start = image * head.image + head.inside + (y // 2) * head.row + (y % 2) * 2 * LANES
            for x in range(width):
                at, c = start + (x // 2) * head.pixel + (x % 2) * LANES, (y % 2 * 2 + x % 2) * LANES
                share = one / (one + exponential(spread(rows.dtype.type(0.0)) - (load(head.values, at) + load(bias, c))))
                store(head.values, at, share)
                store(line, x * LANES, multiply_add(share, span, low))
            for x in range(0, width - LANES + 1, LANES):
                transpose(line, x * LANES, LANES, flat, (image * 2 * head.height + y) * width + x, stride)
            for x in range(width - width % LANES, width):
                for k in range(LANES):
                    flat[k * stride + (image * 2 * head.height + y) * width + x] = line[x * LANES + k]


@compiled
def hear(gradient: np.ndarray, span: float, head: Map, of_bias: np.ndarray) -> None:
    """The gradient of inverse depth, rows [LANES, B, 2 * height, 2 * width] -> that of the head's maps, which hold the shares,
    and its sum, the bias's."""
    images, width = gradient.shape[1], 2 * head.width
    one, span = spread(gradient.dtype.type(1.0)), spread(gradient.dtype.type(span))
    flat, stride = gradient.reshape(-1), images * 2 * head.height * width
    line = line_of_vectors(width, gradient.dtype)
    of_bias[:] = 0.0
    for image in range(images):
        for y in range(2 * head.height):
            for x in range(0, width - LANES + 1, LANES):
                transpose(flat, (image * 2 * head.height + y) * width + x, stride, line, x * LANES, LANES)
            for x in range(width - width % LANES, width):
                for k in range(LANES):
                    line[x * LANES + k] = flat[k * stride + (image * 2 * head.height + y) * width + x]
            start = image * head.image + head.inside + (y // 2) * head.row + (y % 2) * 2 * LANES
            for right in range(2):
                c = (y % 2 * 2 + right) * LANES
                total = spread(gradient.dtype.type(0.0))
                for x in range(head.width):
                    at = start + x * head.pixel + right * LANES
                    share = load(head.values, at)
                    value = load(line, (2 * x + right) * LANES) * span * share * (one - share)
                    store(head.values, at, value)
                    total = total + value
                store(of_bias, c, load(of_bias, c) + total)


@compiled
def line_of_vectors(width: int, dtype: np.dtype) -> np.ndarray:
    """A row's vectors, the first at the start of a cache line."""
    memory = np.empty(width * LANES + LINE, dtype)
    return memory[(-memory.ctypes.data // memory.itemsize) % (LINE // memory.itemsize) :][: width * LANES]


@compiled
def exponential(x: Any) -> Any:
    """e ** x to the last digit or two: 2 ** n times the power series of the rest, which is at most ln 2 / 2 (Cephes' way)."""
    within = clamp(x, spread_like(x, LEAST), spread_like(x, MOST))
    n = nearest(within * spread_like(x, 1.4426950408889634))
    rest = multiply_add(n, spread_like(x, -0.693359375), within)  # ln 2 in two parts, the first of few digits
    rest = multiply_add(n, spread_like(x, 2.12194440054690583e-4), rest)
    series = spread_like(x, 1.0)
    for k in range(TERMS, 0, -1):
        series = multiply_add(series, rest * spread_like(x, 1.0 / k), spread_like(x, 1.0))
    return keep_nan(x, series * power_of_two(n))
