"""What the loss does before anything is trained: each fix's weight over depth, and its threshold over the run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch

from nfloss import Configuration, Losses, all_fixes

DEPTHS = np.geomspace(0.1, 20.0, 241)  # metres
PLACES = 60  # of the run


def definition_table(numbers: Mapping[str, float], epochs: int) -> pd.DataFrame:
    """A row per point of each curve, for the unfixed loss (fix "") and each fix alone: fix, what, x, y.

    `weight`: raw weight of a pixel at depth x in metres, in the middle of the run. `threshold`: metres at epoch x.
    """
    fixes = ["", *(fix.id for fix in all_fixes())]
    losses = Losses([Configuration.of(*([fix] if fix else []), **numbers) for fix in fixes])
    inverse = torch.from_numpy(1.0 / DEPTHS).reshape(1, 1, 1, -1)
    losses.set_epoch(epochs / 2, of=epochs)
    curves = [("weight", DEPTHS, losses.raw_weights(inverse).numpy())]
    places, thresholds = np.linspace(0, epochs, PLACES + 1), []
    for epoch in places:
        losses.set_epoch(epoch, of=epochs)
        thresholds.append(losses.thresholds)
    curves.append(("threshold", places, np.array(thresholds).T))
    parts = [pd.DataFrame({"fix": f, "what": what, "x": x, "y": y[k]}) for what, x, y in curves for k, f in enumerate(fixes)]
    return pd.concat(parts, ignore_index=True)
