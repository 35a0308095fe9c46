"""Every fix, and unions of fixes, against the document's formulas as `oracle.py` writes them down.

Bounds: float64 1e-10, float32 1e-5 (inputs are float32 numbers, the oracle's answer to the same numbers is float64).
"""

import math

import pytest
import torch
from oracle import (
    DOCUMENT_FIXES,
    MATERIALS,
    OTHER_FIXES,
    OTHER_NUMBERS,
    RECOMMENDATION,
    evaluate,
    gradient_difference,
    material,
    oracle,
    random_unions,
    scene,
    standardised_gradient,
    unweighted_loss,
    value_difference,
)

from nfloss import Configuration, Losses, all_fixes

REGISTERED = [fix.id for fix in all_fixes()]
UNIONS = random_unions([*DOCUMENT_FIXES, *OTHER_FIXES], 24, seed=20)
CASES = [(), *((fix,) for fix in REGISTERED), RECOMMENDATION, *UNIONS]
#: Single fixes on every material, unions on the richer ones.
WITH_OTHER_NUMBERS = ("plain", "bool_mask", "all_near", "three_scales", "own_truth", "wild_prediction")
PAIRS = [(fixes, kind) for fixes in CASES for kind in (WITH_OTHER_NUMBERS if fixes in UNIONS else MATERIALS)]
NUMBER_SETS = {"document": {}, "others": OTHER_NUMBERS}
EPOCHS = {"document": (25.0, 50.0), "others": (11.0, 30.0)}
BOUNDS = {torch.float32: 1e-5, torch.float64: 1e-10}


def name_of(fixes):
    return "+".join(fixes) or "baseline"


def worst_differences(fixes, made, epoch, of, numbers):
    """Value's and gradient's relative difference from the oracle, for each type."""
    expected, expected_gradients = oracle(fixes, made.preds, made.gt, made.mask, epoch, of, **numbers)
    floor = standardised_gradient(made, expected) if {"8-1", "8-1w"} & set(fixes) else 0.0
    losses = Losses([Configuration.of(*fixes, **numbers)])
    losses.set_epoch(epoch, of)
    for dtype in BOUNDS:
        (value,), gradients = evaluate(losses, made.to(dtype))
        pairs = zip(gradients, expected_gradients, strict=True)
        worst = max(gradient_difference(gradient[0], wanted, floor) for gradient, wanted in pairs)
        yield dtype, value_difference(float(value), expected), worst


@pytest.mark.parametrize(("fixes", "kind"), PAIRS, ids=lambda given: given if isinstance(given, str) else name_of(given))
def test_value_and_gradient_are_the_documents(fixes, kind):
    """Expected values: `oracle.oracle`, the document's formulas in float64."""
    made = material(kind, seed=len(kind))
    names = NUMBER_SETS if kind in WITH_OTHER_NUMBERS else ["document"]
    for name, numbers in ((name, NUMBER_SETS[name]) for name in names):
        for dtype, value, gradient in worst_differences(fixes, made, *EPOCHS[name], numbers):
            assert value < BOUNDS[dtype], (dtype, name)
            assert gradient < BOUNDS[dtype], (dtype, name)


def test_the_oracle_knows_every_registered_fix():
    assert set(REGISTERED) == {*DOCUMENT_FIXES, *OTHER_FIXES}


@pytest.mark.parametrize("weight", [0.5, 1.0, 2.0, 8.0, 100.0])
@pytest.mark.parametrize("fixes", [(), ("1-1", "3-1"), ("2-1", "5-1"), ("6-2", "1-2"), RECOMMENDATION], ids=name_of)
def test_other_near_weights(fixes, weight):
    """Expected values: the oracle, with the near weight turned."""
    made = material("three_scales", seed=4)
    for dtype, value, gradient in worst_differences(fixes, made, 0.0, 50.0, {"near_weight": weight}):
        assert value < BOUNDS[dtype]
        assert gradient < BOUNDS[dtype]


@pytest.mark.parametrize("kind", ["plain", "invalid_pixels", "three_scales"])
def test_with_near_weight_one_the_baseline_is_the_parent_class(kind):
    """Expected: SSI + SILog of the reviewed code base's `SSISilogLoss` (ratio 10, alpha 0.85, lambda 0.85), spelt out here."""
    made = material(kind, seed=6).to(torch.float64)
    losses = Losses([Configuration.of(near_weight=1.0)])
    value = float(losses([pred.unsqueeze(0) for pred in made.preds], made.gt, made.mask))
    gts = [torch.nn.functional.interpolate(made.gt, size=pred.shape[-2:], mode="nearest") for pred in made.preds]
    parent = []
    for pred, gt in zip(made.preds, gts, strict=True):
        valid = torch.isfinite(gt) & (gt > 0)
        diff = pred[valid] - gt[valid]
        log_diff = torch.log(10 / pred[valid]) - torch.log(10 / gt[valid])
        ssi = diff.var(correction=0) + 0.85 * diff.mean() ** 2
        silog = 10 * ((log_diff**2).mean() - 0.85 * log_diff.mean() ** 2 + 1e-8).sqrt()
        parent.append(float(0.7 * ssi + 0.3 * silog))
    assert value == pytest.approx(sum(parent) / len(parent), rel=1e-12)


