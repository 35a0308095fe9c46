"""BatchNorm and ReLU between convolutions, with separate statistics for each lane and channel.

[N] below means [channels * LANES]. Statistics are taken of each row of pixels and then merged, and the variance is centred:
so float32 loses no digits, however many pixels there are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from runner.training.kernels.compiled import compiled
from runner.training.kernels.lanes.maps import Map, aligned
from runner.training.kernels.lanes.vector import broadcast, load, multiply_add, store, where_positive
from runner.training.kernels.width import LANES

EPS = 1e-5


class Norm(NamedTuple):
    """Parameters and statistics of a BatchNorm, [N] each. `scale` and `shift` normalise a convolution's output."""

    gamma: np.ndarray
    beta: np.ndarray
    mean: np.ndarray
    variance: np.ndarray  # biased; a sum of squares until `finish_statistics`
    inverse_std: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    of_gamma: np.ndarray  # gradients
    of_beta: np.ndarray

    @classmethod
    def empty(cls, channels: int, dtype: np.dtype) -> Norm:
        return cls(*(aligned(channels * LANES, dtype) for _ in cls._fields))


@compiled
def add_image_statistics(y: Map, norm: Norm, image: int) -> None:
    """Merge an image's mean and squared deviations, row by row, with those before (Chan, Golub, LeVeque 1979)."""
    number = y.values.dtype.type
    for row in range(y.height):
        start = image * y.image + y.inside + row * y.row
        before = (image * y.height + row) * y.width
        share = broadcast(number(y.width / (before + y.width)))
        between = broadcast(number(before * y.width / (before + y.width)))
        of_row = broadcast(number(1.0 / y.width))
        for c in range(0, y.pixel, LANES):
            mean, squares = broadcast(number(0.0)), broadcast(number(0.0))
            for at in range(start + c, start + c + y.width * y.pixel, y.pixel):
                mean = mean + load(y.values, at)
            mean = mean * of_row
            for at in range(start + c, start + c + y.width * y.pixel, y.pixel):
                away = load(y.values, at) - mean
                squares = multiply_add(away, away, squares)
            away = mean - load(norm.mean, c)
            store(norm.mean, c, multiply_add(away, share, load(norm.mean, c)))
            store(norm.variance, c, load(norm.variance, c) + multiply_add(away * away, between, squares))


@compiled
def finish_statistics(norm: Norm, pixels: int) -> None:
    """Call after the last image."""
    of_all = norm.mean.dtype.type(1.0 / pixels)
    for i in range(len(norm.mean)):
        norm.variance[i] *= of_all
    set_scale_and_shift(norm)


@compiled
def set_scale_and_shift(norm: Norm) -> None:
    """Set scale and shift from mean and variance."""
    eps, one = norm.mean.dtype.type(EPS), norm.mean.dtype.type(1.0)
    for i in range(len(norm.mean)):
        norm.inverse_std[i] = one / np.sqrt(norm.variance[i] + eps)
        norm.scale[i] = norm.gamma[i] * norm.inverse_std[i]
        norm.shift[i] = norm.beta[i] - norm.mean[i] * norm.scale[i]


@compiled
def rectified(y: Map, at: int, scale: Any, shift: Any) -> Any:
    """ReLU of the normalised vector at an element; NaN stays NaN."""
    value = multiply_add(load(y.values, at), scale, shift)
    return where_positive(value, value)


@compiled
def activate(y: Map, norm: Norm, a: Map, image: int) -> None:
    """Write ReLU of one image's normalised convolution to `a`."""
    other = image * (a.image - y.image)  # where the image is in `a`
    for row in range(y.height):
        start = image * y.image + y.inside + row * y.row
        for c in range(0, y.pixel, LANES):
            scale, shift = load(norm.scale, c), load(norm.shift, c)
            for at in range(start + c, start + c + y.width * y.pixel, y.pixel):
                store(a.values, at + other, rectified(y, at, scale, shift))


