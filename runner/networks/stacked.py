"""The built-in depth network, K of them stacked: each row of one matrix is a network.

It is a U-Net of four levels (8-16-32-64 channels, 88,000 parameters). Its decoder adds the skips: a level's features are
reduced, doubled in size and added to the encoder's. That costs a third of convolving both together and predicts no worse.
BatchNorm in encoder and decoder; a sigmoid to bounded inverse depth at three scales: the image's, 1/2 and 1/4. The finest
level has half the image's resolution; every head has four values a pixel, which become four pixels at twice its resolution.

K networks with the same input are one network with K groups: the first layer is dense (all share the image), the others
are grouped convolutions, and BatchNorm over K*C channels is K separate BatchNorms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

WIDTHS = (8, 16, 32, 64)
SCALES = 3
LARGEST_STRIDE = 16


@dataclass(frozen=True)
class Layer:
    """A 3x3 convolution with BatchNorm and ReLU; a head has a bias instead."""

    name: str
    inputs: int
    outputs: int
    stride: int = 1
    head: bool = False

    @property
    def level(self) -> int:
        """Its output has 1/2^level of the image's height and width; a decoder's is doubled afterwards."""
        kind, _, number = self.name.partition(" ")
        return {"encoder": int(number or 0), "bottom": 4, "decoder": int(number or 0) + 1, "head": int(number or 0)}[kind]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many weights, then BatchNorm weights and biases (or the head's biases), it has."""
        weights = self.outputs * self.inputs * 9
        return (weights, self.outputs) if self.head else (weights, self.outputs, self.outputs)


def layers(widths: Sequence[int] = WIDTHS) -> tuple[Layer, ...]:
    """Encoder, decoder and heads, in the order of a row of parameters."""
    a, b, c, d = widths
    return (
        Layer("encoder 1", 3, a, stride=2),
        Layer("encoder 2", a, b, stride=2),
        Layer("encoder 3", b, c, stride=2),
        Layer("encoder 4", c, d, stride=2),
        Layer("bottom", d, d),
        Layer("decoder 3", d, c),
        Layer("decoder 2", c, b),
        Layer("decoder 1", b, a),
        Layer("head 1", a, 4, head=True),
        Layer("head 2", b, 4, head=True),
        Layer("head 3", c, 4, head=True),
    )


@dataclass(frozen=True)
class DepthRange:
    """The least, the largest and the initial depth that a network can predict, in metres."""

    nearest: float = 0.1
    farthest: float = 100.0
    initial: float = 2.0

    @property
    def low(self) -> float:
        """The least inverse depth, 1/m."""
        return 1.0 / self.farthest

    @property
    def span(self) -> float:
        """From the least inverse depth to the largest, 1/m."""
        return 1.0 / self.nearest - self.low

    def inverse_depth(self, logits: Tensor) -> Tensor:
        return self.low + self.span * torch.sigmoid(logits)

    @property
    def initial_logit(self) -> float:
        share = (1.0 / self.initial - self.low) / self.span
        return math.log(share / (1.0 - share))


