"""Up to LANES networks in memory: their parameters in lanes, every map that a step needs, and the order of the stages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runner.lanes import passes, rows
from runner.lanes.maps import Map, aligned
from runner.lanes.normalisation import Norm, use
from runner.lanes.passes import Convolution, Head
from runner.lanes.vector import LANES
from runner.models import Layer


def lane_order(layers: Sequence[Layer]) -> np.ndarray:
    """Of each number in lanes its place in a row of parameters: kernels [out, 3, 3, in] there, [3, 3, in, out] in lanes."""
    order, start = list[np.ndarray](), 0
    for layer in layers:
        kernel = np.arange(layer.sizes[0]).reshape(layer.outputs, 3, 3, layer.inputs)
        order.append(start + kernel.transpose(1, 2, 3, 0).ravel())
        start += layer.sizes[0]
        for size in layer.sizes[1:]:
            order.append(start + np.arange(size))
            start += size
    return np.concatenate(order)


class Block:
    """Networks of these layers for batches [B, 3, H, W]. One forward pass at a time is remembered for its way back."""

    def __init__(self, layers: Sequence[Layer], order: np.ndarray, images: int, height: int, width: int, dtype: np.dtype) -> None:
        self.images, self.order, self.dtype, self.passed = images, order, dtype, 0
        self.parameters, self.gradients = aligned(len(order) * LANES, dtype), aligned(len(order) * LANES, dtype)
        self.shown = Map.empty(images, height, width, 3, dtype, lanes=1)
        self.convolutions: dict[str, Convolution] = {}
        self.heads: dict[int, Head] = {}
        self.joined: dict[int, Map] = {}
        start = 0
        for layer in layers:
            pieces = list[np.ndarray]()
            for size in layer.sizes:
                pieces += [numbers[start * LANES : (start + size) * LANES] for numbers in (self.parameters, self.gradients)]
                start += size
            kind, _, number = layer.name.partition(" ")
            level = {"encoder": int(number or 0), "bottom": 4, "decoder": int(number or 0) + 1, "head": int(number or 0)}[kind]
            size = (height >> level, width >> level)
            y = Map.empty(images, *size, layer.outputs, dtype)
            if layer.head:
                self.heads[level] = Head(*pieces, y)
                self.joined[level] = Map.empty(images, *size, layer.inputs, dtype)
            else:
                weights, of_weights, gamma, of_gamma, beta, of_beta = pieces
                norm = Norm.empty(layer.outputs, dtype)._replace(gamma=gamma, beta=beta, of_gamma=of_gamma, of_beta=of_beta)
                a = Map.empty(images, *size, layer.outputs, dtype)
                self.convolutions[layer.name] = Convolution(weights, of_weights, layer.stride, norm, y, a)

    def forward(self, parameters: np.ndarray, images: np.ndarray, training: bool) -> list[Head]:
        """parameters [K, D] and images [B, 3, H, W] -> the heads, finest first; all of them in training, else the finest.

        In training the norms get the batch's statistics; else they have what `remember` gave them.
        """
        self.passed += 1
        rows.to_lanes(parameters, self.order, self.parameters)
        rows.show(images, self.shown)
        n, layer = self.images, self.convolutions
        if not training:
            for convolution in layer.values():
                use(convolution.norm)
        chain = [layer[name] for name in ("encoder 1", "encoder 2", "encoder 3", "encoder 4", "bottom", "decoder 3")]
        passes.encode_images(self.shown, chain[0], n, training)
        for before, after in zip(chain, chain[1:], strict=False):
            passes.encode(before, after, n, training)
        for level in (3, 2):
            after, skip = layer[f"decoder {level - 1}"], layer[f"encoder {level}"].a
            before = layer[f"decoder {level}"]
            passes.decode(before, skip, self.joined[level], self.heads[level], training, after, n, training)
        passes.decode_finest(layer["decoder 1"], layer["encoder 1"].a, self.joined[1], self.heads[1], n)
        return [self.heads[level] for level in ((1, 2, 3) if training else (1,))]

    def backward(self, gradients: np.ndarray) -> None:
        """From the heads' gradients, which lie in their maps, to those of the parameters [K, D]."""
        n, layer, joined, heads = self.images, self.convolutions, self.joined, self.heads
        passes.back_finest(layer["decoder 1"], joined[1], heads[1], n)
        for level in (2, 3):
            after, before = layer[f"decoder {level - 1}"], layer[f"decoder {level}"]
            passes.back_decode(after, joined[level], heads[level], before, n)
        bottom = layer["bottom"]
        passes.back_encode(layer["decoder 3"], layer["decoder 3"].a, bottom, bottom.a, False, n)
        own = bottom.a
        for after, before, below, add in (
            ("bottom", "encoder 4", layer["encoder 4"].a, False),
            ("encoder 4", "encoder 3", joined[3], True),
            ("encoder 3", "encoder 2", joined[2], True),
            ("encoder 2", "encoder 1", joined[1], True),
        ):
            passes.back_encode(layer[after], own, layer[before], below, add, n)
            own = below
        passes.back_images(self.shown, layer["encoder 1"], own, n)
        rows.to_rows(self.gradients, self.order, gradients)
