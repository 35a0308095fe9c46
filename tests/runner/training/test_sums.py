"""The loss by sums over pixels equals the loss pixel by pixel: values and gradients of every fix and of combinations."""

import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from oracle import evaluate, gradient_difference, material, standardised_gradient, value_difference
from plain_sums import PlainSumming
from test_together import everything, own_predictions

from nfloss import Choice, Configuration, Fix, Guard, Losses
from nfloss.evaluation.by_sums import has_sums
from nfloss.slots import BASELINE

pytest.importorskip("numba")
from runner.training import Training
from runner.training.kernels.sums.core import CoreSumming
from runner.training.machine_code import summing_for

#: Float64: rounding. Float32: what is compared with takes log g - log p, each rounded to 5e-7, of residuals as small as 1e-3.
VALUES = {torch.float64: 1e-10, torch.float32: 5e-4}
GRADIENTS = {torch.float64: 1e-10, torch.float32: 2e-4}
KINDS = [
    *("plain", "bool_mask", "three_scales", "own_truth", "all_near", "all_far", "one_pixel", "empty_mask", "invalid_pixels"),
    "wild_prediction",
]


def both(configurations, summing):
    """Pixel by pixel and by sums, at an epoch at which schedules differ."""
    pair = Losses(configurations), Losses(configurations, summing)
    for losses in pair:
        losses.set_epoch(12.0, of=50.0)
    return pair


def compare(configurations, summing, made, dtype):
    made = made.to(dtype)
    preds = own_predictions(made, len(configurations), dtype)
    (values, gradients), (summed, of_sums) = (evaluate(losses, made, preds) for losses in both(configurations, summing))
    for k, c in enumerate(configurations):
        assert value_difference(float(summed[k]), float(values[k])) < VALUES[dtype], c
        # 8-1 under constant weights: the true gradient is 0, and what is left is the rounding of terms that cancel
        floor = standardised_gradient(made, float(values[k])) if "8-1" in c.name else 0.0
        for own, wanted in zip(of_sums, gradients, strict=True):
            assert gradient_difference(own[k].double(), wanted[k].double(), floor) < GRADIENTS[dtype], c


@pytest.mark.parametrize("dtype", VALUES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_fix_and_mixtures(kind, dtype):
    assert all(has_sums(c) for c in everything())
    compare(everything(), CoreSumming(), material(kind, seed=41), dtype)


@pytest.mark.parametrize("kind", ["bool_mask", "three_scales", "one_pixel", "empty_mask", "wild_prediction"])
def test_in_plain_torch_it_is_the_same(kind):
    compare(everything(), PlainSumming(), material(kind, seed=42), torch.float64)


def test_one_by_one_is_together_bit_for_bit():
    """No row's bits depend on other rows or on their order."""
    configurations, made = everything(), material("three_scales", seed=43).to(torch.float32)
    preds = own_predictions(made, len(configurations), torch.float32)
    values, gradients = evaluate(Losses(configurations, CoreSumming()), made, preds)
    order = list(range(len(configurations)))
    random.Random(1).shuffle(order)
    permuted, of_permuted = evaluate(Losses([configurations[k] for k in order], CoreSumming()), made, [p[order] for p in preds])
    assert torch.equal(permuted, values[order])
    assert all(torch.equal(own, whole[order]) for own, whole in zip(of_permuted, gradients, strict=True))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e38])
def test_what_is_not_finite_stays_in_its_row(bad):
    configurations, made = everything(), material("three_scales", seed=44).to(torch.float32)
    losses = Losses(configurations, CoreSumming())
    preds = own_predictions(made, len(configurations), torch.float32)
    values, gradients = evaluate(losses, made, preds)
    for row in range(0, len(configurations), 5):
        spoilt = [pred.clone() for pred in preds]
        spoilt[0][row, 0, 0, 5, 3:9] = bad
        spoilt_values, spoilt_gradients = evaluate(losses, made, spoilt)
        others = torch.arange(len(configurations)) != row
        assert torch.equal(spoilt_values[others], values[others]), configurations[row]
        assert all(torch.equal(s[others], g[others]) for s, g in zip(spoilt_gradients, gradients, strict=True))
        if not math.isfinite(bad):
            assert not math.isfinite(spoilt_values[row])


