"""From rows, a network each, to lanes and back: parameters, images, and the four values of a head's pixel that unfold."""

from __future__ import annotations

import numpy as np

from runner.lanes.compiled import compiled
from runner.lanes.maps import Map
from runner.lanes.width import LANES


@compiled
def to_lanes(rows, order, lanes):
    """rows [K, D], K <= LANES -> lanes [D * LANES], the parameter at place d being the row's `order[d]`."""
    count = len(rows)
    for d in range(len(order)):
        for k in range(count):
            lanes[d * LANES + k] = rows[k, order[d]]


@compiled
def to_rows(lanes, order, rows):
    """The way back."""
    count = len(rows)
    for d in range(len(order)):
        for k in range(count):
            rows[k, order[d]] = lanes[d * LANES + k]


@compiled
def show(images, shown: Map):
    """Images [B, 3, H, W] (values 0..1) -> centred, colours innermost."""
    half = images.dtype.type(0.5)
    for image in range(len(images)):
        for y in range(shown.height):
            for x in range(shown.width):
                place = image * shown.image + shown.inside + y * shown.row + x * shown.pixel
                for colour in range(3):
                    shown.values[place + colour] = images[image, colour, y, x] - half


@compiled
def unfold(head: Map, bias, rows):
    """A head's maps with their bias [4 * LANES] -> rows [K, B, 2 * height, 2 * width]: four values are four pixels."""
    count, images = rows.shape[0], rows.shape[1]
    for image in range(images):
        for y in range(head.height):
            for k in range(count):
                for x in range(head.width):
                    place = image * head.image + head.inside + y * head.row + x * head.pixel + k
                    rows[k, image, 2 * y, 2 * x] = head.values[place] + bias[k]
                    rows[k, image, 2 * y, 2 * x + 1] = head.values[place + LANES] + bias[LANES + k]
                    rows[k, image, 2 * y + 1, 2 * x] = head.values[place + 2 * LANES] + bias[2 * LANES + k]
                    rows[k, image, 2 * y + 1, 2 * x + 1] = head.values[place + 3 * LANES] + bias[3 * LANES + k]


@compiled
def fold(gradient, shares, span, head: Map, of_bias):
    """The gradient of inverse depth, rows [K, B, 2 * height, 2 * width], through the sigmoid whose values were `shares` and
    whose range is `span` -> that of the head's maps, and its sum, the bias's."""
    count, images = gradient.shape[0], gradient.shape[1]
    span, one = gradient.dtype.type(span), gradient.dtype.type(1.0)
    of_bias[:] = 0.0
    of_row = np.empty(4 * LANES, gradient.dtype)
    for image in range(images):
        for y in range(head.height):
            of_row[:] = 0.0
            for k in range(count):
                for part in range(4):
                    down, right = 2 * y + part // 2, part % 2
                    total = of_row.dtype.type(0.0)
                    for x in range(head.width):
                        share = shares[k, image, down, 2 * x + right]
                        value = gradient[k, image, down, 2 * x + right] * span * share * (one - share)
                        place = image * head.image + head.inside + y * head.row + x * head.pixel
                        head.values[place + part * LANES + k] = value
                        total += value
                    of_row[part * LANES + k] = total
            for i in range(4 * LANES):
                of_bias[i] += of_row[i]
