"""BatchNorm and ReLU between convolutions: K*C channels, each lane and channel with statistics of its own.

Vectors of channels and lanes, [channels * LANES], are written [N] below. Sums run over a row of pixels first and are then
joined, so that float32 loses nothing with the number of pixels, and the variance is centred.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from runner.training.kernels.compiled import compiled
from runner.training.kernels.lanes.maps import Map, aligned
from runner.training.kernels.lanes.vector import load, multiply_add, spread, store, where_positive
from runner.training.kernels.width import LANES

EPS = 1e-5


class Norm(NamedTuple):
    """What a BatchNorm has and makes, [N] each. `scale` and `shift` turn a convolution's output into the normalised one."""

    gamma: np.ndarray
    beta: np.ndarray
    mean: np.ndarray
    variance: np.ndarray  # of the batch, biased, times the number of pixels until `settle`
    inverse_std: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    of_gamma: np.ndarray  # gradients
    of_beta: np.ndarray

    @classmethod
    def empty(cls, channels: int, dtype: np.dtype) -> Norm:
        return cls(*(aligned(channels * LANES, dtype) for _ in cls._fields))


@compiled
def begin(norm: Norm) -> None:
    """Before the first image is measured."""
    norm.mean[:] = 0.0
    norm.variance[:] = 0.0


@compiled
def measure(y: Map, norm: Norm, image: int) -> None:
    """Join an image's mean and squared deviations, row by row, to those of the images before (Chan, Golub, LeVeque 1979)."""
    number = y.values.dtype.type
    for row in range(y.height):
        start = image * y.image + y.inside + row * y.row
        before = (image * y.height + row) * y.width
        share = spread(number(y.width / (before + y.width)))
        between = spread(number(before * y.width / (before + y.width)))
        of_row = spread(number(1.0 / y.width))
        for c in range(0, y.pixel, LANES):
            mean, squares = spread(number(0.0)), spread(number(0.0))
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
def settle(norm: Norm, pixels: int) -> None:
    """After the last image was measured."""
    of_all = norm.mean.dtype.type(1.0 / pixels)
    for i in range(len(norm.mean)):
        norm.variance[i] *= of_all
    use(norm)


@compiled
def use(norm: Norm) -> None:
    """Scale and shift, from mean and variance."""
    eps, one = norm.mean.dtype.type(EPS), norm.mean.dtype.type(1.0)
    for i in range(len(norm.mean)):
        norm.inverse_std[i] = one / np.sqrt(norm.variance[i] + eps)
        norm.scale[i] = norm.gamma[i] * norm.inverse_std[i]
        norm.shift[i] = norm.beta[i] - norm.mean[i] * norm.scale[i]


@compiled
def rectified(y: Map, at: int, scale: Any, shift: Any) -> Any:
    """ReLU of a normalised vector. A NaN stays one."""
    value = multiply_add(load(y.values, at), scale, shift)
    return where_positive(value, value)


@compiled
def activate(y: Map, norm: Norm, a: Map, image: int) -> None:
    """ReLU of the normalised convolution, one image."""
    other = image * (a.image - y.image)  # where the image is in `a`
    for row in range(y.height):
        start = image * y.image + y.inside + row * y.row
        for c in range(0, y.pixel, LANES):
            scale, shift = load(norm.scale, c), load(norm.shift, c)
            for at in range(start + c, start + c + y.width * y.pixel, y.pixel):
                store(a.values, at + other, rectified(y, at, scale, shift))


@compiled
def activate_and_join(y: Map, norm: Norm, skip: Map, of_skip: Norm, joined: Map, image: int) -> None:
    """The same, doubled in height and width (nearest neighbour) and added to that of the encoder's convolution."""
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
def begin_backward(norm: Norm) -> None:
    """Before the first image's gradient comes back."""
    norm.of_gamma[:] = 0.0
    norm.of_beta[:] = 0.0


@compiled
def through_activation(y: Map, norm: Norm, g: Map, image: int) -> None:
    """One image's gradient `g` of the activation, made that of the normalised value in place, and its sums."""
    for row in range(y.height):
        start = image * y.image + y.inside + row * y.row
        for c in range(0, y.pixel, LANES):
            scale, shift, mean = load(norm.scale, c), load(norm.shift, c), load(norm.mean, c)
            of_beta, along = spread(y.values.dtype.type(0.0)), spread(y.values.dtype.type(0.0))
            for at in range(start + c, start + c + y.width * y.pixel, y.pixel):
                value = load(y.values, at)
                slope = where_positive(multiply_add(value, scale, shift), load(g.values, at))
                store(g.values, at, slope)
                of_beta = of_beta + slope
                along = multiply_add(slope, value - mean, along)
            add_gradients(norm, c, along, of_beta)


@compiled
def through_join(joined: Map, y: Map, norm: Norm, g: Map, image: int) -> None:
    """The same below a doubling: the gradient `joined` of four pixels is that of one."""
    n = y.pixel
    for row in range(y.height):
        start = image * y.image + y.inside + row * y.row
        fine = image * joined.image + joined.inside + 2 * row * joined.row
        for c in range(0, n, LANES):
            scale, shift, mean = load(norm.scale, c), load(norm.shift, c), load(norm.mean, c)
            of_beta, along = spread(y.values.dtype.type(0.0)), spread(y.values.dtype.type(0.0))
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
    """Of one channel: sums of g * (y - mean) and of g."""
    store(norm.of_gamma, c, multiply_add(along, load(norm.inverse_std, c), load(norm.of_gamma, c)))
    store(norm.of_beta, c, load(norm.of_beta, c) + of_beta)


@compiled
def through_norm(y: Map, norm: Norm, g: Map, pixels: int, image: int) -> None:
    """One image's gradient `g` of the normalised value -> that of the convolution's output, which takes the place of `y`:
    gamma / std * (g - mean g - z * mean (g z)), z being the standardised value."""
    of_all = spread(y.values.dtype.type(1.0 / pixels))
    for row in range(y.height):
        start = image * y.image + y.inside + row * y.row
        for c in range(0, y.pixel, LANES):
            scale, mean, level = load(norm.scale, c), load(norm.mean, c), load(norm.of_beta, c) * of_all
            slope = load(norm.of_gamma, c) * of_all * load(norm.inverse_std, c)
            for at in range(start + c, start + c + y.width * y.pixel, y.pixel):
                away = (load(y.values, at) - mean) * slope
                store(y.values, at, scale * ((load(g.values, at) - level) - away))
