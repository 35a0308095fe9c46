"""Issue 10, medium: each scale of the prediction is normalised by its own mean weight.

Fixes: one constant at every scale (the same as fix 1-1), or one weight map, computed at full resolution and resized.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.evaluation.weighting import weigh
from nfloss.issues.i01_weight_normalisation import FIXED
from nfloss.loss import Losses
from nfloss.registry import Fix, Issue, Symptom, register
from nfloss.slots import Choice
from nfloss.symptoms import Bench
from nfloss.terms import Target

SCALES = 4


def shared_depth(finest: Tensor, own: Tensor) -> Tensor:
    """The full-resolution depth, resized by nearest neighbour to this scale. [B, 1, H, W] -> [B, 1, h, w]"""
    return F.interpolate(finest, size=own.shape[-2:], mode="nearest")


def spread_across_scales(losses: Losses, bench: Bench) -> Tensor:
    """(largest - smallest) / mean of the divisors of the weights at 4 scales, mean over the batches, [K].

    0 where weights are not divided by a mean. In a split loss, the part with the larger value counts.
    """
    spreads = [
        torch.stack(
            [batch_spread(c, threshold, truth) for c, threshold in zip(losses.configurations, losses.thresholds, strict=True)]
        )
        for truth in bench.truth
    ]
    return torch.stack(spreads).mean(0)


def batch_spread(configuration: Configuration, threshold: float, truth: Tensor) -> Tensor:
    """The spread of one batch [B, 1, H, W], a scalar."""
    numbers, (height, width) = configuration.numbers, truth.shape[-2:]
    scales = [F.interpolate(truth, size=(max(height >> s, 1), max(width >> s, 1)), mode="nearest") for s in range(SCALES)]
    targets = [Target.of(scale, None, numbers.min_depth, numbers.max_depth) for scale in scales]
    means = torch.stack([divisors(configuration, threshold, target, targets[0].image_depth) for target in targets])
    least, most = means.nan_to_num(nan=torch.inf).amin(0), means.nan_to_num(nan=-torch.inf).amax(0)
    return ((most - least) / means.nanmean(0)).nan_to_num(0.0).amax()


def divisors(configuration: Configuration, threshold: float, target: Target, finest: Tensor) -> Tensor:
    """The divisor of the weights of each part at one scale, [parts]; 1 without division, NaN for a part without pixels.

    The configuration is simplified first: weighted moments cancel every other divisor.
    """
    simple = configuration.simplified()
    parts = [(divisor(simple, p.raw, p.mask), p.mask) for p in weigh(simple, target, finest, threshold)]
    return torch.stack([torch.where(mask.sum() > 0, mean, torch.nan) for mean, mask in parts])


def divisor(configuration: Configuration, raw: Tensor, mask: Tensor) -> Tensor:
    """The first mean that `temper` requests (SSI's, where the two spaces have different ones); 1 if it requests none."""
    requested: list[Tensor] = []

    def mean(power: float) -> Tensor:
        value = configuration.choices["normalise"](configuration.numbers, raw, mask, power)
        requested.append(torch.as_tensor(value).to(raw).squeeze())
        return requested[-1]

    configuration.choices["temper"](configuration.numbers, raw, mean)
    return requested[0] if requested else raw.new_ones(())


SHARED_DEPTH = Choice("shared depth", shared_depth)

SAYS = "Each scale normalises by its own mean weight, so the scales send different signals."
FIXES = (
    Fix(
        "10-1", "global-mean", "the constant 1.75 at every scale", {"normalise": FIXED}, "document", "Issue 10, first solution"
    ),
    Fix("10-2", "shared-mask", "one weight map, resized", {"pyramid": SHARED_DEPTH}, "document", "Issue 10, second solution"),
)
SYMPTOM = Symptom("spread of the mean weight across scales", "relative", "0", spread_across_scales)

register(Issue(10, "Scales disagree", "medium", SAYS, FIXES, SYMPTOM))
