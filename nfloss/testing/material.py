"""Small batches on which the contract of a fix is checked, and functions to compare results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.loss import Losses

HEIGHT, WIDTH = 16, 24
IMAGES = 2


@dataclass(frozen=True)
class Case:
    """Predicted inverse depth [B, 1, h, w] of one or more scales, finest first; truth [B, 1, H, W]; a mask or None."""

    name: str
    preds: tuple[Tensor, ...]
    gt: Tensor
    mask: Tensor | None = None

    def to(self, dtype: torch.dtype) -> Case:
        return replace(self, preds=tuple(pred.to(dtype) for pred in self.preds), gt=self.gt.to(dtype))


def make_case(name: str, seed: int, nearest: float = 0.2, farthest: float = 10.0, scales: int = 1) -> Case:
    """Depths log-uniform between two limits in metres, predicted with log-normal errors of SD 0.15. Float64."""
    noise = torch.Generator().manual_seed(seed)
    share = torch.rand(IMAGES, 1, HEIGHT, WIDTH, generator=noise, dtype=torch.float64)
    truth = 1.0 / (nearest * (farthest / nearest) ** share)
    error = (0.15 * torch.randn(truth.shape, generator=noise, dtype=torch.float64)).exp()
    finest = truth * error
    return Case(name, tuple(finest[..., :: 1 << s, :: 1 << s].clone() for s in range(scales)), truth)


def with_holes(case: Case, seed: int) -> Case:
    """Invalid truth (0, negative, NaN, inf) at a tenth of the pixels, and a mask that removes a quarter."""
    noise = torch.Generator().manual_seed(seed)
    chance = torch.rand(case.gt.shape, generator=noise, dtype=torch.float64)
    gt = case.gt.clone()
    for place, bad in enumerate((0.0, -1.0, torch.nan, torch.inf)):
        gt[(chance >= 0.025 * place) & (chance < 0.025 * (place + 1))] = bad
    return replace(case, gt=gt, mask=chance < 0.75)


def masked_but(case: Case, pixels: int) -> Case:
    """All pixels masked except the first `pixels`."""
    mask = torch.arange(case.gt.numel()).reshape(case.gt.shape) < pixels
    return replace(case, mask=mask)


def perfect(case: Case) -> Case:
    """Prediction equal to truth: a root of the residuals, or a division by their deviation, gets 0."""
    return replace(case, preds=(case.gt.clone(),))


def upper_half(case: Case) -> tuple[Case, Case]:
    """A case of one scale with its lower half masked, and with its lower half cut off."""
    mask = (torch.arange(HEIGHT) < HEIGHT // 2).reshape(1, 1, -1, 1).expand(case.gt.shape)
    upper = case.gt[..., : HEIGHT // 2, :]
    return replace(case, mask=mask), replace(case, preds=(case.preds[0][..., : HEIGHT // 2, :],), gt=upper)


ORDINARY = make_case("an ordinary batch", 1)
HOLES = with_holes(make_case("a batch with holes and a mask", 2, scales=3), 3)
CASES = (
    ORDINARY,
    HOLES,
    make_case("a batch with near pixels alone", 4, 0.1, 0.25),
    make_case("a batch with far pixels alone", 5, 4.0, 30.0, scales=2),
    perfect(make_case("a batch that is predicted perfectly", 8)),
    masked_but(make_case("a batch with one valid pixel", 6), 1),
    masked_but(make_case("a batch without a valid pixel", 7), 0),
)


def evaluate(
    configurations: Sequence[Configuration], case: Case, epoch: float = 12.0, preds: Sequence[Tensor] | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Totals [K] and their gradients, [K, B, 1, h, w] for each scale, at an epoch of 50. `preds`, if given, has a prediction
    per configuration and replaces the case's."""
    losses = Losses(configurations)
    losses.set_epoch(epoch, of=50.0)
    given = preds or [pred.expand(len(configurations), *pred.shape) for pred in case.preds]
    leaves = [pred.clone().requires_grad_() for pred in given]
    totals = losses(leaves, case.gt, case.mask)
    return totals.detach(), list(torch.autograd.grad(totals.sum(), leaves))


def own_predictions(case: Case, count: int) -> list[Tensor]:
    """The case's predictions changed by up to 10 %, differently for each of `count` configurations: [K, B, 1, h, w]."""
    noise = torch.Generator().manual_seed(count)
    factors = [1.0 + 0.1 * torch.rand(count, *pred.shape, generator=noise, dtype=torch.float64) for pred in case.preds]
    return [pred * factor.to(pred.dtype) for pred, factor in zip(case.preds, factors, strict=True)]


def usable(case: Case, like: Tensor) -> Tensor:
    """Which pixels are valid and not masked at the scale of `like`, [B, 1, h, w] bool."""
    good = torch.isfinite(case.gt) & (case.gt > 0)
    good = good if case.mask is None else good & case.mask
    step = case.gt.shape[-1] // like.shape[-1]
    return good[..., ::step, ::step]


def deviation(one: Tensor, other: Tensor, floor: float = 0.0) -> float:
    """The norm of the difference divided by that of `other`, or by `floor` if that is larger; 0 where both are 0."""
    size = max(float(other.double().norm()), floor)
    difference = float((one.double() - other.double()).norm())
    return difference / size if size > 0 else float(difference > 0)
