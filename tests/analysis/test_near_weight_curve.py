"""Places on the near weight's curve, by hand-worked numbers."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.effects import effect
from analysis.near_weight_curve import beyond_gains, near_on_curve, nearest_weight, weight_at_far, weight_text
from analysis.rules import Beyond

WEIGHTS = [1.0, 2.0, 4.0]
CURVE = np.log([[0.1, 0.4], [0.2, 0.2], [0.4, 0.1]])  # far, near: a straight line in logarithms


def test_a_point_of_the_curve_is_its_weight() -> None:
    for weight, point, end in zip(WEIGHTS, CURVE, (-1, 0, 1), strict=True):
        assert nearest_weight(WEIGHTS, CURVE, point) == (pytest.approx(weight), end)


def test_between_two_weights_the_logarithm_is_linear() -> None:
    middle = (CURVE[0] + CURVE[1]) / 2
    assert nearest_weight(WEIGHTS, CURVE, middle)[0] == pytest.approx(math.sqrt(2), rel=0.01)
    assert weight_at_far(WEIGHTS, CURVE, middle[0]) == (pytest.approx(math.sqrt(2)), 0)
    assert weight_at_far(WEIGHTS, CURVE, (CURVE[1] + CURVE[2])[0] / 2) == (pytest.approx(math.sqrt(8)), 0)


def test_off_the_curve_the_nearest_point_counts() -> None:
    off = CURVE[1] + 0.1  # across: the line falls by 45 degrees
    assert nearest_weight(WEIGHTS, CURVE, off)[0] == pytest.approx(2.0, rel=0.01)


def test_beyond_the_ends_is_said() -> None:
    assert weight_at_far(WEIGHTS, CURVE, math.log(0.05)) == (pytest.approx(1.0), -1)
    assert weight_at_far(WEIGHTS, CURVE, math.log(0.5)) == (pytest.approx(4.0), 1)
    assert weight_text(4.0, 1) == "near weight 4 or more" and weight_text(1.0, -1) == "near weight 1 or less"


def test_the_curve_is_made_to_fall() -> None:
    """A point that lies above its neighbour by noise is averaged with it (isotonic regression: 0.2 and 0.3 pool)."""
    far, near = np.log([0.1, 0.2, 0.4]), np.array([0.4, 0.2, 0.3])
    assert near_on_curve(math.log(0.2), far, near) == pytest.approx(0.25)
    assert near_on_curve(math.log(0.05), far, near) == pytest.approx(0.4)


PLANTED = {1.0: 0.0, 2.0: 0.25, 3.0: 0.4, 5.0: 0.55, 8.0: 0.7}  # ln far error above that of weight 1; near falls as far rises


def planted_study(rng: np.random.Generator, off: float, seeds: int) -> pd.DataFrame:
    """Errors of the weights, and of a fix at weight 3's place, `off` below it in ln near error; noise 0.02 on each."""
    rows = {}
    for seed in range(seeds):
        for key, far in [*((f"w{w:g}", far) for w, far in PLANTED.items()), ("fix", PLANTED[3.0])]:
            noise = 0.02 * rng.standard_normal(2)
            near = -far - (off if key == "fix" else 0.0)
            rows[key, seed] = {"final_far_rmse_log": math.exp(far + noise[0]), "final_near_rmse_log": math.exp(near + noise[1])}
    return pd.DataFrame.from_dict(rows, orient="index")


@pytest.mark.parametrize(
    ("off", "expected", "least"), [(0.0, "the same as", 0.8), (0.15, "beyond", 0.95), (-0.15, "less near error", 0.95)]
)
def test_a_planted_place_is_found(off: float, expected: str, least: float) -> None:
    """Near weight 3 presented as a fix is named as on the curve; what is planted off it, as off it. 60 studies of 8 seeds."""
    rng, texts = np.random.default_rng(3), []
    for _ in range(60):
        keys = {w: f"w{w:g}" for w in PLANTED}
        gains = beyond_gains(planted_study(rng, off, 8), keys, "fix", range(8))
        assert gains is not None
        texts.append(Beyond(effect(gains), "near weight 3", "near weight 3").text)
    assert sum(expected in text for text in texts) >= least * 60
    if off == 0:
        wrong = sum("beyond" in text or "less near error" in text for text in texts)
        assert wrong <= 60 * 0.05 + 3 * math.sqrt(60 * 0.05 * 0.95)
