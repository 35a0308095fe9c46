"""Issue 7, major: the loss value does not show progress.

Its scale changes with every batch, so 0.0008, 0.0007, 0.0009 cannot be compared.
Fixes: record the parts separately; record the loss divided by the unweighted loss. Neither changes training.
"""

from __future__ import annotations

from nfloss.registry import Fix, Issue, Symptom, register
from nfloss.slots import Choice


def split_metrics() -> tuple[str, ...]:
    """The series that 7-1 adds; every run records them anyway."""
    return ("total_loss", "ssi_loss", "silog_loss", "near_field_ratio", "near_field_mean_error", "far_field_mean_error")


def normalised_loss() -> tuple[str, ...]:
    """The series that 7-2 adds: total / (unweighted total + 1e-8); 1.0 equals the unweighted loss."""
    return ("normalised_loss",)


SPLIT, RELATIVE = Choice("recorded", split_metrics), Choice("recorded", normalised_loss)

SAYS = "The loss scale moves with every batch: 0.0008, 0.0007, 0.0009 cannot be read as progress."
FIXES = (
    Fix(
        "7-1", "split-metrics", "record the parts of the loss separately", {"split_metrics": SPLIT}, "document", "Solution 7-1"
    ),
    Fix("7-2", "normalised-loss", "record loss / unweighted loss", {"normalised_metric": RELATIVE}, "document", "Solution 7-2"),
)
SYMPTOM = Symptom("steps of the series that agree with the validation error", "share", "1")

register(Issue(7, "Curves that say nothing", "major", SAYS, FIXES, SYMPTOM))
