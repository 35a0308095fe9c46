"""The errors in a group's tables: every ruler, for near, far and all pixels; against explicit loops over the pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from statistics import median_low

import numpy as np
import pandas as pd
import pytest
import torch

from runner.data import Frames, SeedData
from runner.records import curve_rows, trial_rows
from runner.training import RULERS, History
from runner.training.metrics import all_metrics, rulers

Pairs = list[tuple[float, float]]
BY_LOOP: dict[str, Callable[[Pairs], float]] = {
    "rmse_log": lambda pairs: math.sqrt(sum(math.log(p / t) ** 2 for p, t in pairs) / len(pairs)),
    "abs_rel": lambda pairs: sum(abs(p - t) / t for p, t in pairs) / len(pairs),
    "delta1": lambda pairs: sum(max(p / t, t / p) < 1.25 for p, t in pairs) / len(pairs),
    "silog": lambda pairs: 100 * float(np.std([math.log(p / t) for p, t in pairs])),
    "median_rel": lambda pairs: median_low([abs(p - t) / t for p, t in pairs]),
    "mean_log": lambda pairs: sum(abs(math.log(p / t)) for p, t in pairs) / len(pairs),
}
SIDES: dict[str, Callable[[float], bool]] = {
    "near_": lambda t: 0 < t < 1,
    "far_": lambda t: t >= 1,
    "": lambda t: t > 0,
}
STEPS, DIED = (10, 20, 30), 12  # of the evaluations; the step at which the second configuration diverges


def frames(seed: int, count: int) -> Frames:
    depth = 0.3 + 3.0 * torch.rand(count, 1, 4, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    depth[:, :, 0, 0] = 0.0
    return Frames(torch.zeros(count, 3, 4, 6), depth)


@pytest.fixture
def data() -> SeedData:
    return SeedData(3, frames(1, 5), frames(2, 2), frames(3, 3))


def guesses(true: torch.Tensor, seed: int) -> torch.Tensor:
    """What two networks predict, each pixel within a third."""
    noise = torch.rand((2, *true.shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return true.clamp(min=0.1) * (0.75 + 0.6 * noise)


def trained(data: SeedData) -> tuple[History, list[torch.Tensor], list[torch.Tensor]]:
    """A history of three evaluations, two of them on the validation frames, and what was predicted at each."""
    probes = [guesses(data.probe.depth, seed) for seed in range(3)]
    validations = [guesses(data.validation.depth, seed) for seed in (7, 8)]
    history = History.empty(STEPS[-1], 2, torch.device("cpu"))
    history.diverged_at[1] = DIED
    for step, said in zip(STEPS, probes, strict=True):
        errors = {f"probe_{name}": value.numpy() for name, value in rulers(said, data.probe.depth).items()}
        rest = {name: np.zeros(2) for name in ("batch_near_error", "batch_far_error", "near_share", "threshold")}
        history.probes.append({"step": np.array(step), "epoch": np.array(0), "learning_rate": np.array(1e-3), **errors, **rest})
    for said in validations:
        values = all_metrics(said, data.validation.depth)
        history.validations.append({name: value.numpy() for name, value in values.items()})
    return history, probes, validations


def by_loop(predicted: Iterable[float], true: torch.Tensor) -> dict[str, float]:
    """Side and ruler -> value, pixel by pixel."""
    every = list(zip(predicted, true.flatten().tolist(), strict=True))
    pairs = {side: [(p, t) for p, t in every if inside(t)] for side, inside in SIDES.items()}
    return {f"{side}{ruler}": of(pairs[side]) for ruler, of in BY_LOOP.items() for side in SIDES}


def median_everywhere(data: SeedData, true: torch.Tensor) -> dict[str, float]:
    """Of the predictor that says the median training depth, the lower middle one, at every pixel."""
    known = [depth for depth in data.train.depth.flatten().tolist() if depth > 0]
    return by_loop([median_low(known)] * true.numel(), true)


def values(row: pd.Series, kind: str) -> dict[str, float]:
    return {f"{side}{ruler}": float(row[f"{kind}_{side}{ruler}"]) for ruler in RULERS for side in SIDES}


def test_final_errors_are_means_of_the_last_evaluations_and_those_of_a_diverged_trial_the_trivial_predictors(data):
    history, _, validations = trained(data)
    rows = trial_rows(["a", "b"], data, history, {}).set_index("key")
    each = [by_loop(said[0].flatten().tolist(), data.validation.depth) for said in validations]
    expected = {name: (each[0][name] + each[1][name]) / 2 for name in each[0]}
    assert values(rows.loc["a"], "final") == pytest.approx(expected, rel=1e-9)
    trivial = median_everywhere(data, data.validation.depth)
    for kind, key in (("trivial", "a"), ("trivial", "b"), ("final", "b")):
        assert values(rows.loc[key], kind) == pytest.approx(trivial, rel=1e-9)
    assert rows.loc["a", "val_near_rmse_log"] == rows.loc["a", "final_near_rmse_log"]
    assert math.isnan(rows.loc["b", "val_near_rmse_log"])


def test_every_evaluation_on_the_probe_has_every_ruler(data):
    history, probes, _ = trained(data)
    rows = curve_rows(["a", "b"], data, history).set_index(["key", "step"])
    trivial = median_everywhere(data, data.probe.depth)
    for step, said in zip(STEPS, probes, strict=True):
        for k, key in enumerate("ab"):
            own = trivial if key == "b" and step > DIED else by_loop(said[k].flatten().tolist(), data.probe.depth)
            assert values(rows.loc[(key, step)], "probe") == pytest.approx(own, rel=1e-9), (key, step)


def test_without_near_pixels_near_errors_are_unknown(data):
    far = [Frames(f.rgb, torch.where(f.depth < 1, 0.0, f.depth)) for f in (data.train, data.probe, data.validation)]
    rows = trial_rows(["a", "b"], SeedData(3, *far), trained(SeedData(3, *far))[0], {})
    for column in (f"{kind}_{side}{ruler}" for kind in ("final", "trivial") for ruler in RULERS for side in SIDES):
        assert rows[column].isna().all() if "_near_" in column else rows[column].notna().all()
