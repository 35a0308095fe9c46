"""The symptoms where their value is known, and that measuring changes nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from nfloss import ISSUES, Configuration, Losses, all_fixes
from nfloss.registry import Symptom
from nfloss.symptoms import PIXEL_ERROR, SMOOTH_ERROR, Bench, make_bench, pixel_gradients, valid_pixels

RECOMMENDED = ("1-1", "2-1", "3-1", "4-2", "5-1", "6-1", "7-1", "8-1", "9-3", "10-1")


def sparse_truth(batches: int = 6, images: int = 2, height: int = 16, width: int = 24) -> Tensor:
    """Inverse depth with another near share in each batch, 0.25 to 6 m, three pixels in ten invalid."""
    noise = torch.Generator().manual_seed(3)
    depth = 0.25 * 24.0 ** torch.rand(batches, images, 1, height, width, generator=noise)
    depth = depth * torch.linspace(0.6, 1.6, batches).reshape(-1, 1, 1, 1, 1)
    return torch.where(torch.rand(depth.shape, generator=noise) < 0.7, 1.0 / depth, 0.0)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return make_bench(sparse_truth(), seed=0)


def measured(issue: int, bench: Bench, *configurations: Configuration) -> list[float]:
    measure = ISSUES[issue].symptom.measure
    assert measure is not None
    return measure(Losses(configurations), bench).tolist()


def of(*names: str) -> list[Configuration]:
    return [Configuration.of(*name.split("+")) if name else Configuration.of() for name in names]


def every_symptom() -> list[Symptom]:
    return [issue.symptom for issue in ISSUES.values() if issue.symptom.measure is not None]


@pytest.mark.parametrize("symptom", every_symptom(), ids=lambda s: s.name)
def test_one_value_each_and_the_losses_stay_as_they_are(symptom: Symptom, bench: Bench) -> None:
    losses = Losses([Configuration.of(), *(Configuration.of(fix.id) for fix in all_fixes()), Configuration.of(*RECOMMENDED)])
    losses.set_epoch(7, of=30)
    thresholds, state = losses.thresholds, torch.get_rng_state()
    values = symptom.measure(losses, bench)
    assert values.shape == (len(losses.configurations),)
    assert values.isfinite().all()
    assert not values.requires_grad
    assert losses.thresholds == thresholds
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("symptom", every_symptom(), ids=lambda s: s.name)
def test_together_is_one_by_one(symptom: Symptom, bench: Bench) -> None:
    configurations = of("6-2+5-1", "", "8-1w", "9-2", "3-1+2-1", "2-2b+4-3")
    together = symptom.measure(Losses(configurations), bench)
    alone = torch.cat([symptom.measure(Losses([c]), bench) for c in configurations])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)


def test_what_needs_training_has_no_measure() -> None:
    assert [number for number, issue in ISSUES.items() if issue.symptom.measure is None] == [6, 7]


# --- 1 to 3: what weighting multiplies ---------------------------------------------------------------------------------


def test_without_weights_nothing_is_amplified(bench: Bench) -> None:
    unweighted = Configuration.of(near_weight=1.0)
    assert measured(1, bench, unweighted) == pytest.approx([0.0], abs=1e-5)
    assert measured(2, bench, unweighted) == pytest.approx([1.0], rel=1e-6)
    assert measured(3, bench, unweighted) == pytest.approx([1.0], rel=1e-6)


def test_a_fixed_mean_steadies_the_gradient_scale(bench: Bench) -> None:
    baseline, fixed, none = measured(1, bench, *of("", "1-1", "1-2"))
    assert fixed < 0.7 * baseline
    assert none < 0.7 * baseline


def test_only_ssi_with_a_fixed_mean_has_a_constant_gradient_scale() -> None:
    """SSI with alpha 1 is the mean square: a near pixel's gradient gains (5 / 1.75)^2 in every batch."""
    bench = make_bench(sparse_truth(), seed=0)
    numbers = {"alpha": 1.0, "silog_weight": 0.0}
    fixed, baseline = measured(1, bench, Configuration.of("1-1", **numbers), Configuration.of(**numbers))
    assert fixed == pytest.approx(0.0, abs=1e-5)
    assert baseline > 0.1


def test_inflation_by_hand() -> None:
    """One near pixel with residual 0.2, one far with -0.1. Weights 5 and 1, mean 3: products 1/3 and -1/30."""
    truth = torch.tensor([2.0, 0.5]).reshape(1, 1, 1, 1, 2).double()
    bench = Bench(truth, truth + torch.tensor([0.2, -0.1]).double())
    plain = 0.15**2 + 0.85 * 0.05**2
    weighted = (11 / 60) ** 2 + 0.85 * (3 / 20) ** 2
    moments = (5 / 6) * 0.05**2 + (1 / 6) * 0.25**2 + 0.85 * 0.15**2  # weighted mean 0.15
    assert measured(2, bench, *of("", "2-1")) == pytest.approx([weighted / plain, moments / plain], rel=1e-9)


