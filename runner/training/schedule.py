"""The learning rate of each step."""

from __future__ import annotations

import math

import numpy as np

from runner.training.training_settings import Training

#: Of `step`: after so many percent of the steps the rate is a tenth of what it was.
DROPS = (60, 85)


def learning_rates(settings: Training) -> np.ndarray:
    """The rate of each step [steps], float64.

    Over the first `warmup` of the steps, w of them, it rises in equal steps to `learning_rate`, which step w has. From there
    on `constant` stays, `cosine` falls to zero along half a cosine, of which step `steps` would be the end (Loshchilov and
    Hutter 2017), and `step` is divided by ten after 60 % and after 85 % of all steps.
    """
    step, warm = np.arange(settings.steps), round(settings.warmup * settings.steps)
    share: np.ndarray = np.ones(settings.steps)
    if settings.schedule == "cosine":
        share = 0.5 + 0.5 * np.cos(math.pi * (step - warm) / (settings.steps - warm))
    elif settings.schedule == "step":
        share = 0.1 ** np.sum([100 * step >= percent * settings.steps for percent in DROPS], axis=0)
    return settings.learning_rate * np.where(step < warm, (step + 1) / (warm + 1), share)
