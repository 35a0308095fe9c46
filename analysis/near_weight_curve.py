"""The near weight curve: (far, near) errors of the baseline loss at several near weights; and gains beyond that curve."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from analysis.rulers import FAR, NEAR
from analysis.study import Study

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_WEIGHT = 5.0
LEAST_POINTS = 3
STEPS = 400  # grid points between two weights in the search for the nearest
ERRORS = (FAR, NEAR)


def baseline_weight(study: Study) -> float:
    experiment = study.meta["experiment"]
    return float(experiment.get("loss", {}).get("near_weight", experiment.get("near_weight", DEFAULT_WEIGHT)))


def near_weight_keys(study: Study) -> dict[float, str]:
    """Near weight -> key of the loss without fixes at that weight, in rising order; the baseline is always included."""
    found = {baseline_weight(study): study.baseline}
    bare = study.plan[(study.plan["fixes"] == "") & study.plan["key"].notna()]
    for text, key in zip(bare["numbers"], bare["key"], strict=True):
        numbers = json.loads(text)
        if list(numbers) == ["near_weight"]:
            found.setdefault(float(numbers["near_weight"]), key)
    return dict(sorted(found.items()))


def near_on_curve(far: float, curve_far: np.ndarray, curve_near: np.ndarray) -> float:
    """ln near error of the near weight curve at this ln far error.

    Isotonic regression makes the points monotone (near falls as far rises); monotone cubics join them (Fritsch and Carlson
    1980), since straight lines would lie above the bent curve. Outside the weights that were run the nearest end counts.
    """
    from scipy.interpolate import PchipInterpolator
    from scipy.optimize import isotonic_regression

    rising, first = np.unique(curve_far, return_index=True)
    falling = isotonic_regression(curve_near[first], increasing=False).x
    if len(rising) < 2:
        return float(falling[0])
    return float(PchipInterpolator(rising, falling)(np.clip(far, rising[0], rising[-1])))


def beyond_gains(table: pd.DataFrame, weights: Mapping[float, str], key: str, seeds: Sequence[int]) -> np.ndarray | None:
    """By seed: ln near error of the curve at the far error of `key`, minus ln near error of `key`.

    None with fewer than three weights.
    """
    if len(weights) < LEAST_POINTS:
        return None
    far, near = (np.log(table[name]) for name in ERRORS)
    gains = []
    for seed in seeds:
        curve = [[float(column[(k, seed)]) for k in weights.values()] for column in (far, near)]
        gains.append(near_on_curve(float(far[(key, seed)]), *map(np.array, curve)) - float(near[(key, seed)]))
    return np.array(gains)


def nearest_weight(weights: Sequence[float], curve: np.ndarray, point: np.ndarray) -> tuple[float, int]:
    """The near weight with the errors nearest to a configuration's; and -1 or +1 if it is the lower or upper end, else 0.

    Args:
        weights: the near weights that were run, in rising order [W].
        curve: mean over seeds of their (ln far, ln near) error [W, 2]; interpolated linearly in ln weight.
        point: (ln far, ln near) error of the configuration [2].
    """
    log_weights = np.log(weights)
    fine = np.interp(np.linspace(0, len(weights) - 1, STEPS * (len(weights) - 1) + 1), range(len(weights)), log_weights)
    distances = np.hypot(*(np.interp(fine, log_weights, curve[:, axis]) - point[axis] for axis in (0, 1)))
    nearest = int(np.argmin(distances))
    return float(np.exp(fine[nearest])), (nearest == len(fine) - 1) - (nearest == 0)


def weight_at_far(weights: Sequence[float], curve: np.ndarray, far: float) -> tuple[float, int]:
    """The near weight with this ln far error; and -1 or +1 if `far` is below or above all errors of the curve, else 0."""
    order = np.argsort(curve[:, 0], kind="stable")
    rising, log_weights = curve[order, 0], np.log(weights)[order]
    return float(np.exp(np.interp(far, rising, log_weights))), int(far > rising[-1]) - int(far < rising[0])


def reaches(curve_far: np.ndarray, far: np.ndarray) -> bool:
    """Whether the near weights reach this far error: by means over seeds of ln errors, those of the weights [W, seeds]."""
    means = curve_far.mean(axis=1)
    return bool(means.min() <= far.mean() <= means.max())


def weight_text(weight: float, end: int) -> str:
    """A near weight as text; `end` is -1 or +1 at the ends of the curve.

    >>> weight_text(3.14, 0), weight_text(8.0, 1)
    ('near weight 3.1', 'near weight 8 or more')
    """
    return f"near weight {weight:.2g}" + {-1: " or less", 0: "", 1: " or more"}[end]