def test_the_unweighted_method_is_the_parent_class_whatever_the_fixes():
    made = material("bool_mask", seed=7).to(torch.float64)
    configurations = [Configuration.of(), Configuration.of(*RECOMMENDATION), Configuration.of("6-2", "8-1w", alpha=0.3)]
    values = Losses(configurations).unweighted([made.preds[0].expand(3, -1, -1, -1, -1)], made.gt, made.mask)
    valid = torch.isfinite(made.gt) & (made.gt > 0) & made.mask
    for value, alpha in zip(values, (0.85, 0.85, 0.3), strict=True):
        numbers = {
            "alpha": alpha,
            "ssi_weight": 0.7,
            "silog_weight": 0.3,
            "silog_ratio": 10.0,
            "silog_lambda": 0.85,
            "min_depth": 1e-3,
            "max_depth": 100.0,
        }
        assert float(value) == pytest.approx(float(unweighted_loss(made.preds[0], made.gt, valid, numbers)), rel=1e-12)


@pytest.mark.parametrize("fixes", CASES, ids=name_of)
def test_what_is_predicted_at_invalid_pixels_does_not_matter(fixes):
    """Value and gradient are the same bits whether the predictions there are NaN and inf, or ordinary."""
    made = material("bool_mask", seed=8).to(torch.float32)
    losses = Losses([Configuration.of(*fixes)])
    valid = torch.isfinite(made.gt) & (made.gt > 0) & made.mask
    tame = [torch.where(valid, made.preds[0], 0.5)]
    value, (gradient,) = evaluate(losses, made)
    tame_value, (tame_gradient,) = evaluate(losses, type(made)(tame, made.gt, made.mask))
    assert torch.equal(value, tame_value)
    assert torch.equal(gradient, tame_gradient)
    assert not gradient[0][~valid].any()


@pytest.mark.parametrize("fixes", CASES, ids=name_of)
@pytest.mark.parametrize("kind", ["empty_mask", "no_truth"])
def test_an_empty_mask_gives_zero_and_zero_gradient(fixes, kind):
    """an empty mask gives a zero loss that still backpropagates."""
    value, (gradient,) = evaluate(Losses([Configuration.of(*fixes)]), material(kind).to(torch.float32))
    assert value.tolist() == [0.0]
    assert not gradient.any()  # NaN would count as true


@pytest.mark.parametrize("fixes", CASES, ids=name_of)
def test_one_empty_scale_does_not_spoil_the_others(fixes):
    """The mean over the scales counts an empty scale as zero. Expected values: the oracle."""
    made = material("own_truth", seed=9)
    made.mask[1][:] = False
    for dtype, value, gradient in worst_differences(fixes, made, 0.0, 50.0, {}):
        assert value < BOUNDS[dtype]
        assert gradient < BOUNDS[dtype]


@pytest.mark.parametrize("fixes", CASES, ids=name_of)
def test_one_valid_pixel_has_deviation_zero(fixes):
    """`torch.std` of one number is NaN; here it is 0, so 8-1's residual is 0/(0 + 1e-8) = 0 and its SSI exactly 0."""
    losses = Losses([Configuration.of(*fixes)])
    made = material("one_pixel", seed=3).to(torch.float32)
    value, (gradient,) = evaluate(losses, made)
    assert torch.isfinite(value).all()
    assert torch.isfinite(gradient).all()
    if {"8-1", "8-1w"} & set(fixes):
        leaf = made.preds[0].unsqueeze(0)
        unsquashed = not {"2-2a"} & set(fixes)
        assert not unsquashed or losses.terms(leaf, made.gt, made.mask).ssi.tolist() == [0.0]
        assert not gradient.any()


@pytest.mark.parametrize("fixes", CASES, ids=name_of)
def test_a_perfect_prediction_has_a_finite_gradient(fixes):
    """By hand: every residual is 0, so SSI = 0 (1e-6 where clamped) and SILog = gain * sqrt(1e-8) = gain * 1e-4."""
    made = material("three_scales", seed=5).to(torch.float64)
    made.preds[0].copy_(torch.where(torch.isfinite(made.gt) & (made.gt > 0), made.gt, 1.0))
    losses = Losses([Configuration.of(*fixes)])
    perfect = type(made)(made.preds[:1], made.gt)
    (value,), (gradient,) = evaluate(losses, perfect)
    ssi = math.log1p(0.0) if "2-2a" not in fixes else 1e-6
    gain = 1.0 if "8-1w" in fixes else 10.0
    assert float(value) == pytest.approx(0.7 * ssi + 0.3 * gain * 1e-4, rel=1e-9)
    assert torch.isfinite(gradient).all()
    assert float(gradient.abs().max()) < 1e-12


