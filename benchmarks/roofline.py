"""The least that a trial costs: floating-point operations and bytes moved, counted from the network's layers.

Operations are those of the convolutions (a multiply-add is two): forward, weight gradient and, but for the first layer, input
gradient. Bytes are float32, each tensor read and written as often as an implementation must that fuses all it can but cannot
normalise a batch before it has seen all of it: a convolution reads and writes its input and output, BatchNorm and ReLU one
more round, backward about twice that; the loss two passes over each scale; Adam and clipping eight of the parameters. Images
and truth are shared by many networks and count for none. The bound is the slower of the two on this machine's best matrix
product and best copy, so 100 % is out of reach: small convolutions are no matrix products. Caches could beat the copy.
"""

from __future__ import annotations

from dataclasses import dataclass

import code_paths  # noqa: F401
from trial_spec import Spec

from runner.networks.stacked import SCALES, Layer, layers
from runner.training import evaluated, validated

FLOAT = 4


@dataclass(frozen=True)
class Work:
    """Floating-point operations and bytes."""

    flops: float = 0.0
    bytes: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(self.flops + other.flops, self.bytes + other.bytes)

    def __mul__(self, times: float) -> Work:
        return Work(self.flops * times, self.bytes * times)

    def seconds(self, flops_per_second: float, bytes_per_second: float) -> float:
        return max(self.flops / flops_per_second, self.bytes / bytes_per_second)


def trial(spec: Spec) -> Work:
    """One trial of nfloss: its steps, its evaluations on probe and validation, and twice the validation set at the end."""
    images = spec.held_out * (len(evaluated(spec.training)) + len(validated(spec.training)) + 2)
    return step(spec) * spec.steps + forward(spec, 1) * images


def step(spec: Spec) -> Work:
    """One step of one network on a batch."""
    batch, parameters = spec.training.batch, sum(sum(layer.sizes) for layer in layers())
    loss = sum(batch * (spec.height >> s) * (spec.width >> s) for s in range(SCALES)) * 3.0  # read, read again, gradient
    update = parameters * 8.0  # parameters, gradient and both moments read, three of them written, the norm
    return forward(spec, batch) + backward(spec, batch) + Work(0.0, FLOAT * (loss + update))


def forward(spec: Spec, images: int) -> Work:
    work = Work()
    for layer, pixels_in, pixels_out in sized(spec):
        x, y = read_input(layer, pixels_in * images), layer.outputs * pixels_out * images
        passes = x + (2 * y if layer.head else 3 * y)  # a head: written, unfolded; else written, read, written
        work += Work(operations(layer, pixels_out * images), FLOAT * (passes + layer.sizes[0]))
    return work


def backward(spec: Spec, images: int) -> Work:
    work = Work()
    for layer, pixels_in, pixels_out in sized(spec):
        x, y = read_input(layer, pixels_in * images), layer.outputs * pixels_out * images
        gradients = 1 if is_first(layer) else 2
        passes = 2 * x + (y if layer.head else 6 * y)  # input read, its gradient written; BatchNorm: sums, then gradient
        work += Work(gradients * operations(layer, pixels_out * images), FLOAT * (passes + 2 * layer.sizes[0]))
    return work


def operations(layer: Layer, pixels: float) -> float:
    return 2.0 * layer.sizes[0] * pixels


def is_first(layer: Layer) -> bool:
    return layer == layers()[0]


def read_input(layer: Layer, pixels: float) -> float:
    """Values of the input; the first layer's is shared."""
    return 0.0 if is_first(layer) else layer.inputs * pixels


def sized(spec: Spec) -> list[tuple[Layer, int, int]]:
    """Each layer with the pixels of its input and of its output.

    Encoder n works at 1/2^n of the size; a decoder convolves before its output is doubled; a head follows the doubling.
    """
    result = []
    for layer in layers():
        out = (spec.height >> layer.level) * (spec.width >> layer.level)
        result.append((layer, out * layer.stride**2, out))
    return result
