"""3x3 convolutions, padded by 1, of one image after another: forward, and the gradients of input and weights.

Weights are [3, 3, in, out, LANES], flat. All three are the same tile with other strides.
"""

from __future__ import annotations

import numpy as np

from runner.lanes.compiled import compiled
from runner.lanes.maps import Map
from runner.lanes.tile import CHANNELS, INPUTS, PIXELS, make_tile
from runner.lanes.width import LANES

tile_most, tile_3, tile_2, tile_1 = (make_tile(count, CHANNELS) for count in (PIXELS, 3, 2, 1))
shared_most, shared_1 = (make_tile(count, CHANNELS, shared=True) for count in (PIXELS, 1))
square = make_tile(INPUTS, CHANNELS)
colours = make_tile(3, CHANNELS, shared=True)
#: Pixels over which a weight's gradient is summed in registers: enough to pay for loading it, few enough for the near caches.
SUMMED = 48
#: Channels of the input gone through for all outputs, so that a tile's pixels stay in the nearest cache.
INPUTS_AT_ONCE = 16


@compiled
def correlate(out, out_at, out_row, out_pixel, a, a_at, a_row, a_pixel, a_taps, w, w_u, w_j, w_taps, inputs, at_once, outputs, height, width, add):  # fmt: skip
    """A rectangle of pixels, all output channels: a tile's rows are pixels of one row, its columns channels.

    `at_once` channels of the input are gone through for all outputs before the next.
    """
    taps = len(a_taps)
    for j in range(0, inputs, at_once):
        steps, more = min(at_once, inputs - j), add or j > 0
        for y in range(height):
            o, i = out_at + y * out_row, a_at + y * a_row + j * LANES
            x = 0
            while x < width:
                left = width - x
                at, start = o + x * out_pixel, i + x * a_pixel
                for u in range(0, outputs, CHANNELS):
                    w_at = u * w_u + j * w_j
                    if left >= PIXELS:
                        tile_most(out, at + u * LANES, out_pixel, LANES, a, start, a_pixel, LANES, a_taps,
                                  w, w_at, w_u, w_j, w_taps, taps, steps, more)  # fmt: skip
                    elif left >= 3:
                        tile_3(out, at + u * LANES, out_pixel, LANES, a, start, a_pixel, LANES, a_taps,
                               w, w_at, w_u, w_j, w_taps, taps, steps, more)  # fmt: skip
                    elif left == 2:
                        tile_2(out, at + u * LANES, out_pixel, LANES, a, start, a_pixel, LANES, a_taps,
                               w, w_at, w_u, w_j, w_taps, taps, steps, more)  # fmt: skip
                    else:
                        tile_1(out, at + u * LANES, out_pixel, LANES, a, start, a_pixel, LANES, a_taps,
                               w, w_at, w_u, w_j, w_taps, taps, steps, more)  # fmt: skip
                x += PIXELS if left >= PIXELS else 3 if left >= 3 else left


