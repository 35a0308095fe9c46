"""Conversion between lanes and rows (a network each): images in, inverse depth out, its gradient in."""

from __future__ import annotations

from typing import Any

import numpy as np

from runner.training.kernels.compiled import compiled
from runner.training.kernels.lanes.maps import LINE, Map
from runner.training.kernels.lanes.vector import (
    broadcast,
    broadcast_like,
    clamp,
    keep_nan,
    load,
    multiply_add,
    power_of_two,
    rounded,
    store,
    transpose,
)
from runner.training.kernels.width import LANES

#: Outside these limits e ** x is not a normal float32.
LEAST, MOST = -87.0, 88.0
#: Terms of the exponential's power series: as many as float64 needs.
TERMS = 13


@compiled
def load_images(images: np.ndarray, image_map: Map) -> None:
    """Images [B, 3, H, W] (values 0..1) -> `image_map`, minus 0.5, colours innermost."""
    half = images.dtype.type(0.5)
    for image in range(len(images)):
        for y in range(image_map.height):
            for x in range(image_map.width):
                place = image * image_map.image + image_map.inside + y * image_map.row + x * image_map.pixel
                for colour in range(3):
                    image_map.values[place + colour] = images[image, colour, y, x] - half


@compiled
def write_inverse_depth(head: Map, bias: np.ndarray, low: float, span: float, rows: np.ndarray) -> None:
    """A head's map -> inverse depth, rows [LANES, B, 2 * height, 2 * width]: low + span * sigmoid. The four values of a pixel
    become four pixels. The map is overwritten with the sigmoids."""
    images, width = rows.shape[1], 2 * head.width
    one, low, span = broadcast(rows.dtype.type(1.0)), broadcast(rows.dtype.type(low)), broadcast(rows.dtype.type(span))
    flat, stride = rows.reshape(-1), images * 2 * head.height * width
    line = line_of_vectors(width, rows.dtype)
    for image in range(images):
        for y in range(2 * head.height):
            start = image * head.image + head.inside + (y // 2) * head.row + (y % 2) * 2 * LANES
            for x in range(width):
                at, c = start + (x // 2) * head.pixel + (x % 2) * LANES, (y % 2 * 2 + x % 2) * LANES
                sigmoid = one / (one + exponential(broadcast(rows.dtype.type(0.0)) - (load(head.values, at) + load(bias, c))))
                store(head.values, at, sigmoid)
                store(line, x * LANES, multiply_add(sigmoid, span, low))
            for x in range(0, width - LANES + 1, LANES):
                transpose(line, x * LANES, LANES, flat, (image * 2 * head.height + y) * width + x, stride)
            for x in range(width - width % LANES, width):
                for k in range(LANES):
                    flat[k * stride + (image * 2 * head.height + y) * width + x] = line[x * LANES + k]


@compiled
def read_gradient(gradient: np.ndarray, span: float, head: Map, of_bias: np.ndarray) -> None:
    """The gradient of inverse depth, rows [LANES, B, 2 * height, 2 * width] -> that of the head, overwriting the sigmoids in
    its map, and of its bias."""
    images, width = gradient.shape[1], 2 * head.width
    one, span = broadcast(gradient.dtype.type(1.0)), broadcast(gradient.dtype.type(span))
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
                total = broadcast(gradient.dtype.type(0.0))
                for x in range(head.width):
                    at = start + x * head.pixel + right * LANES
                    sigmoid = load(head.values, at)
                    value = load(line, (2 * x + right) * LANES) * span * sigmoid * (one - sigmoid)
                    store(head.values, at, value)
                    total = total + value
                store(of_bias, c, load(of_bias, c) + total)


@compiled
def line_of_vectors(width: int, dtype: np.dtype) -> np.ndarray:
    """Memory for a row of vectors, aligned to a cache line."""
    memory = np.empty(width * LANES + LINE, dtype)
    return memory[(-memory.ctypes.data // memory.itemsize) % (LINE // memory.itemsize) :][: width * LANES]


@compiled
def exponential(x: Any) -> Any:
    """e ** x to the last digit or two, as in Cephes: 2 ** n times the power series of the rest, which is at most ln 2 / 2."""
    within = clamp(x, broadcast_like(x, LEAST), broadcast_like(x, MOST))
    n = rounded(within * broadcast_like(x, 1.4426950408889634))
    rest = multiply_add(n, broadcast_like(x, -0.693359375), within)  # ln 2 in two parts, the first with few digits
    rest = multiply_add(n, broadcast_like(x, 2.12194440054690583e-4), rest)
    series = broadcast_like(x, 1.0)
    for k in range(TERMS, 0, -1):
        series = multiply_add(series, rest * broadcast_like(x, 1.0 / k), broadcast_like(x, 1.0))
    return keep_nan(x, series * power_of_two(n))
