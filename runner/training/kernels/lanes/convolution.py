"""3x3 convolutions, padded by 1, of one image after another: forward, and the gradients of input and weights.

Weights are [3, 3, in, out, LANES], flat. All three operations are the same tile with other strides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from runner.training.kernels.compiled import compiled
from runner.training.kernels.lanes.maps import Map
from runner.training.kernels.lanes.tile import CHANNELS, INPUTS, PIXELS, make_tile
from runner.training.kernels.width import LANES

tile_most, tile_3, tile_2, tile_1 = (make_tile(count, CHANNELS) for count in (PIXELS, 3, 2, 1))
shared_most, shared_1 = (make_tile(count, CHANNELS, shared=True) for count in (PIXELS, 1))
square = make_tile(INPUTS, CHANNELS)
colours = make_tile(3, CHANNELS, shared=True)
#: Pixels over which a weight's gradient is summed in registers: enough to justify loading it, few enough for the near caches.
SUMMED = 48
#: Input channels processed for all outputs before the next ones, so that a tile's pixels stay in the nearest cache.
INPUTS_AT_ONCE = 16


class Window(NamedTuple):
    """A rectangle of pixels in memory: its first element, and the strides of rows and pixels, in elements."""

    values: np.ndarray
    at: int
    row: int
    pixel: int


class Kernel(NamedTuple):
    """Weights: the strides of channels written and read, and the first element of each tap."""

    values: np.ndarray
    written: int
    read: int
    taps: np.ndarray


@compiled
def correlate(
    out: Window, a: Window, taps: np.ndarray, w: Kernel, channels: tuple[int, int, int], height: int, width: int, add: bool
) -> None:
    """Write (or add to) a window `out`, reading `a` at each tap. A tile's rows are pixels of one row, its columns channels.

    channels: how many are read, how many of these at once, how many are written.
    """
    read, at_once, written = channels
    for j in range(0, read, at_once):
        steps, more = min(at_once, read - j), add or j > 0
        for y in range(height):
            x = 0
            while x < width:
                left = width - x
                to, start = out.at + y * out.row + x * out.pixel, a.at + y * a.row + x * a.pixel + j * LANES
                for u in range(0, written, CHANNELS):
                    w_at = u * w.written + j * w.read
                    if left >= PIXELS:
                        tile_most(out.values, to + u * LANES, out.pixel, LANES, a.values, start, a.pixel, LANES, taps,
                                  w.values, w_at, w.written, w.read, w.taps, len(taps), steps, more)  # fmt: skip
                    elif left >= 3:
                        tile_3(out.values, to + u * LANES, out.pixel, LANES, a.values, start, a.pixel, LANES, taps,
                               w.values, w_at, w.written, w.read, w.taps, len(taps), steps, more)  # fmt: skip
                    elif left == 2:
                        tile_2(out.values, to + u * LANES, out.pixel, LANES, a.values, start, a.pixel, LANES, taps,
                               w.values, w_at, w.written, w.read, w.taps, len(taps), steps, more)  # fmt: skip
                    else:
                        tile_1(out.values, to + u * LANES, out.pixel, LANES, a.values, start, a.pixel, LANES, taps,
                               w.values, w_at, w.written, w.read, w.taps, len(taps), steps, more)  # fmt: skip
                x += PIXELS if left >= PIXELS else min(left, 3)


@compiled
def inside(m: Map, image: int) -> Window:
    """The window of an image without its border."""
    return Window(m.values, image * m.image + m.inside, m.row, m.pixel)


@compiled
def nine_taps(row: int, pixel: int) -> np.ndarray:
    """[9]: the offsets of the nine taps from the first."""
    taps = np.empty(9, np.int64)
    for tap in range(9):
        taps[tap] = (tap // 3) * row + (tap % 3) * pixel
    return taps


@compiled
def convolve(source: Map, weights: np.ndarray, stride: int, target: Map, image: int) -> None:
    """The convolution of one image."""
    inputs, outputs = source.channels, target.channels
    seen = Window(source.values, image * source.image, stride * source.row, stride * source.pixel)
    if inputs <= INPUTS_AT_ONCE:  # a row of taps is adjacent in memory: one tap of three pixels
        taps, step, read, at_once = source.row * np.arange(3), 3 * inputs * outputs * LANES, 3 * inputs, 3 * inputs
    else:
        taps, step, read, at_once = nine_taps(source.row, source.pixel), inputs * outputs * LANES, inputs, INPUTS_AT_ONCE
    kernel = Kernel(weights, LANES, outputs * LANES, step * np.arange(len(taps)))
    correlate(inside(target, image), seen, taps, kernel, (read, at_once, outputs), target.height, target.width, False)


@compiled
def convolve_image(source: Map, weights: np.ndarray, stride: int, target: Map, image: int) -> None:
    """The same for the layer that reads images, which all lanes share. A tap is a row of nine adjacent numbers."""
    step, out = stride * source.pixel, inside(target, image)
    w_row = target.channels * LANES
    taps, w_taps = source.row * np.arange(3), 9 * w_row * np.arange(3)
    for u in range(0, target.channels, CHANNELS):
        for y in range(target.height):
            to, start = out.at + y * out.row + u * LANES, image * source.image + y * stride * source.row
            x = 0
            while x + PIXELS <= target.width:
                shared_most(out.values, to + x * out.pixel, out.pixel, LANES, source.values, start + x * step, step, 1, taps,
                            weights, u * LANES, LANES, w_row, w_taps, 3, 9, False)  # fmt: skip
                x += PIXELS
            while x < target.width:
                shared_1(out.values, to + x * out.pixel, out.pixel, LANES, source.values, start + x * step, step, 1, taps,
                         weights, u * LANES, LANES, w_row, w_taps, 3, 9, False)  # fmt: skip
                x += 1


@compiled
def input_gradient(gradient: Map, weights: np.ndarray, stride: int, source: Map, image: int, add: bool) -> None:
    """The gradient of one image's input from that of its output, written (or added) to `source`.

    With stride 2, pixels of each parity (row, column) have other taps: 1, 2, 2 and 4 of the nine. All channels are read at
    once: with parts of them, the strides of their weights would map to the same few sets of a cache.
    """
    inputs, outputs = source.channels, gradient.channels
    taps, w_taps = np.empty(9, np.int64), np.empty(9, np.int64)
    for down in range(stride):
        for right in range(stride):
            count = 0
            for tap in range(9):
                below, beside = down + 1 - tap // 3, right + 1 - tap % 3
                if below % stride == 0 and beside % stride == 0:
                    taps[count] = (below // stride) * gradient.row + (beside // stride) * gradient.pixel
                    w_taps[count] = tap * inputs * outputs * LANES
                    count += 1
            first = image * source.image + source.inside + down * source.row + right * source.pixel
            out = Window(source.values, first, stride * source.row, stride * source.pixel)
            kernel = Kernel(weights, outputs * LANES, LANES, w_taps[:count])
            height, width = source.height // stride, source.width // stride
            correlate(out, inside(gradient, image), taps[:count], kernel, (outputs, outputs, inputs), height, width, add)


@compiled
def row_starts(source: Map, gradient: Map, stride: int, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """For each row of pixels of these images, the offsets of its input and of its output."""
    rows = (last - first) * gradient.height
    a, b = np.empty(rows, np.int64), np.empty(rows, np.int64)
    for row in range(rows):
        image, y = first + row // gradient.height, row % gradient.height
        a[row] = image * source.image + y * stride * source.row
        b[row] = image * gradient.image + gradient.inside + y * gradient.row
    return a, b


@compiled
def weight_gradient(source: Map, gradient: Map, stride: int, weights: np.ndarray, first: int, last: int, add: bool) -> None:
    """The gradient of the weights over images `first` to `last` - 1, written (or added) to `weights`."""
    inputs, outputs = source.channels, gradient.channels
    (a, b), at_once = row_starts(source, gradient, stride, first, last), max(1, SUMMED // gradient.width)
    taps, step = nine_taps(source.row, source.pixel), stride * source.pixel
    for start in range(0, len(a), at_once):
        of_a, of_b = a[start : start + at_once], b[start : start + at_once]
        for tap in range(9):
            for i in range(0, inputs, INPUTS):
                for u in range(0, outputs, CHANNELS):
                    to = ((tap * inputs + i) * outputs + u) * LANES
                    square(weights, to, outputs * LANES, LANES, source.values, taps[tap] + i * LANES, LANES, step, of_a,
                           gradient.values, u * LANES, LANES, gradient.pixel, of_b,
                           len(of_a), gradient.width, add or start > 0)  # fmt: skip


@compiled
def weight_gradient_image(
    source: Map, gradient: Map, stride: int, weights: np.ndarray, first: int, last: int, add: bool
) -> None:
    """The same for the layer that reads images."""
    outputs = gradient.channels
    (a, b), at_once = row_starts(source, gradient, stride, first, last), max(1, SUMMED // gradient.width)
    taps, step = nine_taps(source.row, source.pixel), stride * source.pixel
    for start in range(0, len(a), at_once):
        of_a, of_b = a[start : start + at_once], b[start : start + at_once]
        for tap in range(9):
            for u in range(0, outputs, CHANNELS):
                to = (tap * 3 * outputs + u) * LANES
                colours(weights, to, outputs * LANES, LANES, source.values, taps[tap], 1, step, of_a,
                        gradient.values, u * LANES, LANES, gradient.pixel, of_b,
                        len(of_a), gradient.width, add or start > 0)  # fmt: skip
