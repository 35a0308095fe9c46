"""The document's numbers about issue 10, recomputed."""

from __future__ import annotations

import torch

from nfloss.claims.claim import Claim, number, statement
from nfloss.claims.evidence import near_and_far
from nfloss.configuration import Configuration
from nfloss.loss import Losses

SCALES = (
    ("1/1", 640, 384, 50_000, 2.018, 3),
    ("1/2", 320, 192, 12_500, 1.875, 3),
    ("1/4", 160, 96, 3_125, 1.750, 3),
)


def claims() -> list[Claim]:
    """Pixel counts and mean weights of the three scales, and the effect of the two fixes."""
    return [*scales(), near_shares(), same_as_fixed_mean(), shared_mask()]


def mean_weight(near: int, total: int) -> float:
    return Losses([Configuration.of()]).weights(near_and_far(near, total)).raw.mean().item()


def scales() -> list[Claim]:
    claims = []
    _, width, height, near, _, _ = SCALES[0]
    for halvings, (name, w, h, count, mean, decimals) in enumerate(SCALES):
        by = f"the baseline's weights, {count} near pixels of {w} x {h}"
        claims += [
            number(10, f"width at scale {name}", w, width // 2**halvings, 0),
            number(10, f"height at scale {name}", h, height // 2**halvings, 0),
            number(10, f"near pixels at scale {name}", count, near / 4**halvings, 0),
            number(10, f"mean weight at scale {name}", mean, mean_weight(count, w * h), decimals, by, 12),
        ]
    return claims


def near_shares() -> Claim:
    shares = [count / (w * h) for _, w, h, count, _, _ in SCALES]
    quantity, by = "the document's pixel counts differ in near share between scales", "its counts over its resolutions"
    claimed, computed = "25.4 %, 21.9 %, 18.75 % (its mean weights)", ", ".join(f"{share:.1%}" for share in shares)
    return statement(10, quantity, claimed, computed, max(shares) - min(shares) > 0.01, shown_by=by, point=12)


def same_as_fixed_mean() -> Claim:
    same = Configuration.of("10-1") == Configuration.of("1-1")
    quantity, computed = "the global mean (10-1) is a fix of its own", "equal to 1-1" if same else "different from 1-1"
    by = "the two configurations compared: every slot and number"
    return statement(10, quantity, "yes", computed, not same, "does nothing", by, 13)


def shared_mask() -> Claim:
    """Gradients at three scales of a sparse random ground truth, with and without 10-2."""
    noise = torch.Generator().manual_seed(0)
    depth = 0.2 * 50.0 ** torch.rand(2, 1, 24, 32, generator=noise, dtype=torch.float64)
    gt = torch.where(torch.rand(depth.shape, generator=noise) < 0.5, 1.0 / depth, 0.0)
    preds = [torch.full((2, 2, 1, 24 >> s, 32 >> s), 0.7, dtype=torch.float64, requires_grad=True) for s in range(3)]
    losses = Losses([Configuration.of("10-2"), Configuration.of()])
    gradients = torch.autograd.grad(losses(preds, gt).sum(), preds)
    change = max((g[0] - g[1]).abs().max().item() for g in gradients)
    quantity, claimed = "one resized weight map (10-2) changes a gradient", "same standard at every scale"
    by = "autograd at three scales, ground truth resized by nearest neighbour"
    return statement(10, quantity, claimed, f"by {change:g}", change > 0, "does nothing", by, 19)
