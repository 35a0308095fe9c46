"""Small deterministic float64 data on which the claims are recomputed: images, weights, totals, gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.evaluation.weighting import Weights
from nfloss.loss import Losses
from nfloss.numbers import Numbers
from nfloss.registry import find_fix
from nfloss.slots import Choice
from nfloss.terms import Target

NCDB_NEAR = 0.254  # the document's share of pixels nearer than 1 m
DOCUMENT_NEAR, DOCUMENT_FAR = 2.477, 0.495  # its normalised weights, which its examples use


def choice_of(fix: str, slot: str) -> Choice:
    """The choice that a fix puts into a slot."""
    return find_fix(fix).fills[slot]


def column(values: Sequence[float] | Tensor) -> Tensor:
    """Numbers as float64, [P]."""
    return torch.as_tensor(values, dtype=torch.float64)


def image(depths: Sequence[float] | Tensor) -> Tensor:
    """Depths in metres as inverse depth [1, 1, 1, P]."""
    return (1.0 / column(depths)).reshape(1, 1, 1, -1)


def near_and_far(near: int, total: int) -> Tensor:
    """`near` of `total` pixels at 0.5 m, the rest at 2 m, as inverse depth [1, 1, 1, P]."""
    return image([0.5] * near + [2.0] * (total - near))


def residuals(true_depth: float, predicted_depth: float) -> tuple[float, float]:
    """The loss's inverse-depth residual in 1/m and log-depth residual of one pixel."""
    numbers = Numbers()
    target = Target.of(image([true_depth]), None, numbers.min_depth, numbers.max_depth)
    inverse, log = target.residuals(image([predicted_depth]).flatten(1))
    return inverse.item(), log.item()


def weights_at(near_share: float, *fixes: str) -> Weights:
    """The loss's weights [1, P] of 10,000 pixels with this share of near ones; the first pixel is near, the last far."""
    return Losses([Configuration.of(*fixes)]).weights(near_and_far(round(10_000 * near_share), 10_000))


def totals(configurations: Sequence[Configuration], pred: Tensor, gt: Tensor) -> Tensor:
    """Totals [K] of one prediction [B, 1, H, W] under each configuration."""
    return Losses(configurations)(pred.expand(len(configurations), *pred.shape), gt)


def gradients(configurations: Sequence[Configuration], pred: Tensor, gt: Tensor) -> Tensor:
    """d total / d prediction of one prediction [B, 1, H, W] under each configuration, [K, P]."""
    preds = pred.expand(len(configurations), *pred.shape).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(Losses(configurations)(preds, gt).sum(), preds)
    return gradient.flatten(1)


def mean_square(*fixes: str, **numbers: float) -> Configuration:
    """SSI alone with alpha 1 is the mean square: each pixel's gradient depends only on its own error."""
    return Configuration.of(*fixes, alpha=1.0, ssi_weight=1.0, silog_weight=0.0, **numbers)


def scene(seed: int = 0, pixels: int = 64) -> tuple[Tensor, Tensor]:
    """A prediction and the truth, both [1, 1, 8, pixels / 8]: depths 0.2 to 10 m, log-normal errors of SD 0.15."""
    noise = torch.Generator().manual_seed(seed)
    depth = 0.2 * 50.0 ** torch.rand(1, 1, 8, pixels // 8, generator=noise, dtype=torch.float64)
    error = (0.15 * torch.randn(depth.shape, generator=noise, dtype=torch.float64)).exp()
    return error / depth, 1.0 / depth
