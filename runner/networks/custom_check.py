"""The contract of a custom network, checked once before training with images of random noise."""

from __future__ import annotations

import torch
from torch import Tensor

from runner.networks.custom import NetworkClass, NetworkError, as_network_error
from runner.networks.custom_stack import CustomStack


def check_contract(network: NetworkClass, images: int, height: int, width: int) -> None:
    """Check that a module returns, for images [B, 3, H, W] with values 0..1, one or several scales of inverse depth.

    The finest scale [B, 1, h, w] has the images' size, or that halved some times; each other is exactly half of the one
    before. All are finite and positive and, in training, have a gradient to the parameters.

    Raises NetworkError: what it returned and what is needed, in one line."""
    where = f"model.network {network.reference}: forward of images {[images, 3, height, width]}"
    with as_network_error(where):
        networks = CustomStack(network, 0, [0.1])
        if not networks.shapes:
            raise NetworkError(f"model.network {network.reference}: has no parameter that is trained; at least one is needed")
        rgb = torch.rand(images, 3, height, width, generator=torch.Generator().manual_seed(0))
        try:
            check_shapes(networks(rgb, training=True), rgb)
            check_values(networks(rgb, training=True))
            with torch.no_grad():
                evaluated = networks(rgb, training=False)
            check_shapes(evaluated[:1], rgb)
            check_values(evaluated[:1], learnt=False)
        except NetworkError as error:
            raise NetworkError(f"{where} {error}") from None


def check_shapes(scales: list[Tensor], images: Tensor) -> None:
    """Check the shapes of scales [1, B, 1, h, w] of images [B, 3, H, W]."""
    shapes = [list(scale.shape[1:]) for scale in scales]
    count, (height, width) = len(images), images.shape[-2:]
    halvings = [(height >> n, width >> n) for n in range(16) if height % (1 << n) == 0 and width % (1 << n) == 0]
    sizes = [tuple(shape[2:]) for shape in shapes]
    first = halvings.index(sizes[0]) if sizes[0] in halvings else len(halvings)
    if any(shape[:2] != [count, 1] for shape in shapes) or sizes != halvings[first : first + len(sizes)]:
        raise NetworkError(
            f"gives {shapes}; [{count}, 1, h, w] is needed, the finest {height}x{width} or that halved exactly some times, "
            "each other scale exactly half of the one before"
        )


def check_values(scales: list[Tensor], learnt: bool = True) -> None:
    """Check that scales are finite, positive and, where they are learnt, have a gradient."""
    for scale in scales:
        low, high = float(scale.detach().min()), float(scale.detach().max())
        if not (torch.isfinite(scale).all() and low > 0):
            raise NetworkError(f"gives values from {low:g} to {high:g}; finite inverse depth > 0 (1/m) is needed")
        if learnt and not scale.requires_grad:
            raise NetworkError("gives a scale without a gradient; each must come from the parameters (no detach, no no_grad)")
