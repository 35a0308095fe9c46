"""Metrics, compared with hand-worked numbers, explicit loops over the pixels, and laws that hold for any depths."""

import math
from statistics import median_low

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis.rulers import DECIDING as DECIDING_OF_ANALYSIS
from analysis.rulers import RULERS as RULERS_OF_ANALYSIS
from runner.training import metrics as module
from runner.training.metrics import DECIDING, METRICS, RANGES, RULERS, abs_rel, all_metrics, error_by_depth, rulers

WHERE = {"all": lambda t: t > 0, "near": lambda t: 0 < t < 1, "far": lambda t: t >= 1}


def by_hand(predicted: list[float], true: list[float]) -> dict[str, float]:
    """The definitions of the field (Eigen et al. 2014), pixel by pixel."""
    n = len(true)
    logs = [math.log(p) - math.log(t) for p, t in zip(predicted, true, strict=True)]
    ratios = [max(p / t, t / p) for p, t in zip(predicted, true, strict=True)]
    relative = [abs(p - t) / t for p, t in zip(predicted, true, strict=True)]
    return {
        "abs_rel": sum(relative) / n,
        "median_rel": median_low(relative),
        "mean_log": sum(map(abs, logs)) / n,
        "sq_rel": sum((p - t) ** 2 / t for p, t in zip(predicted, true, strict=True)) / n,
        "rmse": math.sqrt(sum((p - t) ** 2 for p, t in zip(predicted, true, strict=True)) / n),
        "rmse_log": math.sqrt(sum(x * x for x in logs) / n),
        "silog": 100 * math.sqrt(sum(x * x for x in logs) / n - (sum(logs) / n) ** 2),
        **{f"delta{i}": sum(r < 1.25**i for r in ratios) / n for i in (1, 2, 3)},
    }


