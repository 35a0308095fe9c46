"""The numbers of the loss and its fixes: defaults, limits, and the clamp of the near-field threshold."""

from __future__ import annotations

from dataclasses import dataclass, fields

from torch import Tensor

Number = float | Tensor

# Limits: must be greater than 0; must lie in [0, 1]; the second must be greater than the first.
POSITIVE = (
    "near_threshold",
    "near_weight",
    "min_depth",
    "expected_weight_mean",
    "dataset_weight_mean",
    "smooth_range",
    "ramp_half_width",
    "pixel_gradient_limit",
)
SHARES = ("bn_momentum", "slow_bn_momentum", "near_part")
ORDERED = (("min_depth", "max_depth"), ("start_epoch", "end_epoch"), ("ssi_minimum", "ssi_maximum"))


@dataclass(frozen=True)
class Numbers:
    """Every number of the baseline and the fixes; the defaults are the document's or the reviewed code base's.

    Depths and thresholds are in metres, epochs are of the document's 50-epoch run, momenta and weights have no unit.

    Raises ValueError: a number is not finite or out of range."""

    near_threshold: float = 1.0
    near_weight: float = 5.0
    alpha: float = 0.85
    silog_ratio: float = 10.0
    silog_lambda: float = 0.85
    ssi_weight: float = 0.7
    silog_weight: float = 0.3
    min_depth: float = 1e-3
    max_depth: float = 100.0
    expected_weight_mean: float = 1.75
    dataset_weight_mean: float = 2.016
    ssi_minimum: float = 1e-6
    ssi_maximum: float = 1.0
    smooth_range: float = 0.3
    ramp_half_width: float = 0.2
    pixel_gradient_limit: float = 3.0
    bn_momentum: float = 0.1
    slow_bn_momentum: float = 0.01
    near_part: float = 0.7
    speed_kmh: float = 50.0
    reaction_seconds: float = 0.5
    start_epoch: float = 0.0
    end_epoch: float = 50.0
    start_threshold: float = 0.5
    end_threshold: float = 1.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < float("inf"):
                raise ValueError(f"{name}={value!r}: a finite number is needed")
        for name in POSITIVE:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}={getattr(self, name)!r}: must be greater than 0")
        for name in SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)!r}: must lie between 0 and 1")
        for low, high in ORDERED:
            if getattr(self, high) <= getattr(self, low):
                raise ValueError(f"{high}={getattr(self, high)!r}: must be greater than {low}={getattr(self, low)!r}")


NUMBER_NAMES = tuple(f.name for f in fields(Numbers))
# The loss itself always uses these; no choice does.
CORE_NUMBERS = ("alpha", "silog_lambda", "ssi_weight", "silog_weight", "min_depth", "max_depth")

DOCUMENT_EPOCHS = 50.0
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 0.3, 3.0  # metres


def clamp_threshold(metres: float) -> float:
    """The threshold clamped to the document's limits, [0.3, 3.0] m.

    >>> clamp_threshold(7.0)
    3.0
    """
    return min(max(float(metres), LOWEST_THRESHOLD), HIGHEST_THRESHOLD)