def test_standardised_residuals_with_equal_weights_have_no_gradient():
    """By algebra: (r - mean)/std has mean 0 and variance (n - 1)/n whatever r is."""
    made = material("all_far", seed=2).to(torch.float64)
    count = made.gt.numel()
    (value,), (gradient,) = evaluate(Losses([Configuration.of("8-1")]), made)
    share = (count - 1) / count
    assert float(value) == pytest.approx(0.7 * share + 0.3 * 10 * math.sqrt(share + 1e-8), rel=1e-6)
    assert float(gradient.abs().max()) < 1e-6  # the 1e-8 beside the deviation leaves this much


def test_the_pixel_clamp_binds_and_leaves_the_others_alone():
    """4-3 by hand: the baseline's gradient, cut at 3 times its own root mean square, the value untouched."""
    made = material("plain", seed=11).to(torch.float64)
    (plain_value, value), (gradient,) = evaluate(Losses([Configuration.of(), Configuration.of("4-3")]), made)
    bound = 3.0 * gradient[0].square().mean().sqrt()
    assert (gradient[0].abs() > bound).any()
    assert plain_value == value
    assert torch.allclose(gradient[1], gradient[0].clamp(-bound, bound), rtol=1e-12, atol=0.0)


def test_the_hook_clamp_binds_only_beyond_a_weight_of_one():
    """4-1 by hand: with ssi_weight 2.5 and silog_weight 0 the gradient is 1/2.5 of the baseline's; with 0.7 it is the same."""
    made = material("plain", seed=12).to(torch.float64)
    numbers = {"ssi_weight": 2.5, "silog_weight": 0.0}
    heavy = [Configuration.of(**numbers), Configuration.of("4-1", **numbers)]
    _, (gradient,) = evaluate(Losses(heavy), made)
    assert torch.allclose(gradient[1], gradient[0] / 2.5, rtol=1e-12, atol=0.0)
    _, (gradient,) = evaluate(Losses([Configuration.of(), Configuration.of("4-1")]), made)
    assert torch.equal(gradient[0], gradient[1])


def test_weights_by_hand():
    """5-1 weighs 4.52 at 0.7 m, 3 at 1 m; to the letter 1.14 at 0.5 m, 4.99 at 2 m; 5-2 ramps."""
    depths = torch.tensor([0.5, 0.7, 0.9, 1.0, 1.1, 2.0], dtype=torch.float64)
    gt = (1.0 / depths).reshape(1, 1, 1, 6)
    hard, tanh, letter, ramp = (
        Losses([Configuration.of(*fixes)]).weights(gt).raw[0].tolist() for fixes in ((), ("5-1",), ("5-1w",), ("5-2",))
    )
    assert hard == [5, 5, 5, 1, 1, 1]
    assert tanh[1] == pytest.approx(4.52, abs=5e-3)
    assert tanh[3] == pytest.approx(3.0)
    assert [letter[0], letter[5]] == pytest.approx([1.14, 4.99], abs=5e-3)
    assert ramp == pytest.approx([5, 5, 4, 3, 2, 1])


def test_the_documents_example_of_issue_2():
    """residuals 0.01, 0.02, 0.015 have variance 1.67e-5 and SSI 2.08e-4."""
    residuals = torch.tensor([0.01, 0.02, 0.015], dtype=torch.float64).reshape(1, 1, 1, 3)
    gt = torch.full_like(residuals, 0.5)
    terms = Losses([Configuration.of()]).terms((gt + residuals).unsqueeze(0), gt)
    assert float(terms.ssi) == pytest.approx(5e-5 / 3 + 0.85 * 0.015**2, rel=1e-9)
    assert float(terms.ssi) == pytest.approx(2.08e-4, abs=5e-7)


def test_scales_of_one_truth_are_the_mean_of_their_own_losses():
    """loss = mean of the scales' totals, each on its own nearest-resized truth."""
    made = material("odd_scales", seed=13).to(torch.float64)
    losses = Losses([Configuration.of("5-1")])
    together = float(losses([pred.unsqueeze(0) for pred in made.preds], made.gt, made.mask))
    gt, mask = (
        torch.nn.functional.interpolate(image.double(), size=made.preds[1].shape[-2:], mode="nearest")
        for image in (made.gt, made.mask)
    )
    fine = float(losses(made.preds[0].unsqueeze(0), made.gt, made.mask))
    coarse = float(losses(made.preds[1].unsqueeze(0), gt, mask))
    assert together == pytest.approx((fine + coarse) / 2, rel=1e-12)


def test_batches_are_pooled():
    """E[.] is the mean over the valid pixels of the whole batch (spec): two images are one image of twice the height."""
    pred, gt = scene(2, 6, 8, seed=14)
    losses = Losses([Configuration.of("1-1", "8-1")])
    batch = losses(pred.unsqueeze(0), gt)
    tall = losses(pred.reshape(1, 1, 1, 12, 8), gt.reshape(1, 1, 12, 8))
    assert torch.equal(batch, tall)