@compiled
def convolve(source: Map, weights, stride, target: Map, image):
    """One image."""
    inputs, outputs = source.channels, target.channels
    a_taps, w_taps = np.empty(9, np.int64), np.empty(9, np.int64)
    for tap in range(9):
        a_taps[tap] = (tap // 3) * source.row + (tap % 3) * source.pixel
        w_taps[tap] = tap * inputs * outputs * LANES
    correlate(target.values, image * target.image + target.inside, target.row, target.pixel,
              source.values, image * source.image, stride * source.row, stride * source.pixel, a_taps,
              weights, LANES, outputs * LANES, w_taps, inputs, INPUTS_AT_ONCE, outputs,
              target.height, target.width, False)  # fmt: skip


@compiled
def convolve_image(source: Map, weights, stride, target: Map, image):
    """One image, whose three colours are the same for all lanes."""
    a_taps, w_taps = np.empty(9, np.int64), np.empty(9, np.int64)
    for tap in range(9):
        a_taps[tap] = (tap // 3) * source.row + (tap % 3) * source.pixel
        w_taps[tap] = tap * 3 * target.channels * LANES
    step = stride * source.pixel
    for u in range(0, target.channels, CHANNELS):
        for y in range(target.height):
            o = image * target.image + target.inside + y * target.row + u * LANES
            i = image * source.image + y * stride * source.row
            x = 0
            while x + PIXELS <= target.width:
                shared_most(target.values, o + x * target.pixel, target.pixel, LANES, source.values, i + x * step, step, 1,
                            a_taps, weights, u * LANES, LANES, target.channels * LANES, w_taps, 9, 3, False)  # fmt: skip
                x += PIXELS
            while x < target.width:
                shared_1(target.values, o + x * target.pixel, target.pixel, LANES, source.values, i + x * step, step, 1,
                         a_taps, weights, u * LANES, LANES, target.channels * LANES, w_taps, 9, 3, False)  # fmt: skip
                x += 1


@compiled
def input_gradient(gradient: Map, weights, stride, source: Map, image, add):
    """Of one image: the gradient of the output -> that of the input, written (or added) into `source`.

    All channels at once: in parts, those of a weight lie so far apart that they fall into the same places of a cache. With stride 2, pixels of each parity (row, column) are reached by taps of their own: 1, 2, 2 and 4 of the nine.
    """
    inputs, outputs = source.channels, gradient.channels
    g_taps, w_taps = np.empty(9, np.int64), np.empty(9, np.int64)
    for down in range(stride):
        for right in range(stride):
            taps = 0
            for ky in range(3):
                for kx in range(3):
                    if (down + 1 - ky) % stride == 0 and (right + 1 - kx) % stride == 0:
                        g_taps[taps] = ((down + 1 - ky) // stride) * gradient.row + (
                            (right + 1 - kx) // stride
                        ) * gradient.pixel
                        w_taps[taps] = (ky * 3 + kx) * inputs * outputs * LANES
                        taps += 1
            correlate(source.values, image * source.image + source.inside + down * source.row + right * source.pixel,
                      stride * source.row, stride * source.pixel,
                      gradient.values, image * gradient.image + gradient.inside, gradient.row, gradient.pixel, g_taps[:taps],
                      weights, outputs * LANES, LANES, w_taps[:taps], outputs, outputs, inputs,
                      source.height // stride, source.width // stride, add)  # fmt: skip


@compiled
def row_starts(source: Map, gradient: Map, stride, first, last):
    """Of each row of pixels of these images: where the input's and where the output's begin."""
    rows = (last - first) * gradient.height
    a, b = np.empty(rows, np.int64), np.empty(rows, np.int64)
    for row in range(rows):
        image, y = first + row // gradient.height, row % gradient.height
        a[row] = image * source.image + y * stride * source.row
        b[row] = image * gradient.image + gradient.inside + y * gradient.row
    return a, b


@compiled
def weight_gradient(source: Map, gradient: Map, stride, weights, first, last, add):
    """Of images `first` to before `last`: the gradient of the weights, written (or added) into `weights`."""
    inputs, outputs = source.channels, gradient.channels
    a, b = row_starts(source, gradient, stride, first, last)
    at_once = max(1, SUMMED // gradient.width)
    for start in range(0, len(a), at_once):
        count = min(at_once, len(a) - start)
        more = add or start > 0
        for tap in range(9):
            offset = (tap // 3) * source.row + (tap % 3) * source.pixel
            for i in range(0, inputs, INPUTS):
                for u in range(0, outputs, CHANNELS):
                    square(weights, ((tap * inputs + i) * outputs + u) * LANES, outputs * LANES, LANES,
                           source.values, offset + i * LANES, LANES, stride * source.pixel, a[start : start + count],
                           gradient.values, u * LANES, LANES, gradient.pixel, b[start : start + count],
                           count, gradient.width, more)  # fmt: skip


@compiled
def weight_gradient_image(source: Map, gradient: Map, stride, weights, first, last, add):
    """The same for the layer that sees the images."""
    outputs = gradient.channels
    a, b = row_starts(source, gradient, stride, first, last)
    at_once = max(1, SUMMED // gradient.width)
    for start in range(0, len(a), at_once):
        count = min(at_once, len(a) - start)
        more = add or start > 0
        for tap in range(9):
            offset = (tap // 3) * source.row + (tap % 3) * source.pixel
            for u in range(0, outputs, CHANNELS):
                colours(weights, (tap * 3 * outputs + u) * LANES, outputs * LANES, LANES,
                        source.values, offset, 1, stride * source.pixel, a[start : start + count],
                        gradient.values, u * LANES, LANES, gradient.pixel, b[start : start + count],
                        count, gradient.width, more)  # fmt: skip