def test_nan_where_nothing_is_valid_does_not_count():
    made = material("invalid_pixels", seed=45).to(torch.float32)
    usable = torch.isfinite(made.gt) & (made.gt > 0)
    spoilt = torch.where(usable, made.preds[0], math.nan)
    losses = Losses(everything(), CoreSumming())
    count = len(losses.configurations)
    values, (gradients,) = evaluate(losses, made, [made.preds[0].expand(count, *made.preds[0].shape)])
    again, (of_spoilt,) = evaluate(losses, made, [spoilt.expand(count, *spoilt.shape)])
    assert torch.equal(again, values) and torch.equal(of_spoilt, gradients)
    assert (of_spoilt[:, ~usable] == 0).all()


def halved(residual, mask):
    """A user's choice: half the residual."""
    return 0.5 * residual


def with_custom_choice(*fixes):
    fix = Fix("98-1", "halved", "half the residual", {"residual": Choice("halved", halved)})
    return Configuration({**Configuration.of(*fixes).choices, **fix.fills}, fixes=fixes)


@pytest.mark.parametrize("dtype", VALUES)
def test_choices_without_sums_are_computed_pixel_by_pixel_with_the_others(dtype):
    mine = [with_custom_choice(), with_custom_choice("6-2", "3-1"), with_custom_choice("4-2")]
    assert not any(has_sums(c) for c in mine)
    configurations = [mine[0], *everything()[:9], mine[1], *everything()[9:20], mine[2]]
    compare(configurations, CoreSumming(), material("three_scales", seed=46), dtype)
    compare(mine, CoreSumming(), material("three_scales", seed=46), dtype)


def by_median(weights, mask, power):
    """A user's normalisation, and one that is of another type than the pixels."""
    return (weights**power).double().median(-1, keepdim=True).values


def test_a_users_normalisation_goes_with_sums():
    choice = Choice("median", by_median)
    configurations = [Configuration({**Configuration.of(f).choices, "normalise": choice}) for f in ("3-1", "5-1", "6-2")]
    assert all(has_sums(c) for c in configurations)
    compare(configurations, CoreSumming(), material("three_scales", seed=47), torch.float64)
    compare(configurations, CoreSumming(), material("three_scales", seed=47), torch.float32)


@pytest.mark.parametrize("requires", [True, False])
def test_the_unweighted_loss_and_no_gradient(requires):
    configurations, made = everything(), material("three_scales", seed=48).to(torch.float64)
    preds = [p.requires_grad_(requires) for p in own_predictions(made, len(configurations), torch.float64)]
    plain, summed = (losses.terms(preds, made.gt, unweighted=True) for losses in both(configurations, CoreSumming()))
    assert plain.unweighted is not None and summed.unweighted is not None and not summed.unweighted.requires_grad
    for name in ("total", "ssi", "silog", "unweighted"):
        torch.testing.assert_close(getattr(summed, name), getattr(plain, name), rtol=1e-10, atol=1e-13)


def test_the_fallback_replaces_an_overflowing_total():
    configurations = [Configuration.of("1-2", *more, near_weight=1e25) for more in ((), ("4-2",), ("4-2", "6-2"))]
    made = material("three_scales", seed=49).to(torch.float32)
    (values, gradients), (summed, of_sums) = (evaluate(losses, made) for losses in both(configurations, CoreSumming()))
    assert torch.isfinite(summed).tolist() == torch.isfinite(values).tolist() == [False, True, True]
    torch.testing.assert_close(summed[1:], values[1:])
    for own, wanted in zip(of_sums, gradients, strict=True):
        torch.testing.assert_close(own[1:], wanted[1:])


def test_what_cannot_be_read_by_machine_code_is_computed_pixel_by_pixel():
    made, losses = material("plain", seed=50).to(torch.float32), Losses([Configuration.of()], CoreSumming())
    half = made.preds[0].unsqueeze(0).bfloat16()
    torch.testing.assert_close(losses(half, made.gt), Losses([Configuration.of()])(half, made.gt))
    sparse = made.preds[0].unsqueeze(0).expand(1, *made.preds[0].shape).transpose(-1, -2).contiguous().transpose(-1, -2)
    torch.testing.assert_close(losses(sparse, made.gt), losses(made.preds[0].unsqueeze(0), made.gt), rtol=0.0, atol=0.0)