def random_depths(images: int, networks: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Predicted and true depth in float64, some of it unknown (0), 0.2 to 3.2 m."""
    generator = torch.Generator().manual_seed(images)
    true = 0.2 + 3.0 * torch.rand(images, 1, 4, 5, generator=generator, dtype=torch.float64)
    true[0, 0, 0, :2] = 0.0
    noise = torch.rand((networks, *true.shape), generator=generator, dtype=torch.float64)
    return true.clamp(min=0.5) * (0.5 + noise), true


@pytest.mark.parametrize("images", [2, 3])  # an even and an odd number of known pixels
def test_every_metric_equals_an_explicit_loop(images):
    predicted, true = random_depths(images, networks=2)
    computed, on_probe = all_metrics(predicted, true), rulers(predicted, true)
    for which in RANGES:
        for k in (0, 1):
            pairs = list(zip(predicted[k].flatten().tolist(), true.flatten().tolist(), strict=True))
            expected = by_hand(*zip(*[(p, t) for p, t in pairs if WHERE[which](t)], strict=True))
            for name in METRICS:
                assert float(computed[f"{which}_{name}"][k]) == pytest.approx(expected[name], rel=1e-9), (which, name)
    assert set(on_probe) == {f"{which}_{ruler}" for which in RANGES for ruler in RULERS}
    assert all(torch.equal(on_probe[name], computed[name]) for name in on_probe), "probe and validation measure alike"


def test_hand_worked_rulers():
    """0.4 for 0.5 m; 4 for 2 m and exact; a pixel that is unknown. ln 1.25 = 0.2231, ln 2 = 0.6931."""
    true = torch.tensor([[[[0.5, 2.0, 1.0, 0.0]]]], dtype=torch.float64)
    predicted = torch.tensor([[[[[0.4, 4.0, 1.0, torch.nan]]]]], dtype=torch.float64)
    near, far, everywhere = math.log(1.25), math.log(2), (math.log(1.25) ** 2 + math.log(2) ** 2) / 3
    silog_far = 100 * far / 2  # deviations of ln 2 and 0 from their mean
    expected = {
        "near_rmse_log": near, "near_abs_rel": 0.2, "near_silog": 0.0, "near_median_rel": 0.2, "near_mean_log": near,
        "far_rmse_log": far / math.sqrt(2), "far_abs_rel": 0.5, "far_delta1": 0.5, "far_silog": silog_far,
        "far_median_rel": 0.0, "far_mean_log": far / 2,
        "all_rmse_log": math.sqrt(everywhere), "all_abs_rel": 0.4, "all_median_rel": 0.2, "all_mean_log": (near + far) / 3,
    }  # fmt: skip
    found = rulers(predicted, true)
    assert {name: float(found[name]) for name in expected} == pytest.approx(expected, rel=1e-12)
    assert {which: float(value) for which, value in abs_rel(predicted, true).items()} == pytest.approx(
        {which: expected[f"{which}_abs_rel"] for which in RANGES}, rel=1e-12
    )


def test_a_tenth_off_is_about_a_tenth_by_the_ruler_that_decides():
    """What the words say of it: ln 1.1 = 0.095, ln 0.9 = -0.105."""
    true = torch.full((1, 1, 1, 2), 0.5, dtype=torch.float64)
    predicted = true * torch.tensor([1.1, 0.9])
    assert float(rulers(predicted[None], true)[f"near_{DECIDING}"]) == pytest.approx(0.10, abs=0.001)


def test_delta_is_strict_and_an_empty_range_is_nan():
    true = torch.full((1, 1, 1, 2), 4.0)
    metrics = all_metrics(torch.full((1, 1, 1, 1, 2), 5.0), true)  # 5 / 4 = 1.25 exactly
    assert float(metrics["all_delta1"]) == 0.0 and float(metrics["all_delta2"]) == 1.0
    assert all(metrics[f"near_{name}"].isnan().all() for name in METRICS)
    assert all(metrics[f"far_{name}"].isfinite().all() for name in METRICS)


def test_rows_do_not_see_each_other():
    """One that is not a number has no error at all, and leaves its neighbour exact."""
    true = torch.rand(1, 1, 3, 3) + 0.5
    predicted = torch.stack([true, torch.full_like(true, torch.nan)])
    assert abs_rel(predicted, true)["all"][0] == 0.0
    found = rulers(predicted, true)
    for ruler in RULERS:
        assert float(found[f"all_{ruler}"][0]) == (1.0 if ruler == "delta1" else 0.0)
        assert ruler == "delta1" or found[f"all_{ruler}"][1].isnan()


def test_a_few_networks_at_a_time_are_all_of_them(monkeypatch):
    predicted, true = random_depths(2, networks=5)
    together = all_metrics(predicted, true)
    monkeypatch.setitem(module.AT_ONCE, "cpu", 2 * true.numel())
    apart = all_metrics(predicted, true)
    assert all(torch.equal(apart[name], together[name]) for name in together)


@given(
    arrays(np.float64, 12, elements=st.floats(0.05, 50.0)),
    arrays(np.float64, 12, elements=st.floats(-0.7, 0.7)),
    st.floats(0.5, 2.0),
)
@settings(max_examples=60, deadline=None)
def test_laws_of_the_rulers(depths, log_errors, scale):
    """For any depths: bounds between the rulers, what each does not see, and the whole from near and far."""
    true = torch.from_numpy(depths)
    predicted = true * torch.from_numpy(np.exp(log_errors))
    found = {name: float(value) for name, value in rulers(predicted[None], true).items()}
    again = rulers(torch.stack([predicted.flip(0), predicted.flip(0) * scale]), true.flip(0))
    for which in RANGES:
        at = {ruler: found[f"{which}_{ruler}"] for ruler in RULERS}
        if math.isnan(at["rmse_log"]):
            assert not any(WHERE[which](t) for t in depths.tolist())
            continue
        assert at["mean_log"] <= at["rmse_log"] * (1 + 1e-12)  # Cauchy and Schwarz
        assert at["silog"] <= 100 * at["rmse_log"] * (1 + 1e-12)  # a variance is no more than the mean square
        assert at["median_rel"] <= 2 * at["abs_rel"] + 1e-15  # Markov: at least half of the values are no smaller
        for ruler in RULERS:  # the order of the pixels does not count; sums in another order differ by rounding
            assert float(again[f"{which}_{ruler}"][0]) == pytest.approx(at[ruler], rel=1e-9, abs=1e-5)
        assert float(again[f"{which}_silog"][1]) == pytest.approx(at["silog"], rel=1e-6, abs=1e-4)  # nor scale for SILog
    near, far = (depths < 1).sum(), (depths >= 1).sum()
    if near and far:
        for ruler, power in (("rmse_log", 2), ("abs_rel", 1), ("mean_log", 1), ("delta1", 1)):
            pooled = (near * found[f"near_{ruler}"] ** power + far * found[f"far_{ruler}"] ** power) / (near + far)
            assert found[f"all_{ruler}"] ** power == pytest.approx(pooled, rel=1e-9)


@given(arrays(np.float64, 9, elements=st.floats(0.05, 50.0)), arrays(np.float64, 9, elements=st.floats(-0.7, 0.7)))
@settings(max_examples=60, deadline=None)
def test_too_near_and_too_far_by_one_factor_are_equal_in_logarithms_alone(depths, log_errors):
    true, factor = torch.from_numpy(depths), torch.from_numpy(np.exp(log_errors))
    found = rulers(torch.stack([true * factor, true / factor]), true)
    for name in ("rmse_log", "mean_log"):
        assert float(found[f"all_{name}"][0]) == pytest.approx(float(found[f"all_{name}"][1]), rel=1e-9, abs=1e-12)


def test_errors_by_depth_stay_relative():
    """0.6 for 0.5 m is 20 % too far, 1.5 for 2 m is 25 % too near."""
    true = torch.tensor([0.5, 2.0], dtype=torch.float64)
    found = error_by_depth(torch.tensor([[0.6, 1.5]], dtype=torch.float64), true)
    filled = found["pixels"] > 0
    assert found["abs_rel"][0][filled].tolist() == pytest.approx([0.2, 0.25])
    assert found["bias"][0][filled].tolist() == pytest.approx([0.2, -0.25])


def test_runner_and_analysis_name_the_same_rulers_and_the_same_one_decides():
    """The analysis reads records and imports no runner, so it has the names a second time."""
    assert (DECIDING_OF_ANALYSIS, RULERS_OF_ANALYSIS) == (DECIDING, RULERS)
    assert DECIDING in RULERS and set(RULERS) <= set(METRICS)
