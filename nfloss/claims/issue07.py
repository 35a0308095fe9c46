"""The document's statements about issue 7, recomputed with predictors that do not learn or whose progress is known."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from nfloss.claims.claim import Claim, statement
from nfloss.claims.evidence import gradients, near_and_far, scene
from nfloss.configuration import Configuration
from nfloss.loss import Losses

BATCHES, PIXELS = 200, 2048
SIMULATED = (
    f"seeded simulation: {BATCHES} batches of {PIXELS} pixels at 0.5 and 2 m, near shares from Beta(2, 6), "
    "a frozen predictor with log-normal errors of SD 0.15; SD / mean of the loss"
)


def claims() -> list[Claim]:
    """How much the loss varies without any learning, and whether the normalised loss falls with progress."""
    return [*variation_claims(), readable_steps(), normalised(), recording()]


@cache
def variation() -> dict[str, float]:
    """Coefficient of variation of the total between batches: the baseline's, 1-1's and 2-1's."""
    losses = Losses([Configuration.of(*fixes) for fixes in ((), ("1-1",), ("2-1",))])
    noise = torch.Generator().manual_seed(0)
    values = torch.stack([losses(*frozen_batch(noise)) for _ in range(BATCHES)])
    variations = values.std(0) / values.mean(0)
    return {c.name: value for c, value in zip(losses.configurations, variations.tolist(), strict=True)}


def frozen_batch(noise: torch.Generator) -> tuple[Tensor, Tensor]:
    """Prediction [3, 1, 1, 1, P] and truth; 2 exponential variates over the sum of 8 are one from Beta(2, 6)."""
    exponentials = -torch.rand(8, generator=noise, dtype=torch.float64).log()
    share = (exponentials[:2].sum() / exponentials.sum()).item()
    gt = near_and_far(round(share * PIXELS), PIXELS)
    error = (0.15 * torch.randn(gt.shape, generator=noise, dtype=torch.float64)).exp()
    return (error * gt).expand(3, *gt.shape), gt


def variation_claims() -> list[Claim]:
    variations = variation()
    baseline, fixed, weighted = variations["baseline"], variations["1-1"], variations["2-1"]
    moves, computed = "the baseline's loss value moves while nothing is learnt", f"by {baseline:.3f} between batches"
    claims = [statement(7, moves, "yes", computed, baseline > 0.01, shown_by=SIMULATED)]
    for quantity, claimed, own, point in (
        ("a fixed mean (1-1) makes the loss value steadier", "consistent between batches", fixed, 15),
        ("weighted moments (2-1) make the loss value steadier", "more stable", weighted, None),
    ):
        computed = f"{own:.3f} against {baseline:.3f}"
        claims.append(statement(7, quantity, claimed, computed, own < baseline, shown_by=SIMULATED, point=point))
    shows, computed = "a steadier loss value shows steadier training", f"{weighted:.3f} to {fixed:.3f}, by formula alone"
    alike = max(variations.values()) < 1.5 * min(variations.values())
    by = "the same predictor, three formulas: the value moves tenfold though nothing is trained"
    return [*claims, statement(7, shows, "yes", computed, alike, shown_by=by, point=15)]


def readable_steps() -> Claim:
    """The document's example of an unreadable curve against the variation between single batches."""
    steps, noise = (0.0007 / 0.0008 - 1.0, 0.0009 / 0.0007 - 1.0), variation()["baseline"]
    quantity = "steps of 0.0008, 0.0007, 0.0009 drown in the batches' variation"
    computed = f"{steps[0]:+.1%} and {steps[1]:+.1%} against {noise:.1%}"
    by = "the simulation above; an epoch's mean varies less than its batches"
    return statement(7, quantity, "cannot be told", computed, max(map(abs, steps)) < noise, shown_by=by)


def normalised() -> Claim:
    """7-2's series for a predictor, and for one with every error halved."""
    pred, gt = scene()
    losses = Losses([Configuration.of("7-2")])
    before, after = (normalised_loss(losses, p, gt) for p in (pred, (pred + gt) / 2.0))
    quantity = "the normalised loss (7-2) is below 1 once the model has improved"
    computed = f"{before:.3f}, and {after:.3f} when every error has halved"
    by = "total / unweighted total of one scene: both read the same prediction and shrink together"
    return statement(7, quantity, "below 1 is better", computed, after < 1.0, shown_by=by)


def normalised_loss(losses: Losses, pred: Tensor, gt: Tensor) -> float:
    stacked = pred.unsqueeze(0)
    return (losses(stacked, gt) / (losses.unweighted(stacked, gt) + 1e-8)).item()


def recording() -> Claim:
    pred, gt = scene()
    plain, *recorded = gradients([Configuration.of(*fixes) for fixes in ((), ("7-1",), ("7-2",))], pred, gt)
    change = max((g - plain).abs().max().item() for g in recorded)
    quantity, computed = "recording (7-1, 7-2) leaves training as it is", f"gradient changes by {change:g}"
    return statement(7, quantity, "records only", computed, change == 0)
