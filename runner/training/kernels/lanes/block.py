"""Up to LANES networks in memory: their parameters, all maps that a step needs, and the order of the stages."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from runner.networks.stacked import DepthRange, Layer
from runner.training.kernels.lanes import conversion, passes
from runner.training.kernels.lanes.maps import Map, aligned
from runner.training.kernels.lanes.normalisation import Norm, set_scale_and_shift
from runner.training.kernels.lanes.passes import Convolution, Head
from runner.training.kernels.width import LANES

#: From image to bottom. The gradients of their activations, except the last, are in a decoder's map, not in their own.
ENCODERS = ("encoder 1", "encoder 2", "encoder 3", "encoder 4")


def lane_order(layers: Sequence[Layer]) -> np.ndarray:
    """[D]: the index in a row of parameters of each number in lanes. A kernel [out, 3, 3, in] is [3, 3, in, out] in lanes."""
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
    """LANES networks of these layers for batches [B, 3, H, W]; `backward` needs the maps of the last forward pass.

    Parameters and their gradients are [D * LANES], in the order of `lane_order`.
    """

    def __init__(self, layers: Sequence[Layer], images: int, height: int, width: int, dtype: np.dtype) -> None:
        self.layers, self.images, self.dtype, self.forward_passes = layers, images, dtype, 0
        self.image_map = Map.empty(images, height, width, 3, dtype, lanes=1)
        self.y, self.a, self.joined, self.norms = (dict[str, Map](), dict[str, Map](), dict[int, Map](), dict[str, Norm]())
        for layer in layers:
            size = height >> layer.level, width >> layer.level
            self.y[layer.name] = Map.empty(images, *size, layer.outputs, dtype)
            if layer.head:
                self.joined[layer.level] = Map.empty(images, *size, layer.inputs, dtype)
            else:
                self.norms[layer.name] = Norm.empty(layer.outputs, dtype)
        in_turn = {name for name, after in pairwise(ENCODERS) if passes.images_at_once(self.y[after], images) == 1}
        for name in self.norms:
            shape = self.y[name].height, self.y[name].width, self.y[name].channels
            self.a[name] = Map.of_one(*shape, dtype) if name in in_turn else Map.empty(images, *shape, dtype)

    def forward(self, parameters: np.ndarray, images: np.ndarray, training: bool, depth_range: DepthRange) -> list[np.ndarray]:
        """Images [B, 3, H, W] -> inverse depth [LANES, B, h, w], finest scale first; in evaluation the finest alone.

        In training the norms get the batch's statistics; in evaluation they use the mean and variance that they have.
        """
        self.forward_passes += 1
        self.parameters = parameters
        n, layer, heads = self.images, *self._bound(parameters)
        conversion.load_images(images, self.image_map)
        if not training:
            for convolution in layer.values():
                set_scale_and_shift(convolution.norm)
        chain = [layer[name] for name in (*ENCODERS, "bottom", "decoder 3")]
        passes.encode_images(self.image_map, chain[0], n, training)
        for before, after in pairwise(chain):
            passes.encode(before, after, n, training)
        for level in (3, 2):
            before, after, skip = (layer[name] for name in (f"decoder {level}", f"decoder {level - 1}", f"encoder {level}"))
            passes.decode(before, skip, self.joined[level], heads[level], after, n, training)
        passes.decode_finest(layer["decoder 1"], layer["encoder 1"], self.joined[1], heads[1], n)
        return [self._inverse_depth(heads[level], depth_range) for level in ((1, 2, 3) if training else (1,))]

    def _inverse_depth(self, head: Head, depth_range: DepthRange) -> np.ndarray:
        predicted = aligned(LANES * self.images * 4 * head.y.height * head.y.width, self.dtype, np.empty)
        predicted = predicted.reshape(LANES, self.images, 2 * head.y.height, 2 * head.y.width)
        conversion.write_inverse_depth(head.y, head.bias, depth_range.low, depth_range.span, predicted)
        return predicted

    def backward(self, gradients: np.ndarray, of_predictions: Sequence[np.ndarray], depth_range: DepthRange) -> None:
        """Write the parameters' gradients to `gradients`, from those of inverse depth, [LANES, B, h, w] at each scale."""
        n, joined, layer, heads = self.images, self.joined, *self._bound(self.parameters, gradients)
        for level, gradient in zip((1, 2, 3), of_predictions, strict=True):
            conversion.read_gradient(gradient, depth_range.span, heads[level].y, heads[level].of_bias)
        passes.backward_finest(layer["decoder 1"], joined[1], heads[1], n)
        for level in (2, 3):
            passes.backward_decode(layer[f"decoder {level - 1}"], joined[level], heads[level], layer[f"decoder {level}"], n)
        current = layer["decoder 3"].a
        for after, before, below, add in (
            ("decoder 3", "bottom", layer["bottom"].a, False),
            ("bottom", "encoder 4", layer["encoder 4"].a, False),
            ("encoder 4", "encoder 3", joined[3], True),
            ("encoder 3", "encoder 2", joined[2], True),
            ("encoder 2", "encoder 1", joined[1], True),
        ):
            passes.backward_encode(layer[after], current, layer[before], below, add, n)
            current = below
        passes.backward_images(self.image_map, layer["encoder 1"], current, n)

    def _bound(
        self, parameters: np.ndarray, gradients: np.ndarray | None = None
    ) -> tuple[dict[str, Convolution], dict[int, Head]]:
        """The layers with views of their parameters and gradients."""
        convolutions, heads, start = dict[str, Convolution](), dict[int, Head](), 0
        for layer in self.layers:
            pieces = list[np.ndarray]()
            for size in layer.sizes:
                for numbers in (parameters, parameters if gradients is None else gradients):
                    pieces.append(numbers[start * LANES : (start + size) * LANES])
                start += size
            if layer.head:
                weights, of_weights, bias, of_bias = pieces
                heads[layer.level] = Head(weights, of_weights, bias, of_bias, self.y[layer.name])
            else:
                weights, of_weights, gamma, of_gamma, beta, of_beta = pieces
                norm = self.norms[layer.name]._replace(gamma=gamma, beta=beta, of_gamma=of_gamma, of_beta=of_beta)
                y, a = self.y[layer.name], self.a[layer.name]
                convolutions[layer.name] = Convolution(weights, of_weights, layer.stride, norm, y, a)
        return convolutions, heads
