"""Metrics, compared with hand-worked numbers and explicit loops over the pixels."""

import math

import pytest
import torch

from runner.training.metrics import METRICS, RANGES, abs_rel, all_metrics


def by_hand(predicted: list[float], true: list[float]) -> dict[str, float]:
    """The definitions of the field (Eigen et al. 2014), pixel by pixel."""
    n = len(true)
    logs = [math.log(p) - math.log(t) for p, t in zip(predicted, true, strict=True)]
    ratios = [max(p / t, t / p) for p, t in zip(predicted, true, strict=True)]
    return {
        "abs_rel": sum(abs(p - t) / t for p, t in zip(predicted, true, strict=True)) / n,
        "sq_rel": sum((p - t) ** 2 / t for p, t in zip(predicted, true, strict=True)) / n,
        "rmse": math.sqrt(sum((p - t) ** 2 for p, t in zip(predicted, true, strict=True)) / n),
        "rmse_log": math.sqrt(sum(x * x for x in logs) / n),
        "silog": 100 * math.sqrt(sum(x * x for x in logs) / n - (sum(logs) / n) ** 2),
        **{f"delta{i}": sum(r < 1.25**i for r in ratios) / n for i in (1, 2, 3)},
    }


def test_all_metrics_equal_explicit_loops():
    generator = torch.Generator().manual_seed(0)
    true = 0.2 + 3.0 * torch.rand(2, 1, 4, 5, generator=generator, dtype=torch.float64)
    true[0, 0, 0, :2] = 0.0
    predicted = (true.clamp(min=0.5) * (0.5 + torch.rand(true.shape, generator=generator, dtype=torch.float64))).unsqueeze(0)
    computed = all_metrics(predicted, true)
    where = {"all": lambda t: t > 0, "near": lambda t: 0 < t < 1, "far": lambda t: t >= 1}
    for which in RANGES:
        pairs = [(p, t) for p, t in zip(predicted.flatten().tolist(), true.flatten().tolist(), strict=True) if where[which](t)]
        expected = by_hand([p for p, _ in pairs], [t for _, t in pairs])
        for name in METRICS:
            assert float(computed[f"{which}_{name}"][0]) == pytest.approx(expected[name], rel=1e-9), (which, name)


def test_hand_worked_abs_rel():
    """0.5 m seen as 0.4 m is 0.2; 2 m as 3 m is 0.5; 1 m exactly is far; an invalid pixel never counts, NaN or not."""
    true = torch.tensor([[[[0.5, 2.0, 1.0, 0.0]]]])
    predicted = torch.tensor([[[[[0.4, 3.0, 1.0, torch.nan]]]]])
    errors = abs_rel(predicted, true)
    assert float(errors["near"]) == pytest.approx(0.2, rel=1e-6)
    assert float(errors["far"]) == pytest.approx(0.25, rel=1e-6)
    assert float(errors["all"]) == pytest.approx(0.7 / 3, rel=1e-6)


def test_delta_is_strict_and_an_empty_range_is_nan():
    true = torch.full((1, 1, 1, 2), 4.0)
    metrics = all_metrics(torch.full((1, 1, 1, 1, 2), 5.0), true)  # 5 / 4 = 1.25 exactly
    assert float(metrics["all_delta1"]) == 0.0 and float(metrics["all_delta2"]) == 1.0
    assert metrics["near_abs_rel"].isnan().all()


def test_rows_do_not_see_each_other():
    true = torch.rand(1, 1, 3, 3) + 0.5
    predicted = torch.stack([true, torch.full_like(true, torch.nan)])
    assert abs_rel(predicted, true)["all"][0] == 0.0
