"""What a user's network must give, asked once before training with images of noise: one line says what it does not."""

from __future__ import annotations

import torch
from torch import Tensor

from runner.networks.custom import NetworkClass, NetworkError, told
from runner.networks.custom_stack import OwnNetworks


def check_contract(network: NetworkClass, images: int, height: int, width: int) -> None:
    """A user's module gives, of images [B, 3, H, W] with values 0..1, one scale of inverse depth or several.

    The finest [B, 1, h, w] has the images' size or that halved some times; each other is exactly half of the one before.
    All finite and positive, and in training a gradient reaches from it to the parameters.

    Raises:
        NetworkError: what it gave and what is allowed, in one line.
    """
    where = f"model.network {network.reference}: forward of images {[images, 3, height, width]}"
    with told(where):
        networks = OwnNetworks(network, 0, [0.1])
        if not networks.shapes:
            raise NetworkError(f"model.network {network.reference}: has no parameter that is trained; at least one is needed")
        rgb = torch.rand(images, 3, height, width, generator=torch.Generator().manual_seed(0))
        try:
            shapes_fit(networks(rgb, training=True), rgb)
            values_fit(networks(rgb, training=True))
            with torch.no_grad():
                evaluated = networks(rgb, training=False)
            shapes_fit(evaluated[:1], rgb)
            values_fit(evaluated[:1], learnt=False)
        except NetworkError as error:
            raise NetworkError(f"{where} {error}") from None


def shapes_fit(scales: list[Tensor], images: Tensor) -> None:
    """Scales [1, B, 1, h, w] of images [B, 3, H, W]."""
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


def values_fit(scales: list[Tensor], learnt: bool = True) -> None:
    """Finite, positive and, if they are to be learnt, of the parameters."""
    for scale in scales:
        low, high = float(scale.detach().min()), float(scale.detach().max())
        if not (torch.isfinite(scale).all() and low > 0):
            raise NetworkError(f"gives values from {low:g} to {high:g}; finite inverse depth > 0 (1/m) is needed")
        if learnt and not scale.requires_grad:
            raise NetworkError("gives a scale without a gradient; each must come from the parameters (no detach, no no_grad)")