@pytest.mark.parametrize("side", [8, 64])
def test_a_mean_far_from_0_leaves_the_variance_its_digits(side):
    """Residuals of 10 +- 0.01: E[x^2] is a million times the variance, of whose sixteen digits E[x^2] - E[x]^2 keeps ten less
    what the sums lose (float32 would keep none).

    n terms summed in any order are off by (n - 1) u of the sum of their sizes at most, u = 2^-53 (Higham, Accuracy and
    Stability of Numerical Algorithms, 4.2); a product, a division and a square add u each. E[x^2] is off by (n + 1) u, E[x]^2
    by 2 (n + 1) u, the difference by 3 (n + 1) u E[x^2] and a rounding.
    """
    gt = torch.full((1, 1, side, side), 0.5, dtype=torch.float64)
    noise = torch.randn(gt.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pred = (gt + 10.0 + 1e-2 * noise).unsqueeze(0)
    numbers = {"alpha": 0.0, "near_weight": 1.0, "ssi_weight": 1.0, "silog_weight": 0.0}
    residuals, n = (pred - gt).flatten().tolist(), side * side
    mean = math.fsum(residuals) / n
    wanted, square = math.fsum((r - mean) ** 2 for r in residuals) / n, math.fsum(r * r for r in residuals) / n
    total = Losses([Configuration.of(**numbers)], CoreSumming())(pred, gt)
    assert abs(float(total[0]) - wanted) <= (3 * (n + 1) + 1) * 2.0**-53 * square
    assert wanted / square < 2e-6


def test_the_logarithm_is_right_to_two_last_places():
    from numba import njit

    from runner.training.kernels.compiled import FAST
    from runner.training.kernels.sums.logarithm import logarithm

    @njit(fastmath=FAST)
    def logarithms(x, to):
        for i in range(len(x)):
            to[i] = logarithm(x[i])

    x = np.exp(np.random.default_rng(0).uniform(-20.0, 20.0, 300_000)).astype(np.float32)
    x[:3] = 1.0, np.nan, 1.0
    to = np.empty_like(x)
    logarithms(x, to)
    assert to[0] == to[2] == 0.0 and np.isnan(to[1])
    exact = np.log(x[3:].astype(np.float64))
    assert (np.abs(to[3:] - exact) <= 2.0 * np.spacing(np.abs(exact).astype(np.float32))).all()


def test_machine_code_on_disk_is_of_all_its_files():
    """Numba would reuse cached loops although their kernels, in another file, have changed."""
    from runner.training.kernels import compiled
    from runner.training.kernels.lanes import conversion, convolution, normalisation, passes
    from runner.training.kernels.sums import loops, row_kernels

    modules = (conversion, convolution, normalisation, passes, loops, row_kernels)
    functions = [f for module in modules for f in vars(module).values()]
    functions = [f for f in functions if hasattr(f, "py_func")]
    assert len(functions) > 40 and {Path(f._cache.cache_path).parent for f in functions} == {compiled.CACHE_FOLDER}
    here = Path(compiled.__file__).parent
    hashed = {path for pattern in compiled.FILES for path in here.glob(pattern)}
    assert {Path(f.py_func.__code__.co_filename) for f in functions} < hashed


def twice(x):
    return 2.0 * x


def test_without_a_writable_cache_it_is_compiled_all_the_same(tmp_path, monkeypatch):
    from runner.training.kernels import compiled

    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(compiled, "CACHE_FOLDER", tmp_path / "file" / "kernels")
    assert compiled.compiled(twice)(21.0) == 42.0


def test_only_a_cpu_has_sums_taken():
    settings = Training()
    assert isinstance(summing_for(torch.device("cpu"), settings), CoreSumming)
    assert summing_for(torch.device("meta"), settings) is None
    assert summing_for(torch.device("cpu"), Training(machine_code=False)) is None
    assert BASELINE["guard"].function == Guard()