def test_equal_weights_amplify_both_spaces_alike() -> None:
    """All pixels near and no normalisation: SSI grows 25-fold, SILog 5-fold, which is the root."""
    truth = sparse_truth().double()
    bench = make_bench(torch.where(truth > 0, truth + 1.5, truth), seed=1)
    assert measured(2, bench, *of("1-2")) == pytest.approx([25.0], rel=1e-6)
    assert measured(3, bench, *of("1-2")) == pytest.approx([1.0], rel=1e-3)


# --- 4 -----------------------------------------------------------------------------------------------------------------


def test_only_the_pixel_clamp_bounds_the_range(bench: Bench) -> None:
    baseline, hook, fallback, pixels = measured(4, bench, *of("", "4-1", "4-2", "4-3"))
    assert hook == fallback == baseline
    assert pixels < baseline


def share_not_finite(losses: Losses, bench: Bench, hostile: Sequence[float]) -> Tensor:
    """Share of float32 batches whose total or gradient is not finite when one near prediction is a hostile value, [K]."""
    bad = []
    for prediction, truth in bench.batches():
        nearest = torch.where(valid_pixels(truth), truth.flatten(), 0.0).argmax()
        for value in hostile:
            changed = prediction.flatten().index_fill(0, nearest, value).view_as(prediction)
            total, gradient = pixel_gradients(losses, changed.float(), truth.float())
            bad.append(~(total.isfinite() & gradient.isfinite().all(-1)))
    return torch.stack(bad).float().mean(0)


def test_no_fallback_helps_a_broken_prediction(bench: Bench) -> None:
    losses = Losses(of("", "4-2"))
    assert share_not_finite(losses, bench, (math.nan, math.inf)).tolist() == [1.0, 1.0]
    extreme = share_not_finite(losses, bench, (0.0, 1e-42, 1e30))  # 1e30 squared; 0 and denormals are safe
    assert extreme.tolist() == pytest.approx([1 / 3, 1 / 3])


# --- 5 -----------------------------------------------------------------------------------------------------------------


def test_weight_steps_per_centimetre(bench: Bench) -> None:
    values = measured(5, bench, *of("", "5-1", "5-1w", "5-2", "6-2+5-1"))
    steepest = 4 / 2 / 0.3 * 0.01  # of 1 + 2 (1 - tanh(x / 0.3)), at its middle
    assert values == pytest.approx([4.0, steepest, steepest, 0.1, 4.0], rel=1e-3)


def test_weight_steps_follow_the_threshold(bench: Bench) -> None:
    losses = Losses(of("", "5-2"))
    losses.set_near_field_threshold(2.5)
    assert ISSUES[5].symptom.measure(losses, bench).tolist() == pytest.approx([4.0, 0.1], rel=1e-6)


# --- 8 -----------------------------------------------------------------------------------------------------------------


def test_standardised_gradients_grow_tenfold(bench: Bench) -> None:
    ssi_alone = Configuration.of(silog_weight=0.0)
    baseline, standardised, ssi = measured(8, bench, *of("", "8-1"), ssi_alone)
    assert baseline == pytest.approx(1.0, abs=0.05)  # SILog dominates, a root: its gradient keeps its size
    assert standardised == pytest.approx(10.0, rel=0.02)
    assert ssi == pytest.approx(0.1, rel=1e-6)  # a square: its gradient shrinks with the error


# --- 9 -----------------------------------------------------------------------------------------------------------------


def test_share_called_near_is_counted(bench: Bench) -> None:
    depth = 1.0 / bench.truth[bench.truth > 0]
    share = {metres: (depth < metres).float().mean().item() for metres in (1.0, 3.0)}
    values = measured(9, bench, *of("", "9-1", "9-2", "9-3", "5-1", "6-2", "5-1w"))
    near, reaction = share[1.0], share[3.0]  # both schedules stand at 1 m in mid-run
    assert values == pytest.approx([near, reaction, near, near, near, near, 1.0 - near], abs=1e-6)


def test_share_called_near_keeps_a_threshold_set_by_hand(bench: Bench) -> None:
    losses = Losses(of(""))
    losses.set_near_field_threshold(2.0)
    expected = (1.0 / bench.truth[bench.truth > 0] < 2.0).float().mean().item()
    assert ISSUES[9].symptom.measure(losses, bench).tolist() == pytest.approx([expected], abs=1e-6)
    assert losses.thresholds == (2.0,)


