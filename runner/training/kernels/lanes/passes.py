"""The network's stages, forward and back. Each goes through the batch image by image, so that what one part of a stage has
written the next finds in a near cache; between stages stands a BatchNorm, which must have seen the whole batch.

Backward, gradients take the place of what is no longer needed: that of a convolution's output lies in its `y`, that of an
activation where the activation was. Large activations are kept for no longer than an image's turn (`Map.of_one`) and made again
from `y`: memory is slower than arithmetic.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from runner.training.kernels.compiled import compiled
from runner.training.kernels.lanes.convolution import (
    SUMMED,
    convolve,
    convolve_image,
    input_gradient,
    weight_gradient,
    weight_gradient_image,
)
from runner.training.kernels.lanes.maps import Map
from runner.training.kernels.lanes.normalisation import (
    Norm,
    activate,
    activate_and_join,
    begin,
    begin_backward,
    measure,
    settle,
    through_activation,
    through_join,
    through_norm,
)


class Convolution(NamedTuple):
    """A convolution with BatchNorm and ReLU. `a`: the activation, a large one of one image at a time; or (a decoder's, which
    goes on doubled) its gradient."""

    weights: np.ndarray
    of_weights: np.ndarray
    stride: int
    norm: Norm
    y: Map
    a: Map


class Head(NamedTuple):
    """A convolution with a bias, four values a pixel."""

    weights: np.ndarray
    of_weights: np.ndarray
    bias: np.ndarray
    of_bias: np.ndarray
    y: Map


@compiled
def count_pixels(y: Map, images: int) -> int:
    return images * y.height * y.width


@compiled
def encode_images(shown: Map, layer: Convolution, images: int, training: bool) -> None:
    """The first convolution."""
    begin_where(training, layer.norm)
    for image in range(images):
        convolve_image(shown, layer.weights, layer.stride, layer.y, image)
        if training:
            measure(layer.y, layer.norm, image)
    if training:
        settle(layer.norm, count_pixels(layer.y, images))


@compiled
def begin_where(training: bool, norm: Norm) -> None:
    if training:
        begin(norm)


@compiled
def encode(before: Convolution, layer: Convolution, images: int, training: bool) -> None:
    """Activation of the layer before, convolution."""
    begin_where(training, layer.norm)
    for image in range(images):
        activate(before.y, before.norm, before.a, image)
        convolve(before.a, layer.weights, layer.stride, layer.y, image)
        if training:
            measure(layer.y, layer.norm, image)
    if training:
        settle(layer.norm, count_pixels(layer.y, images))


@compiled
def decode(
    before: Convolution, skip: Convolution, joined: Map, head: Head, layer: Convolution, images: int, training: bool
) -> None:
    """Activation of the layer before, doubled and joined to the encoder's; head, in training; convolution."""
    begin_where(training, layer.norm)
    for image in range(images):
        activate_and_join(before.y, before.norm, skip.y, skip.norm, joined, image)
        if training:
            convolve(joined, head.weights, 1, head.y, image)
        convolve(joined, layer.weights, layer.stride, layer.y, image)
        if training:
            measure(layer.y, layer.norm, image)
    if training:
        settle(layer.norm, count_pixels(layer.y, images))


@compiled
def decode_finest(before: Convolution, skip: Convolution, joined: Map, head: Head, images: int) -> None:
    """The last joining and its head."""
    for image in range(images):
        activate_and_join(before.y, before.norm, skip.y, skip.norm, joined, image)
        convolve(joined, head.weights, 1, head.y, image)


@compiled
def images_at_once(y: Map, images: int) -> int:
    """So many that a weight's gradient has a good number of pixels to sum over."""
    return min(images, max(1, SUMMED // count_pixels(y, 1)))


@compiled
def back_finest(before: Convolution, joined: Map, head: Head, images: int) -> None:
    """From the finest head's gradient to that of the layer before, normalised."""
    begin_backward(before.norm)
    for image in range(images):
        weight_gradient(joined, head.y, 1, head.of_weights, image, image + 1, image > 0)
        input_gradient(head.y, head.weights, 1, joined, image, False)
        through_join(joined, before.y, before.norm, before.a, image)


@compiled
def back_decode(layer: Convolution, joined: Map, head: Head, before: Convolution, images: int) -> None:
    """From a decoder's gradient, and its head's, to that of the layer before, normalised."""
    begin_backward(before.norm)
    pixels = count_pixels(layer.y, images)
    for image in range(images):
        through_norm(layer.y, layer.norm, layer.a, pixels, image)
        weight_gradient(joined, layer.y, 1, layer.of_weights, image, image + 1, image > 0)
        weight_gradient(joined, head.y, 1, head.of_weights, image, image + 1, image > 0)
        input_gradient(layer.y, layer.weights, 1, joined, image, False)
        input_gradient(head.y, head.weights, 1, joined, image, True)
        through_join(joined, before.y, before.norm, before.a, image)


@compiled
def back_encode(layer: Convolution, own: Map, before: Convolution, below: Map, add: bool, images: int) -> None:
    """From a convolution's gradient `own` to that of the layer before, `below`, normalised; there may be one from a decoder."""
    begin_backward(before.norm)
    pixels, at_once = count_pixels(layer.y, images), images_at_once(layer.y, images)
    for first in range(0, images, at_once):
        last = min(images, first + at_once)
        for image in range(first, last):
            through_norm(layer.y, layer.norm, own, pixels, image)
        if before.a.image == 0:  # it holds one image at a time, and there is one here
            activate(before.y, before.norm, before.a, first)
        weight_gradient(before.a, layer.y, layer.stride, layer.of_weights, first, last, first > 0)
        for image in range(first, last):
            input_gradient(layer.y, layer.weights, layer.stride, below, image, add)
            through_activation(before.y, before.norm, below, image)


@compiled
def back_images(shown: Map, layer: Convolution, own: Map, images: int) -> None:
    """The first convolution's weights."""
    pixels = count_pixels(layer.y, images)
    for image in range(images):
        through_norm(layer.y, layer.norm, own, pixels, image)
        weight_gradient_image(shown, layer.y, layer.stride, layer.of_weights, image, image + 1, image > 0)
