"""Issue 10, medium: each scale of the prediction normalises by its own mean weight.

Fixes: one constant at every scale (which is fix 1-1), or one weight map, computed at full resolution and resized.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from nfloss.claims import Claim
from nfloss.issues.i01_weight_normalisation import FIXED
from nfloss.registry import Fix, Issue, register
from nfloss.slots import Choice
from nfloss.symptoms import Symptom


def shared_depth(finest: Tensor, own: Tensor) -> Tensor:
    """The full-resolution depth, resized by nearest neighbour to this scale. [B, 1, H, W] -> [B, 1, h, w]"""
    return F.interpolate(finest, size=own.shape[-2:], mode="nearest")


def claims() -> list[Claim]:
    """The document's numbers about this issue."""
    return []


ISSUE = register(
    Issue(
        number=10,
        title="Scales disagree",
        severity="medium",
        says="Each scale normalises by its own mean weight, so the scales send different signals.",
        fixes=(
            Fix(
                "10-1",
                "global-mean",
                "the constant 1.75 at every scale",
                {"normalise": FIXED},
                source="Issue 10, first solution",
            ),
            Fix(
                "10-2",
                "shared-mask",
                "one weight map, resized",
                {"pyramid": Choice("shared depth", shared_depth)},
                source="Issue 10, second solution",
            ),
        ),
        symptom=Symptom("spread of the mean weight across scales", "relative", "0"),
        claims=claims,
    )
)