@compiled
def activate_and_join(y: Map, norm: Norm, skip: Map, of_skip: Norm, joined: Map, image: int) -> None:
    """The same, doubled in height and width (nearest neighbour) and added to the encoder's activation, to `joined`."""
    n = y.pixel
    for row in range(y.height):
        start = image * y.image + y.inside + row * y.row
        fine = image * skip.image + skip.inside + 2 * row * skip.row
        for c in range(0, n, LANES):
            scale, shift = load(norm.scale, c), load(norm.shift, c)
            skip_scale, skip_shift = load(of_skip.scale, c), load(of_skip.shift, c)
            for x in range(y.width):
                value = rectified(y, start + x * n + c, scale, shift)
                above = fine + 2 * x * n + c
                below = above + skip.row
                store(joined.values, above, rectified(skip, above, skip_scale, skip_shift) + value)
                store(joined.values, above + n, rectified(skip, above + n, skip_scale, skip_shift) + value)
                store(joined.values, below, rectified(skip, below, skip_scale, skip_shift) + value)
                store(joined.values, below + n, rectified(skip, below + n, skip_scale, skip_shift) + value)


@compiled
def activation_gradient(y: Map, norm: Norm, g: Map, image: int) -> None:
    """Turn one image's gradient `g` of the activation into that of the normalised value, in place, and add its sums."""
    for row in range(y.height):
        start = image * y.image + y.inside + row * y.row
        for c in range(0, y.pixel, LANES):
            scale, shift, mean = load(norm.scale, c), load(norm.shift, c), load(norm.mean, c)
            of_beta, along = broadcast(y.values.dtype.type(0.0)), broadcast(y.values.dtype.type(0.0))
            for at in range(start + c, start + c + y.width * y.pixel, y.pixel):
                value = load(y.values, at)
                slope = where_positive(multiply_add(value, scale, shift), load(g.values, at))
                store(g.values, at, slope)
                of_beta = of_beta + slope
                along = multiply_add(slope, value - mean, along)
            add_gradients(norm, c, along, of_beta)


@compiled
def join_gradient(joined: Map, y: Map, norm: Norm, g: Map, image: int) -> None:
    """The same where the activation was doubled: the gradients in `joined` of four pixels are summed, to `g`."""
    n = y.pixel
    for row in range(y.height):
        start = image * y.image + y.inside + row * y.row
        fine = image * joined.image + joined.inside + 2 * row * joined.row
        for c in range(0, n, LANES):
            scale, shift, mean = load(norm.scale, c), load(norm.shift, c), load(norm.mean, c)
            of_beta, along = broadcast(y.values.dtype.type(0.0)), broadcast(y.values.dtype.type(0.0))
            for x in range(y.width):
                above = fine + 2 * x * n + c
                below = above + joined.row
                four = (load(joined.values, above) + load(joined.values, above + n)) + (
                    load(joined.values, below) + load(joined.values, below + n)
                )
                value = load(y.values, start + x * n + c)
                slope = where_positive(multiply_add(value, scale, shift), four)
                store(g.values, start + x * n + c, slope)
                of_beta = of_beta + slope
                along = multiply_add(slope, value - mean, along)
            add_gradients(norm, c, along, of_beta)


@compiled
def add_gradients(norm: Norm, c: int, along: Any, of_beta: Any) -> None:
    """Add the sums of g * (y - mean) and of g to one channel's gradients of gamma and beta."""
    store(norm.of_gamma, c, multiply_add(along, load(norm.inverse_std, c), load(norm.of_gamma, c)))
    store(norm.of_beta, c, load(norm.of_beta, c) + of_beta)


@compiled
def norm_gradient(y: Map, norm: Norm, g: Map, pixels: int, image: int) -> None:
    """Overwrite one image's `y` with the gradient of the convolution's output, from `g`, that of the normalised value:
    gamma / std * (g - mean g - z * mean (g z)), where z is the standardised value."""
    of_all = broadcast(y.values.dtype.type(1.0 / pixels))
    for row in range(y.height):
        start = image * y.image + y.inside + row * y.row
        for c in range(0, y.pixel, LANES):
            scale, mean, level = load(norm.scale, c), load(norm.mean, c), load(norm.of_beta, c) * of_all
            slope = load(norm.of_gamma, c) * of_all * load(norm.inverse_std, c)
            for at in range(start + c, start + c + y.width * y.pixel, y.pixel):
                away = (load(y.values, at) - mean) * slope
                store(y.values, at, scale * ((load(g.values, at) - level) - away))
