"""The curve of (far, near) error that anyone gets by turning the near weight, and the gain beyond it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from analysis.load import Study

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_WEIGHT = 5.0
LEAST_POINTS = 3


def baseline_weight(study: Study) -> float:
    """The near weight that the unfixed loss has in this study."""
    experiment = study.meta["experiment"]
    return float(experiment.get("loss", {}).get("near_weight", experiment.get("near_weight", DEFAULT_WEIGHT)))


def near_weight_keys(study: Study) -> dict[float, str]:
    """Near weight -> key of the unfixed loss run with it, in order of weight; at least the baseline's own."""
    found = {baseline_weight(study): study.baseline}
    bare = study.plan[(study.plan["fixes"] == "") & study.plan["key"].notna()]
    for text, key in zip(bare["numbers"], bare["key"], strict=True):
        numbers = json.loads(text)
        if list(numbers) == ["near_weight"]:
            found.setdefault(float(numbers["near_weight"]), key)
    return dict(sorted(found.items()))


def near_on_curve(far: float, curve_far: np.ndarray, curve_near: np.ndarray) -> float:
    """ln near error that the knob reaches at this ln far error.

    The points are made monotone (far up, near down) by isotonic regression and joined linearly; outside their range the
    nearest end counts, since the knob was not turned further.
    """
    from scipy.optimize import isotonic_regression

    order = np.argsort(curve_far, kind="stable")
    falling = isotonic_regression(curve_near[order], increasing=False).x
    return float(np.interp(far, curve_far[order], falling))


def beyond_gains(table: pd.DataFrame, weights: dict[float, str], key: str, seeds: Sequence[int]) -> np.ndarray | None:
    """Per seed: ln near error of the curve at the training's own far error, minus its own.

    None with fewer than three weights.
    """
    if len(weights) < LEAST_POINTS:
        return None
    near, far = np.log(table["final_near_abs_rel"]), np.log(table["final_far_abs_rel"])
    gains = []
    for seed in seeds:
        curve = [[float(column[(k, seed)]) for k in weights.values()] for column in (far, near)]
        gains.append(near_on_curve(float(far[(key, seed)]), *map(np.array, curve)) - float(near[(key, seed)]))
    return np.array(gains)
