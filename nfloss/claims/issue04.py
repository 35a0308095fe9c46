"""The document's numbers about issue 4, recomputed."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nfloss.claims.claim import Claim, number, statement
from nfloss.claims.evidence import DOCUMENT_FAR, DOCUMENT_NEAR, gradients, mean_square, near_and_far, scene, totals
from nfloss.configuration import Configuration
from nfloss.loss import Losses
from nfloss.numbers import Numbers

NEAR_ERROR, FAR_ERROR = 0.5, 0.001


def claims() -> list[Claim]:
    """The two cases, their ratio and its factors, and the effect of the two guards."""
    return [*cases(), *ratios(), *hook(), *fallback()]


def case_gradients() -> tuple[float, float]:
    """d/dr of the weighted square for a near pixel with a large and a far one with a small error, times the pixel count."""
    gt = near_and_far(254, 1000)
    error = torch.where(gt > 1.0, NEAR_ERROR, FAR_ERROR)
    gradient = gradients([mean_square()], gt + error, gt)[0] * gt.numel()
    return gradient[0].item(), gradient[-1].item()


def cases() -> list[Claim]:
    near, far = case_gradients()
    by = "autograd: 2 * weight^2 * error, not weight * error"
    return [
        number(4, "weighted residual, near, error 0.5", 1.239, NEAR_ERROR * DOCUMENT_NEAR, 3),
        number(4, "weighted residual, far, error 0.001", 0.000495, FAR_ERROR * DOCUMENT_FAR, 6),
        number(4, "gradient, near, error 0.5", 1.239, near, 3, by),
        number(4, "gradient, far, error 0.001", 0.0005, far, 4, by),
    ]


def ratios() -> list[Claim]:
    near, far = case_gradients()
    errors, weights = NEAR_ERROR / FAR_ERROR, DOCUMENT_NEAR / DOCUMENT_FAR
    quantity, computed = "the weights make the range of 2478", f"errors {errors:.0f}x, weights {weights:.3g}x"
    by = "its own factors: 0.5 / 0.001 and 2.477 / 0.495"
    return [
        number(4, "the document's own 1.239 / 0.0005", 2478.0, 1.239 / 0.0005, 0),
        number(4, "near against far gradient in the two cases", 2478.0, near / far, 0, "autograd, SSI with alpha 1"),
        statement(4, quantity, "2478x", computed, errors < weights, shown_by=by, point=5),
    ]


def hook() -> list[Claim]:
    """4-1 on the document's two cases and on a scene with errors of 100 1/m: the gradient with and without the hook."""
    pred, gt = scene()
    configurations = [Configuration.of("4-1"), Configuration.of()]
    pairs = (gradients(configurations, p, gt) for p in (pred, pred + 100.0, 1e-3 * pred))
    change, numbers = max((hooked - plain).abs().max().item() for hooked, plain in pairs), Numbers()
    computed = f"by {change:g}; the scalars get {numbers.ssi_weight:g} and {numbers.silog_weight:g}"
    quantity, claimed = "the hook (4-1) changes a gradient", "clips exploding ones"
    by = "autograd with and without 4-1, errors up to 100 1/m"
    return [statement(4, quantity, claimed, computed, change > 0, "does nothing", by, 5)]


def fallback() -> list[Claim]:
    """4-2 where one prediction is NaN or infinite, and the range of large float32 predictions where it helps."""
    (pred, gt), claims = scene(), []
    by = "the loss with 4-2: the unweighted loss reads the same prediction"
    for name, value in (("NaN", math.nan), ("infinite", math.inf)):
        changed = pred.clone()
        changed.flatten()[0] = value  # a near pixel
        total = totals([Configuration.of("4-2")], changed, gt).item()
        quantity = f"the fallback (4-2) is finite where a prediction is {name}"
        claims.append(statement(4, quantity, "safe", f"{total:g}", math.isfinite(total), "does nothing", by, 16))
    return [*claims, rescued(pred.float(), gt.float())]


def rescued(pred: Tensor, gt: Tensor) -> Claim:
    """The range of predictions for which the weighted total overflows and the fallback does not."""
    nearest = gt == gt.max()
    values = torch.logspace(18, 21, 301)
    hostile = torch.stack([pred.where(~nearest, value) for value in values])
    guarded, plain = (Losses([c] * len(values))(hostile, gt).isfinite() for c in (Configuration.of("4-2"), Configuration.of()))
    saved = values[guarded & ~plain].tolist()
    quantity = "the fallback (4-2) rescues a finite prediction whose loss overflows"
    computed = f"{saved[0]:.2g} to {saved[-1]:.2g} 1/m only" if saved else "never"
    by = "one near float32 prediction from 1e18 to 1e21 1/m, with and without 4-2"
    return statement(4, quantity, "always", computed, len(saved) > len(values) / 2, "does nothing", by, 16)
