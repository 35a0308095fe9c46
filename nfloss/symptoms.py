"""Measures symptoms: an issue as one number per configuration, computed on fixed data without training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nfloss.loss import Losses
from nfloss.slots import BASELINE

SMOOTH_ERROR, PIXEL_ERROR = 0.15, 0.05  # standard deviations of the frozen predictor's log errors
BLOCK = 8  # pixels between independent values of its smooth error


@dataclass(frozen=True)
class Bench:
    """Fixed data: n batches of true inverse depth and a frozen predictor's predictions, both [n, B, 1, H, W]."""

    truth: Tensor
    prediction: Tensor

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Prediction and truth of each batch, both [B, 1, H, W]."""
        return zip(self.prediction, self.truth, strict=True)


def make_bench(truth: Tensor, seed: int) -> Bench:
    """Simulate a frozen predictor: truth times a log-normal error, a smooth part plus a small one of each pixel.

    Args:
        truth: inverse depth [n, B, 1, H, W]; invalid pixels are left unchanged.
        seed: seeds the errors, which are the same on every device.
    """
    noise = torch.Generator().manual_seed(seed)
    batches, images, _, height, width = truth.shape
    coarse = torch.randn(batches * images, 1, height // BLOCK + 2, width // BLOCK + 2, generator=noise)
    smooth = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)
    fine = torch.randn(smooth.shape, generator=noise)
    # Interpolation averages neighbours and so lowers the deviation; dividing by it restores the scale.
    log_error = SMOOTH_ERROR * smooth / smooth.std() + PIXEL_ERROR * fine
    valid = torch.isfinite(truth) & (truth > 0)
    return Bench(truth, torch.where(valid, truth * log_error.exp().reshape(truth.shape).to(truth), truth))


def pixel_gradients(losses: Losses, prediction: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Totals [K] and d total / d prediction [K, P] of one batch, with the same prediction [B, 1, H, W] for all."""
    with torch.enable_grad():
        preds = prediction.detach().expand(len(losses.configurations), *prediction.shape).clone().requires_grad_()
        total = losses(preds, truth)
        (gradient,) = torch.autograd.grad(total.sum(), preds)
    return total.detach(), gradient.flatten(1)


def without_weights(losses: Losses) -> Losses:
    """The parent class's loss with each configuration's numbers: the baseline's choices, near weight 1."""
    return Losses([replace(c, choices=BASELINE, numbers=replace(c.numbers, near_weight=1.0)) for c in losses.configurations])


def term_inflation(losses: Losses, bench: Bench) -> tuple[Tensor, Tensor]:
    """The factors on SSI and on SILog against the unweighted loss, for each batch; both [n, K]."""
    plain, ssi, silog = without_weights(losses), [], []
    for prediction, truth in bench.batches():
        preds = prediction.expand(len(losses.configurations), *prediction.shape)
        with torch.no_grad():
            own, reference = losses.terms(preds, truth), plain.terms(preds, truth)
        ssi.append(own.ssi / reference.ssi)
        silog.append(own.silog / reference.silog)
    return torch.stack(ssi), torch.stack(silog)


def valid_pixels(truth: Tensor) -> Tensor:
    """Which pixels have ground truth, [P] bool."""
    return (torch.isfinite(truth) & (truth > 0)).flatten()