# --- 10 ----------------------------------------------------------------------------------------------------------------


def test_constants_have_no_spread_and_batch_means_do(bench: Bench) -> None:
    baseline, *constants = measured(10, bench, *of("", "1-1", "1-2", "1-3", "10-1", "8-1w", "6-2"))
    assert baseline > 0.01
    assert constants == [0.0] * 6


def test_a_resized_mask_changes_no_spread_and_weighted_moments_bring_it_back(bench: Bench) -> None:
    baseline, shared, cancelled, root = measured(10, bench, *of("", "10-2", "10-1+2-1", "3-1"))
    assert shared == cancelled == root == baseline


def test_spread_by_hand() -> None:
    """8 x 8 pixels, the first row near: the finest scale has 1 row in 8 near, the others 1 in 4, 1 in 2 and 1 in 1."""
    truth = torch.full((1, 1, 1, 8, 8), 0.5)
    truth[..., 0, :] = 2.0
    means = [1.5, 2.0, 3.0, 5.0]
    assert measured(10, Bench(truth, truth), *of("")) == pytest.approx([3.5 / (sum(means) / 4)], rel=1e-6)


def test_a_scale_without_pixels_has_no_say() -> None:
    """One valid pixel, which only the finest scale keeps: no spread, though an empty batch's mean counts as 1."""
    truth = torch.zeros(1, 1, 1, 8, 8)
    truth[..., 1, 1] = 2.0
    assert measured(10, Bench(truth, truth), *of("", "6-2")) == [0.0, 0.0]


# --- the bench and its helpers -----------------------------------------------------------------------------------------


def test_make_bench_is_deterministic_and_keeps_what_is_invalid() -> None:
    truth = sparse_truth()
    truth[0, 0, 0, 0, :2] = torch.tensor([float("nan"), float("inf")])
    first, again, other = make_bench(truth, 5), make_bench(truth, 5), make_bench(truth, 6)
    valid = torch.isfinite(truth) & (truth > 0)
    torch.testing.assert_close(first.prediction, again.prediction, rtol=0, atol=0, equal_nan=True)
    assert not torch.equal(first.prediction[valid], other.prediction[valid])
    torch.testing.assert_close(first.prediction[~valid], truth[~valid], equal_nan=True)
    assert (first.prediction[valid] > 0).all()
    assert first.prediction.dtype == truth.dtype


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_errors_of_the_frozen_predictor_are_of_the_size_stated(dtype: torch.dtype) -> None:
    truth = torch.ones(8, 4, 1, 32, 48, dtype=dtype)
    error = make_bench(truth, 0).prediction.log()
    neighbours = error.diff(dim=-1)
    assert error.std().item() == pytest.approx((SMOOTH_ERROR**2 + PIXEL_ERROR**2) ** 0.5, rel=0.05)
    assert neighbours.std().item() < 0.6 * error.std().item()  # smooth, apart from the pixels' own share


def test_pixel_gradients_are_each_configurations_own(bench: Bench) -> None:
    prediction, truth = next(iter(bench.batches()))
    configurations = of("", "1-2")
    with torch.no_grad():
        total, gradient = pixel_gradients(Losses(configurations), prediction, truth)
    assert gradient.shape == (2, truth.numel())
    assert (gradient[:, ~valid_pixels(truth)] == 0).all()
    for k, configuration in enumerate(configurations):
        pred = prediction.clone().requires_grad_()
        value = Losses([configuration])(pred.unsqueeze(0), truth).sum()
        value.backward()
        torch.testing.assert_close(gradient[k], pred.grad.flatten())
        torch.testing.assert_close(total[k], value.detach())


def test_raw_weights_are_in_the_configurations_order() -> None:
    gt = (1.0 / torch.tensor([0.5, 1.0, 2.0, float("inf")])).reshape(1, 1, 1, 4)
    weights = Losses(of("6-2", "5-2", "", "5-1w+2-1")).raw_weights(gt)
    expected = torch.tensor([[5.0, 1, 1, 0], [5, 3, 1, 0], [5, 1, 1, 0], [1.1376, 3, 4.9949, 0]])
    torch.testing.assert_close(weights, expected, rtol=1e-3, atol=1e-5)


def test_data_without_near_pixels_have_no_gradient_variation() -> None:
    """Everything 10 m away: no near pixel's gradient to look at, so no number, and no crash."""
    far = make_bench(torch.full((2, 2, 1, 8, 8), 0.1), seed=0)
    measure = ISSUES[1].symptom.measure
    assert measure is not None
    assert measure(Losses([Configuration.of(), Configuration.of("1-1")]), far).isnan().tolist() == [True, True]
