"""The stages of the network, forward and backward. Each stage processes the batch image by image, so that its parts find each
other's results in a near cache. A stage ends where a BatchNorm needs the statistics of the whole batch.

Backward, gradients overwrite what is no longer needed: that of a convolution's output is in its `y`, that of an activation
in the activation's map. Large activations are stored for one image at a time (`Map.of_one`) and computed again from `y`:
memory is slower than arithmetic.
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
    activation_gradient,
    add_image_statistics,
    finish_statistics,
    join_gradient,
    norm_gradient,
)


class Convolution(NamedTuple):
    """A convolution with BatchNorm and ReLU. `a`: the activation, if large for one image at a time; in a decoder, where the
    activation is doubled at once, its gradient."""

    weights: np.ndarray
    of_weights: np.ndarray
    stride: int
    norm: Norm
    y: Map
    a: Map


class Head(NamedTuple):
    """A convolution with a bias: four values a pixel."""

    weights: np.ndarray
    of_weights: np.ndarray
    bias: np.ndarray
    of_bias: np.ndarray
    y: Map


@compiled
def count_pixels(y: Map, images: int) -> int:
    return images * y.height * y.width


@compiled
def add_to_statistics(layer: Convolution, image: int, images: int, training: bool) -> None:
    """In training, call it once for each image in order; after the last image the batch's statistics are complete."""
    if training:
        if image == 0:
            layer.norm.mean[:], layer.norm.variance[:] = 0.0, 0.0
        add_image_statistics(layer.y, layer.norm, image)
        if image == images - 1:
            finish_statistics(layer.norm, count_pixels(layer.y, images))


@compiled
def encode_images(image_map: Map, layer: Convolution, images: int, training: bool) -> None:
    """The first convolution."""
    for image in range(images):
        convolve_image(image_map, layer.weights, layer.stride, layer.y, image)
        add_to_statistics(layer, image, images, training)


@compiled
def encode(before: Convolution, layer: Convolution, images: int, training: bool) -> None:
    """The activation of the layer before, then a convolution."""
    for image in range(images):
        activate(before.y, before.norm, before.a, image)
        convolve(before.a, layer.weights, layer.stride, layer.y, image)
        add_to_statistics(layer, image, images, training)


@compiled
def decode(
    before: Convolution, skip: Convolution, joined: Map, head: Head, layer: Convolution, images: int, training: bool
) -> None:
    """The activation of the layer before, doubled and added to the encoder's; in training the head; then a convolution."""
    for image in range(images):
        activate_and_join(before.y, before.norm, skip.y, skip.norm, joined, image)
        if training:
            convolve(joined, head.weights, 1, head.y, image)
        convolve(joined, layer.weights, layer.stride, layer.y, image)
        add_to_statistics(layer, image, images, training)


@compiled
def decode_finest(before: Convolution, skip: Convolution, joined: Map, head: Head, images: int) -> None:
    """The finest activation, doubled and added to the encoder's, and its head."""
    for image in range(images):
        activate_and_join(before.y, before.norm, skip.y, skip.norm, joined, image)
        convolve(joined, head.weights, 1, head.y, image)


@compiled
def images_at_once(y: Map, images: int) -> int:
    """How many images are enough for a weight's gradient to sum over about SUMMED pixels."""
    return min(images, max(1, SUMMED // count_pixels(y, 1)))


@compiled
def backward_finest(before: Convolution, joined: Map, head: Head, images: int) -> None:
    """From the finest head's gradient to that of the layer before, after its BatchNorm."""
    before.norm.of_gamma[:], before.norm.of_beta[:] = 0.0, 0.0
    for image in range(images):
        weight_gradient(joined, head.y, 1, head.of_weights, image, image + 1, image > 0)
        input_gradient(head.y, head.weights, 1, joined, image, False)
        join_gradient(joined, before.y, before.norm, before.a, image)


@compiled
def backward_decode(layer: Convolution, joined: Map, head: Head, before: Convolution, images: int) -> None:
    """From the gradients of a decoder and its head to that of the layer before, after its BatchNorm."""
    before.norm.of_gamma[:], before.norm.of_beta[:] = 0.0, 0.0
    pixels = count_pixels(layer.y, images)
    for image in range(images):
        norm_gradient(layer.y, layer.norm, layer.a, pixels, image)
        weight_gradient(joined, layer.y, 1, layer.of_weights, image, image + 1, image > 0)
        weight_gradient(joined, head.y, 1, head.of_weights, image, image + 1, image > 0)
        input_gradient(layer.y, layer.weights, 1, joined, image, False)
        input_gradient(head.y, head.weights, 1, joined, image, True)
        join_gradient(joined, before.y, before.norm, before.a, image)


@compiled
def backward_encode(layer: Convolution, gradient: Map, before: Convolution, below: Map, add: bool, images: int) -> None:
    """From a convolution's `gradient` to `below`, that of the layer before after its BatchNorm; `add` to a decoder's there."""
    before.norm.of_gamma[:], before.norm.of_beta[:] = 0.0, 0.0
    pixels, at_once = count_pixels(layer.y, images), images_at_once(layer.y, images)
    for first in range(0, images, at_once):
        last = min(images, first + at_once)
        for image in range(first, last):
            norm_gradient(layer.y, layer.norm, gradient, pixels, image)
        if before.a.image == 0:  # memory for one image, and here `at_once` is 1
            activate(before.y, before.norm, before.a, first)
        weight_gradient(before.a, layer.y, layer.stride, layer.of_weights, first, last, first > 0)
        for image in range(first, last):
            input_gradient(layer.y, layer.weights, layer.stride, below, image, add)
            activation_gradient(before.y, before.norm, below, image)


@compiled
def backward_images(image_map: Map, layer: Convolution, gradient: Map, images: int) -> None:
    """The gradient of the first convolution's weights."""
    pixels = count_pixels(layer.y, images)
    for image in range(images):
        norm_gradient(layer.y, layer.norm, gradient, pixels, image)
        weight_gradient_image(image_map, layer.y, layer.stride, layer.of_weights, image, image + 1, image > 0)
