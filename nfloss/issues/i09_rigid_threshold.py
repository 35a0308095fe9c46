"""Issue 9, medium: what counts as near is hard-coded as 1 m.

At 50 km/h and 0.5 s of reaction a car covers 7 m.
Fixes: a threshold from speed and reaction time, or one that grows with the epochs, linearly or in steps; all are clamped to
[0.3, 3.0] m, as in the document's setter.
"""

from __future__ import annotations

from copy import copy

from torch import Tensor

from nfloss.loss import Losses
from nfloss.numbers import DOCUMENT_EPOCHS, clamp_threshold
from nfloss.registry import Fix, Issue, Symptom, register
from nfloss.slots import Choice
from nfloss.symptoms import Bench, valid_pixels


def reaction_distance(epoch: float, of: float, *, speed_kmh: float, reaction_seconds: float) -> float:
    """Metres covered before the driver reacts, clamped: 6.94 m becomes 3 m."""
    return clamp_threshold(speed_kmh / 3.6 * reaction_seconds)


def linear_schedule(
    epoch: float, of: float, *, start_epoch: float, end_epoch: float, start_threshold: float, end_threshold: float
) -> float:
    """0.5 to 1.5 m from epoch 0 to epoch 50 of a run of 50; other runs are scaled to 50 epochs."""
    progress = (epoch * DOCUMENT_EPOCHS / of - start_epoch) / (end_epoch - start_epoch)
    return clamp_threshold(start_threshold + (end_threshold - start_threshold) * min(max(progress, 0.0), 1.0))


def step_schedule(epoch: float, of: float) -> float:
    """0.5, 1.0, 1.5 m in epochs 0-10, 10-30, 30-50 of a run of 50; other runs are scaled to 50 epochs."""
    document_epoch = epoch * DOCUMENT_EPOCHS / of
    return clamp_threshold(0.5 if document_epoch < 10 else 1.0 if document_epoch < 30 else 1.5)


def share_called_near(losses: Losses, bench: Bench) -> Tensor:
    """Share of the valid pixels with a weight above (1 + near weight) / 2, in the middle of a run, [K]."""
    middle = copy(losses)
    middle.set_epoch(DOCUMENT_EPOCHS / 2.0)
    heavy = bench.truth.new_tensor([(1.0 + c.numbers.near_weight) / 2.0 for c in losses.configurations]).unsqueeze(-1)
    near = sum((middle.raw_weights(truth) > heavy).sum(-1) for truth in bench.truth)
    return near / valid_pixels(bench.truth).sum()


REACTION, LINEAR = Choice("reaction distance", reaction_distance), Choice("linear schedule", linear_schedule)
STEPS = Choice("step schedule", step_schedule)

SAYS = "At 50 km/h and 0.5 s of reaction a car covers 7 m; 1 m need not be the right boundary."
FIXES = (
    Fix(
        "9-1",
        "reaction-distance",
        "speed times reaction time, clamped to 3 m",
        {"threshold": REACTION},
        "document",
        "Solution 9-1",
    ),
    Fix("9-2", "linear-schedule", "from 0.5 m to 1.5 m over the run", {"threshold": LINEAR}, "document", "Solution 9-2"),
    Fix("9-3", "step-schedule", "0.5, 1.0, 1.5 m in steps", {"threshold": STEPS}, "document", "Long-term improvements"),
)
SYMPTOM = Symptom("share of pixels called near, middle of the run", "share", "a matter of purpose", share_called_near)

register(Issue(9, "Hard-coded 1 m", "medium", SAYS, FIXES, SYMPTOM))
