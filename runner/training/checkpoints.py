"""Trained networks on disk: a file for each trial's last state, and for its best where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from runner.networks.protocol import Networks


@dataclass(frozen=True)
class Checkpoint:
    """A network after so many steps, and the probe's AbsRel then: of near pixels, or of all where the probe has none near."""

    step: int
    probe_abs_rel: float
    state: dict[str, Tensor]


class Keeper:
    """What is kept of M networks as they are trained: nothing, the last state, or the best (the first of equals) and the last.

    A diverged network is never the best any more.
    """

    def __init__(self, networks: Networks, which: str, count: int) -> None:
        self.networks, self.which = networks, which
        self.best: list[Checkpoint | None] = [None] * count
        self.last = np.full(count, np.nan)
        self.step = 0

    def look(self, probe: Mapping[str, np.ndarray], diverged: Tensor) -> None:
        """Take note of a probe."""
        near, everywhere = probe["probe_near_abs_rel"], probe["probe_all_abs_rel"]
        self.last, self.step = np.where(np.isfinite(near), near, everywhere), int(probe["step"])
        if self.which != "best_and_last":
            return
        errors = np.where(diverged.cpu().numpy(), np.inf, np.nan_to_num(self.last, nan=np.inf))
        for m, (error, best) in enumerate(zip(errors, self.best, strict=True)):
            if error < (np.inf if best is None else best.probe_abs_rel):
                self.best[m] = Checkpoint(self.step, float(error), self.networks.state(m))

    def kept(self) -> list[dict[str, Checkpoint]]:
        """Of each network, by "best" and "last"; nothing where nothing is to be kept."""
        if self.which == "none":
            return []
        last = [Checkpoint(self.step, float(error), self.networks.state(m)) for m, error in enumerate(self.last)]
        pairs = zip(self.best, last, strict=True)
        return [{**({"best": best} if best is not None else {}), "last": final} for best, final in pairs]