class StackedNetworks:
    """K networks and M evaluations of them. `parameters` [K, D] and the running statistics [M, C] are their complete state.

    BatchNorm's momentum does not influence training: configurations that differ in it alone share one network. Each of them
    is an evaluation with running statistics of its own. In training there are K predictions, in evaluation M.

    A row of parameters has for each layer the kernel [out, 3, 3, in], then BatchNorm's weights and biases, or the head's
    biases.

    Args:
        count: K.
        seed: of the initial weights, the same for all K; or one for each.
        momenta: BatchNorm's momentum of each evaluation; default: one evaluation a network, with PyTorch's 0.1.
        network_of: the network of each evaluation; default: evaluation m is of network m.
    """

    def __init__(
        self,
        count: int,
        seed: int | Sequence[int],
        momenta: Sequence[float] | None = None,
        network_of: Sequence[int] | None = None,
        depth_range: DepthRange | None = None,
        widths: Sequence[int] = WIDTHS,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.layers, self.depth_range = layers(widths), depth_range or DepthRange()
        seeds = [seed] if isinstance(seed, int) else seed
        rows = torch.stack([initial_parameters(self.layers, own, self.depth_range) for own in seeds]).to(device, dtype)
        self.parameters = rows.repeat(count // len(seeds), 1).requires_grad_()
        self.sizes = [size for layer in self.layers for size in layer.sizes]
        momenta, owners = list(momenta or [0.1] * count), list(network_of or range(count))
        self.momenta = torch.tensor(momenta, device=device, dtype=dtype).unsqueeze(1)
        self.network_of = None if owners == list(range(count)) else torch.tensor(owners, device=device)
        norms = [layer for layer in self.layers if not layer.head]
        self.means = {n.name: torch.zeros(len(momenta), n.outputs, device=device, dtype=dtype) for n in norms}
        self.variances = {n.name: torch.ones(len(momenta), n.outputs, device=device, dtype=dtype) for n in norms}

    def for_evaluations(self, per_network: Tensor) -> Tensor:
        """[K, ..] -> [M, ..]: for each evaluation the value of its network."""
        return per_network if self.network_of is None else per_network.index_select(0, self.network_of)

    def scale_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Height and width of each scale, finest first."""
        return [(height >> scale, width >> scale) for scale in range(SCALES)]

    def state(self, evaluation: int) -> dict[str, Tensor]:
        """One evaluation's row of parameters [D] and running statistics [C], copied to the CPU."""
        network = evaluation if self.network_of is None else int(self.network_of[evaluation])
        parts = {"parameters": self.parameters.detach()[network]}
        parts |= {f"{name}.mean": values[evaluation] for name, values in self.means.items()}
        parts |= {f"{name}.variance": values[evaluation] for name, values in self.variances.items()}
        return {name: value.cpu().clone() for name, value in parts.items()}

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Set all networks and evaluations to what `state` returned for one."""
        self.parameters.copy_(state["parameters"])
        for name in self.means:
            self.means[name].copy_(state[f"{name}.mean"])
            self.variances[name].copy_(state[f"{name}.variance"])

    def __call__(self, images: Tensor, training: bool, update_statistics: bool = True) -> list[Tensor]:
        """Inverse depth (1/m) of images [B, 3, H, W] (values 0..1).

        In training: three scales, finest first, [K, B, 1, H/2^s, W/2^s], normalised by the batch's statistics, which update
        the running ones if `update_statistics`. In evaluation: the finest scale [M, B, 1, H, W] by the running statistics.
        """
        parameters = self.parameters if training else self.for_evaluations(self.parameters)
        pieces = iter(parameters.split(self.sizes, dim=1))
        weights = {layer.name: [next(pieces) for _ in layer.sizes] for layer in self.layers}
        by_name = {layer.name: layer for layer in self.layers}

        def run(name: str, x: Tensor) -> Tensor:
            x = self._convolve(by_name[name], x, weights[name])
            return F.relu(self._normalise(name, x, weights[name], training, update_statistics), inplace=True)

        x = (images - 0.5).contiguous(memory_format=torch.channels_last)
        skips = [run("encoder 1", x)]
        for level in (2, 3, 4):
            skips.append(run(f"encoder {level}", skips[-1]))
        x, logits = run("bottom", skips.pop()), list[Tensor]()
        for level in (3, 2, 1):
            skip = skips.pop()
            x = skip + F.interpolate(run(f"decoder {level}", x), size=skip.shape[-2:], mode="nearest")
            if training or level == 1:
                logits.insert(0, self._convolve(by_name[f"head {level}"], x, weights[f"head {level}"]))
        return [unfold(self.depth_range.inverse_depth(logit.to(parameters.dtype))) for logit in logits]

    def _convolve(self, layer: Layer, x: Tensor, weights: list[Tensor]) -> Tensor:
        # Stored as [out, 3, 3, in], the order of channels_last: otherwise every step would transpose every kernel twice.
        kernel = weights[0].reshape(-1, 3, 3, layer.inputs).permute(0, 3, 1, 2)
        bias = weights[1].reshape(-1) if layer.head else None
        return F.conv2d(x, kernel, bias, stride=layer.stride, padding=1, groups=x.shape[1] // layer.inputs)

    def _normalise(self, name: str, x: Tensor, weights: list[Tensor], training: bool, update: bool) -> Tensor:
        gamma, beta = weights[1].reshape(-1), weights[2].reshape(-1)
        if not training:
            return F.batch_norm(x, self.means[name].flatten(), self.variances[name].flatten(), gamma, beta, training=False)
        mean, variance = torch.zeros_like(gamma.detach()), torch.ones_like(gamma.detach())
        x = F.batch_norm(x, mean, variance, gamma, beta, training=True, momentum=1.0)  # momentum 1: the batch's own statistics
        if update:
            with torch.no_grad():
                channels = self.means[name].shape[1]
                self.means[name].lerp_(self.for_evaluations(mean.view(-1, channels)), self.momenta)
                self.variances[name].lerp_(self.for_evaluations(variance.view(-1, channels)), self.momenta)
        return x


def unfold(values: Tensor) -> Tensor:
    """[B, K*4, h, w] -> [K, B, 1, 2h, 2w]: the four values of a pixel become 2x2 pixels."""
    b, channels, h, w = values.shape
    folded = values.view(b, channels // 4, 2, 2, h, w).permute(1, 0, 4, 2, 5, 3)
    return folded.reshape(channels // 4, b, 1, 2 * h, 2 * w)


def initial_parameters(all_layers: Sequence[Layer], seed: int, depth_range: DepthRange) -> Tensor:
    """One network's parameters [D] from the seed: kernels as in `nn.Conv2d`, heads' biases for `depth_range.initial`."""
    generator = torch.Generator().manual_seed(seed)
    pieces = []
    for layer in all_layers:
        bound = 1.0 / math.sqrt(layer.inputs * 9)
        pieces.append((torch.rand(layer.sizes[0], generator=generator) * 2.0 - 1.0) * bound)
        if layer.head:
            pieces.append(torch.full((layer.outputs,), depth_range.initial_logit))
        else:
            pieces += [torch.ones(layer.outputs), torch.zeros(layer.outputs)]
    return torch.cat(pieces)
