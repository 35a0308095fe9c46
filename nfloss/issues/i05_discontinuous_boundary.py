"""Issue 5, major: 0.99 m weighs 5, 1.00 m weighs 1.

One centimetre changes the weight fivefold; the document says that training oscillates around 1 m.
Fixes: a tanh (as the document argues, and as its code has it, with the sign reversed), or a linear ramp.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nfloss.loss import Losses
from nfloss.numbers import Number
from nfloss.registry import Fix, Issue, Symptom, register
from nfloss.slots import Choice
from nfloss.symptoms import Bench


def smooth_tanh(depth: Tensor, threshold: Number, *, near_weight: Number, smooth_range: Number) -> Tensor:
    """From `near_weight` down to 1, half way at the threshold."""
    far = (1.0 + torch.tanh((depth - threshold) / smooth_range)) / 2.0
    return 1.0 + (near_weight - 1.0) * (1.0 - far)


def smooth_tanh_as_written(depth: Tensor, threshold: Number, *, near_weight: Number, smooth_range: Number) -> Tensor:
    """The document's code to the letter: far pixels get the large weight."""
    far = (1.0 + torch.tanh((depth - threshold) / smooth_range)) / 2.0
    return 1.0 + (near_weight - 1.0) * far


def linear_ramp(depth: Tensor, threshold: Number, *, near_weight: Number, ramp_half_width: Number) -> Tensor:
    """`near_weight` below threshold - half width, 1 from threshold + half width, linear between."""
    near = ((threshold + ramp_half_width - depth) / (2.0 * ramp_half_width)).clamp(0.0, 1.0)
    return 1.0 + (near_weight - 1.0) * near


def largest_weight_step(losses: Losses, bench: Bench) -> Tensor:
    """Largest change of the raw weight over one centimetre, within half a metre of the threshold in force, [K].

    Computed on depths at equal steps, because the bench's pixels are too sparse.
    """
    centimetres = torch.arange(1, 401, device=bench.truth.device, dtype=torch.float64)
    depth = (centimetres - 0.5) / 100.0  # so that a round threshold lies between two depths
    weight = losses.raw_weights((1.0 / depth).reshape(1, 1, 1, -1))
    middle = (depth[1:] + depth[:-1]) / 2.0
    near = (middle - middle.new_tensor(losses.thresholds).unsqueeze(-1)).abs() <= 0.5
    return (weight.diff(dim=-1).abs() * near).amax(-1)


TANH, TANH_AS_WRITTEN = Choice("smooth tanh", smooth_tanh), Choice("smooth tanh as written", smooth_tanh_as_written)
RAMP = Choice("linear ramp", linear_ramp)

SAYS = "0.99 m weighs 5 and 1.00 m weighs 1: training is said to swing around the boundary."
FIXES = (
    Fix("5-1", "smooth-tanh", "tanh from 5 to 1 around the threshold", {"weigh": TANH}, "document", "Solution 5-1, as argued"),
    Fix(
        "5-1w",
        "smooth-tanh-as-written",
        "the same with the sign of the document's code: far pixels weigh 5",
        {"weigh": TANH_AS_WRITTEN},
        "document to the letter",
        "Solution 5-1, code",
    ),
    Fix("5-2", "linear-ramp", "linear from 5 at 0.8 m to 1 at 1.2 m", {"weigh": RAMP}, "document", "Solution 5-2"),
)
SYMPTOM = Symptom("largest change of weight near the threshold", "per centimetre", "0", largest_weight_step)

register(Issue(5, "Discontinuous boundary", "major", SAYS, FIXES, SYMPTOM))
