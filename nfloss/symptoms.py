"""A symptom: the issue itself as one number for a configuration, measured without training on fixed material."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from nfloss.loss import Losses


@dataclass(frozen=True)
class Bench:
    """Fixed material: n batches of true inverse depth [n, B, 1, H, W] and a frozen predictor's answer to them."""

    truth: Tensor
    prediction: Tensor


@dataclass(frozen=True)
class Symptom:
    """What is measured, in which unit, and which value would mean that the issue is gone.

    `measure(losses, bench)` gives one value per configuration, [K]. None: it needs training and comes from the records.
    """

    name: str
    unit: str
    cured: str
    measure: Callable[[Losses, Bench], Tensor] | None = field(repr=False, default=None)
