"""A user's network, K at once: one after another as `CustomStack` runs them, against `torch.func.vmap` over stacked weights.

    python benchmarks/own_network.py [ROUNDS]

Prints the median seconds per network of a step (forward, loss of all K together, backward) of examples/resnet18_depth.py
on 8 images, one thread; the contenders take turns.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import code_paths
import torch
from torch import Tensor

from nfloss import Configuration, Losses
from runner.networks import CustomStack, DepthRange, NetworkClass

RESNET = f"{code_paths.ROOT / 'examples' / 'resnet18_depth.py'}:ResNet18Depth"
COUNTS, SIZES, WIDTHS, BATCH = (1, 4), ((32, 48), (64, 96)), (16, 64), 8


def vmapped(networks: CustomStack) -> Callable[[Tensor], list[Tensor]]:
    """The networks' forward pass in training, all at once."""
    module = networks.modules[0].train()
    buffers = {
        name: torch.stack([dict(m.named_buffers())[name] for m in networks.modules]) for name, _ in module.named_buffers()
    }
    sizes = [shape.numel() for shape in networks.shapes.values()]

    def one(weights: dict[str, Tensor], statistics: dict[str, Tensor], images: Tensor) -> list[Tensor]:
        return networks.network.inverse_depths(torch.func.functional_call(module, (weights, statistics), (images,)))

    def forward(images: Tensor) -> list[Tensor]:
        parts = networks.parameters.split(sizes, dim=1)
        shapes = networks.shapes.items()
        weights = {name: part.view(-1, *shape) for part, (name, shape) in zip(parts, shapes, strict=True)}
        return list(torch.vmap(one, in_dims=(0, 0, None))(weights, buffers, images))

    return forward


def seconds(forward: Callable[[Tensor], list[Tensor]], networks: CustomStack, losses: Losses, images: Tensor) -> float:
    """Of one step."""
    truth = 0.1 + images[:, :1]
    networks.parameters.grad = None
    started = time.perf_counter()
    losses(forward(images), truth).sum().backward()
    return time.perf_counter() - started


def main(rounds: int) -> None:
    torch.set_num_threads(1)
    print("width  size   K  one by one [s]  vmap [s]  vmap / one by one")
    for width in WIDTHS:
        for height, wide in SIZES:
            for count in COUNTS:
                networks = CustomStack(NetworkClass(RESNET, {"width": width}, "disparity", DepthRange()), 0, [0.1] * count)
                losses, images = Losses([Configuration.of()] * count), torch.rand(BATCH, 3, height, wide)
                ways = (lambda x, n=networks: n(x, training=True), vmapped(networks))
                times = [[seconds(way, networks, losses, images) for way in ways] for _ in range(rounds + 1)][1:]
                plain, mapped = (statistics.median(column) / count for column in zip(*times, strict=True))
                print(f"{width:5}  {height}x{wide}  {count}  {plain:14.3f}  {mapped:8.3f}  {mapped / plain:17.2f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
