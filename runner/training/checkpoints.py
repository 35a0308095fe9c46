"""Which states of the networks become checkpoints: the last, and the best if wanted (`runner.records` writes the files)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from runner.networks import Networks
from runner.training.metrics import DECIDING


@dataclass(frozen=True)
class Checkpoint:
    """A network after `step` steps, and its error on the probe by the ruler that decides: of near pixels, or of all where the
    probe has none near."""

    step: int
    probe_error: float
    state: dict[str, Tensor]


class CheckpointTracker:
    """Follows M evaluations in training and stores, as `which` says, nothing, the last state, or the best and the last.

    The best is the first of equals; a network that has diverged cannot become the best.
    """

    def __init__(self, networks: Networks, which: str, count: int) -> None:
        self.networks, self.which = networks, which
        self.best: list[Checkpoint | None] = [None] * count
        self.last = np.full(count, np.nan)
        self.step = 0

    def update(self, probe: Mapping[str, np.ndarray], diverged: Tensor) -> None:
        """Compare the errors of an evaluation on the probe, [M] each, with the best so far."""
        near, everywhere = (probe[f"probe_{which}_{DECIDING}"] for which in ("near", "all"))
        self.last, self.step = np.where(np.isfinite(near), near, everywhere), int(probe["step"])
        if self.which != "best_and_last":
            return
        errors = np.where(diverged.cpu().numpy(), np.inf, np.nan_to_num(self.last, nan=np.inf))
        for m, (error, best) in enumerate(zip(errors, self.best, strict=True)):
            if error < (np.inf if best is None else best.probe_error):
                self.best[m] = Checkpoint(self.step, float(error), self.networks.state(m))

    def checkpoints(self) -> list[dict[str, Checkpoint]]:
        """For each evaluation its "best" and "last"; an empty list where nothing is stored."""
        if self.which == "none":
            return []
        last = [Checkpoint(self.step, float(error), self.networks.state(m)) for m, error in enumerate(self.last)]
        pairs = zip(self.best, last, strict=True)
        return [{**({"best": best} if best is not None else {}), "last": final} for best, final in pairs]
