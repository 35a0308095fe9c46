"""Issue 6, major: the document says that weighted gradients disturb batch normalisation.

Fixes: a tenth of the BatchNorm momentum (which changes only the running statistics), or separate losses for near and far
pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nfloss.numbers import Number
from nfloss.registry import Fix, Issue, Symptom, register
from nfloss.slots import Choice, Partition


def slow_momentum(*, slow_bn_momentum: float) -> float:
    """0.01 instead of 0.1, for every BatchNorm of the network."""
    return slow_bn_momentum


def near_and_far(
    mask: Tensor, weights: Tensor, depth: Tensor, threshold: Number, *, near_weight: Number
) -> list[tuple[Tensor, Tensor]]:
    """Near pixels with the constant weight `near_weight`, far pixels with 1; the boundary is hard for any choice of `weigh`."""
    near = (depth < threshold).to(mask.dtype)
    ones = torch.ones_like(near)
    return [(mask * near, ones * near_weight), (mask * (1.0 - near), ones)]


def weighted_sum_of_parts(losses: Tensor, counts: Tensor, *, near_part: Number) -> Tensor:
    """0.7 near + 0.3 far, or the part that has pixels. Both [2, R]."""
    near, far = losses
    both = near_part * near + (1.0 - near_part) * far
    return torch.where(counts[0] == 0, far, torch.where(counts[1] == 0, near, both))


SLOW = Choice("slow", slow_momentum)
SPLIT = Choice("near and far", Partition(2, near_and_far, weighted_sum_of_parts, exhaustive=True))

SAYS = "Weighted gradients pull near and far predictions apart, and batch normalisation sees contradictory signals."
FIXES = (
    Fix("6-1", "slow-batchnorm", "BatchNorm momentum 0.01", {"bn_momentum": SLOW}, "document", "Solution 6-1"),
    Fix(
        "6-2",
        "split-loss",
        "near and far pixels each get their own loss, 0.7 near + 0.3 far",
        {"partition": SPLIT},
        "document",
        "Solution 6-2",
    ),
)
SYMPTOM = Symptom("near AbsRel with running against batch statistics", "ratio", "1")

register(Issue(6, "Batch normalisation", "major", SAYS, FIXES, SYMPTOM))
