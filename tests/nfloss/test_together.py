"""K configurations at once are the K one by one, and no row sees another's numbers."""

import math
import random

import pytest
import torch
from oracle import (
    DOCUMENT_FIXES,
    OTHER_FIXES,
    RECOMMENDATION,
    Material,
    evaluate,
    gradient_difference,
    material,
    oracle,
    random_unions,
    standardised_gradient,
    value_difference,
)

from nfloss import Configuration, Losses, all_fixes

#: Rounding alone lies between K at once and one by one.
BOUNDS = {torch.float32: 2e-6, torch.float64: 1e-12}


def single_fixes():
    return [Configuration.of(), *(Configuration.of(fix.id) for fix in all_fixes())]


def leave_one_outs():
    return [Configuration.of(*(fix for fix in RECOMMENDATION if fix != left)) for left in RECOMMENDATION]


def mixed_numbers():
    """Near weights 1, 2, 3, 5, 8 and other numbers, so that the rows' numbers become tensors."""
    weights = [Configuration.of(*fixes, near_weight=w) for w in (1, 2, 3, 5, 8) for fixes in ((), ("3-1", "1-1"), ("6-2",))]
    others = [
        Configuration.of("2-2a", ssi_minimum=0.05, ssi_maximum=0.1),
        Configuration.of("2-2a", ssi_minimum=1e-6, ssi_maximum=0.02),
        Configuration.of("4-3", pixel_gradient_limit=1.0),
        Configuration.of("4-3", "6-2", pixel_gradient_limit=2.0, near_part=0.4),
        Configuration.of("6-2", near_part=0.9, alpha=0.1),
        Configuration.of("4-1", ssi_weight=2.0, silog_lambda=0.2),
        Configuration.of("4-2", silog_ratio=3.0, silog_weight=0.8),
        Configuration.of("5-1", smooth_range=0.1),
        Configuration.of("5-2", ramp_half_width=0.5, near_threshold=2.0),
        Configuration.of("1-3", "3-1", dataset_weight_mean=3.0),
    ]
    return weights + others


def everything():
    """All of the above, random unions and some duplicates, in a shuffled order."""
    unions = [Configuration.of(*fixes) for fixes in random_unions([*DOCUMENT_FIXES, *OTHER_FIXES], 12, seed=31)]
    rows = [*single_fixes(), *leave_one_outs(), *mixed_numbers(), *unions]
    rows += [Configuration.of("1-1"), Configuration.of("10-1"), Configuration.of("6-2", "8-1"), Configuration.of("6-2", "8-1")]
    random.Random(7).shuffle(rows)
    return rows


GROUPS = {made.__name__: made for made in (single_fixes, everything)}


def own_predictions(made: Material, count: int, dtype: torch.dtype, seed: int = 0) -> list[torch.Tensor]:
    """Another prediction for each configuration: the material's, changed by up to 10 %."""
    generator = torch.Generator().manual_seed(seed)
    return [
        pred * (1 + 0.1 * torch.rand(count, *pred.shape, generator=generator, dtype=torch.float64)).to(dtype)
        for pred in made.to(dtype).preds
    ]


@pytest.mark.parametrize("kind", ["bool_mask", "three_scales", "own_truth", "all_near", "one_pixel", "empty_mask"])
@pytest.mark.parametrize("group", GROUPS)
def test_together_is_one_by_one(group, kind):
    """Expected: the same class with K = 1, which test_formulas.py holds against the oracle."""
    configurations = GROUPS[group]()
    for dtype, bound in BOUNDS.items():
        made = material(kind, seed=21).to(dtype)
        preds = own_predictions(made, len(configurations), dtype)
        together = Losses(configurations)
        together.set_epoch(12.0, of=50.0)
        values, gradients = evaluate(together, made, preds)
        for row, configuration in enumerate(configurations):
            alone = Losses([configuration])
            alone.set_epoch(12.0, of=50.0)
            (value,), gradient = evaluate(alone, made, [pred[row : row + 1] for pred in preds])
            assert value_difference(float(values[row]), float(value)) < bound, configuration
            for all_rows, own in zip(gradients, gradient, strict=True):
                # The floor is for gradients that are the rounding of terms that cancel (8-1 under constant weights).
                floor = standardised_gradient(made, float(value)) if "8-1" in configuration.name else 0.0
                assert gradient_difference(all_rows[row], own[0].double(), floor) < bound * 5, configuration


@pytest.mark.parametrize("pixels", [1, 1000])
def test_in_small_pieces_is_all_at_once(pixels, monkeypatch):
    """Pieces keep to a core's cache and are not part of any formula."""
    configurations, made = everything(), material("three_scales", seed=24).to(torch.float64)
    preds = own_predictions(made, len(configurations), torch.float64)
    values, gradients = evaluate(Losses(configurations), made, preds)
    monkeypatch.setattr("nfloss.evaluation.rows.PIECE", pixels)
    losses = Losses(configurations)
    assert len(losses._rows.pieces(made.preds[0].numel(), small=True)) > len(losses._rows.pieces(1, small=False))
    piecewise, own_gradients = evaluate(losses, made, preds)
    torch.testing.assert_close(piecewise, values, rtol=1e-12, atol=0.0)
    for own, whole in zip(own_gradients, gradients, strict=True):
        torch.testing.assert_close(own, whole, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e38])
def test_what_is_not_finite_stays_in_its_row(bad):
    """Bit for bit: whichever row (a sample) predicts NaN, inf or an overflow, the others' values and gradients stay."""
    configurations = everything()
    made = material("three_scales", seed=22).to(torch.float32)
    losses = Losses(configurations)
    preds = own_predictions(made, len(configurations), torch.float32)
    values, gradients = evaluate(losses, made, preds)
    assert torch.isfinite(values).all()
    assert len(configurations) > 60
    planted_rows = range(0, len(configurations), 2 if math.isnan(bad) else 9)
    for row in planted_rows:
        spoilt = [pred.clone() for pred in preds]
        spoilt[0][row, 0, 0, 5, 3:9] = bad  # among them valid pixels
        spoilt_values, spoilt_gradients = evaluate(losses, made, spoilt)
        others = torch.arange(len(configurations)) != row
        assert torch.equal(spoilt_values[others], values[others]), configurations[row]
        for spoilt_gradient, gradient in zip(spoilt_gradients, gradients, strict=True):
            assert torch.equal(spoilt_gradient[others], gradient[others]), configurations[row]
        if math.isnan(bad):
            assert math.isnan(spoilt_values[row])


def test_nan_at_every_row_but_one():
    """The last row with an ordinary prediction still gets its own loss."""
    configurations = single_fixes()
    made = material("bool_mask", seed=23).to(torch.float32)
    preds = own_predictions(made, len(configurations), torch.float32)
    losses = Losses(configurations)
    values, (gradients,) = evaluate(losses, made, preds)
    for row in range(len(configurations)):
        spoilt = torch.full_like(preds[0], math.nan)
        spoilt[row] = preds[0][row]
        spoilt_values, (spoilt_gradients,) = evaluate(losses, made, [spoilt])
        assert spoilt_values[row] == values[row]
        assert torch.equal(spoilt_gradients[row], gradients[row])


@pytest.mark.parametrize("kind", ["three_scales", "all_far"])
def test_permuting_the_configurations_permutes_the_results(kind):
    configurations = everything()
    made = material(kind, seed=24).to(torch.float32)
    preds = own_predictions(made, len(configurations), torch.float32)
    values, gradients = evaluate(Losses(configurations), made, preds)
    order = list(range(len(configurations)))
    for seed in range(3):
        random.Random(seed).shuffle(order)
        permuted = [pred[order] for pred in preds]
        permuted_values, permuted_gradients = evaluate(Losses([configurations[i] for i in order]), made, permuted)
        assert torch.equal(permuted_values, values[order])
        for permuted_gradient, gradient in zip(permuted_gradients, gradients, strict=True):
            assert torch.equal(permuted_gradient, gradient[order])


def test_duplicates_get_the_same_bits():
    configurations = [Configuration.of("1-1"), Configuration.of(), Configuration.of("10-1"), Configuration.of()]
    values, (gradients,) = evaluate(Losses(configurations), material("plain", seed=25).to(torch.float32))
    assert values[0] == values[2]
    assert values[1] == values[3]
    assert torch.equal(gradients[0], gradients[2])
    assert torch.equal(gradients[1], gradients[3])


def test_the_fallback_replaces_an_overflowing_total():
    """4-2: near weight 1e25 undivided overflows float32 when squared; the unweighted loss takes over, finite.

    Expected value and gradient: the oracle's unweighted loss (near weight 1) of the same prediction.
    """
    overflowing = {"near_weight": 1e25}
    configurations = [
        Configuration.of("1-2", **overflowing),
        Configuration.of("1-2", "4-2", **overflowing),
        Configuration.of("4-2"),
        Configuration.of("1-2", "4-2", "6-2", **overflowing),
        Configuration.of(),
        Configuration.of("1-2", "4-2", "8-1", **overflowing),
    ]
    made = material("three_scales", seed=26)
    values, gradients = evaluate(Losses(configurations), made.to(torch.float32))
    assert torch.isfinite(values).tolist() == [False, True, True, True, True, True]
    expected, expected_gradients = oracle((), made.preds, made.gt, near_weight=1.0)
    for row in (1, 3, 5):
        assert value_difference(float(values[row]), expected) < 1e-5
        for gradient, wanted in zip(gradients, expected_gradients, strict=True):
            assert gradient_difference(gradient[row], wanted) < 1e-5
    without = [configurations[2], configurations[4]]
    plain_values, plain_gradients = evaluate(Losses(without), made.to(torch.float32))
    assert torch.equal(values[[2, 4]], plain_values)
    for gradient, plain in zip(gradients, plain_gradients, strict=True):
        assert torch.equal(gradient[[2, 4]], plain)


def test_the_fallback_acts_on_the_scale_that_overflows():
    """4-2 guards each scale's own total, as the document's `forward` is called for each scale.

    By hand: only the fine scale has near pixels, so only its total overflows; the other keeps its weighted value (all far:
    weight 1, the same as unweighted), so the mean is the unweighted one.
    """
    fine, coarse = material("all_near", seed=27), material("all_far", seed=27)
    made = Material([fine.preds[0], coarse.preds[0]], [fine.gt, coarse.gt])
    (value,), gradients = evaluate(Losses([Configuration.of("1-2", "4-2", near_weight=1e25)]), made.to(torch.float32))
    expected, expected_gradients = oracle((), made.preds, made.gt, near_weight=1.0)
    assert value_difference(float(value), expected) < 1e-5
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        assert gradient_difference(gradient[0], wanted) < 1e-5


def test_the_fallback_cannot_repair_a_prediction_that_is_not_finite():
    """Not even the fallback is finite there."""
    made = material("plain", seed=28).to(torch.float32)
    made.preds[0][0, 0, 3, 3] = math.nan
    (value,), _ = evaluate(Losses([Configuration.of("4-2")]), made)
    assert math.isnan(value)


@pytest.mark.parametrize("fixes", [("4-1",), ("4-2",), ("4-3",), ("4-3", "6-2"), RECOMMENDATION], ids="+".join)
def test_hooks_do_not_need_a_gradient(fixes):
    """Validation: a prediction without requires_grad, and any under no_grad or inference_mode, gives the same value."""
    made = material("plain", seed=29).to(torch.float32)
    losses = Losses([Configuration.of(*fixes), Configuration.of()])
    pred = made.preds[0].expand(2, *made.preds[0].shape).contiguous()
    expected, (gradient,) = evaluate(losses, made)
    assert torch.equal(losses(pred, made.gt), expected)
    with torch.no_grad():
        assert torch.equal(losses(pred.clone().requires_grad_(), made.gt), expected)
    with torch.inference_mode():
        assert torch.equal(losses(pred, made.gt), expected)
    _, (again,) = evaluate(losses, made)
    assert torch.equal(again, gradient)


@pytest.mark.parametrize("fix", ["4-1", "4-2", "4-3"])
def test_no_grad_with_a_leaf_that_requires_it(fix):
    """K = 1, where the rows are the caller's own tensor: under no_grad its view still says `requires_grad`."""
    made = material("plain", seed=29).to(torch.float32)
    losses = Losses([Configuration.of(fix)])
    with torch.no_grad():
        value = losses(made.preds[0].unsqueeze(0).clone().requires_grad_(), made.gt)
    assert torch.equal(value, evaluate(losses, made)[0])


def test_validating_in_inference_mode_first_does_not_stop_training():
    """Constants are made once and kept: made under inference_mode, autograd must still accept them."""
    numbers = {"near_weight": 4.3125, "alpha": 0.8125, "ssi_maximum": 0.40625}  # seen by no other test
    losses = Losses([Configuration.of("2-2a", **numbers), Configuration.of("6-2"), Configuration.of("4-2", silog_ratio=9.5)])
    made = material("plain", seed=30).to(torch.float32)
    with torch.inference_mode():
        validated = losses(made.preds[0].expand(3, *made.preds[0].shape), made.gt).clone()
    trained, (gradient,) = evaluate(losses, made)
    assert validated.tolist() == trained.tolist()
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("fixes", [(), ("4-1",), ("4-2",), ("4-3", "6-2")], ids=lambda fixes: "+".join(fixes) or "baseline")
def test_a_new_call_backpropagates_again(fixes):
    """Twice through the same Losses and the same leaf: the gradients add up."""
    made = material("three_scales", seed=32).to(torch.float64)
    losses = Losses([Configuration.of(*fixes)])
    leaves = [pred.unsqueeze(0).clone().requires_grad_() for pred in made.preds]
    losses(leaves, made.gt).sum().backward()
    once = [leaf.grad.clone() for leaf in leaves]
    losses(leaves, made.gt).sum().backward()
    for leaf, gradient in zip(leaves, once, strict=True):
        assert torch.allclose(leaf.grad, 2 * gradient, rtol=1e-12, atol=0.0)


def test_gradients_go_through_what_made_the_prediction():
    """A prediction that is no leaf, as from a network: d loss / d parameter by the chain rule."""
    made = material("plain", seed=33).to(torch.float64)
    configurations = single_fixes()
    scale = torch.ones(len(configurations), 1, 1, 1, 1, dtype=torch.float64, requires_grad=True)
    Losses(configurations)(scale * made.preds[0], made.gt).sum().backward()
    _, (gradient,) = evaluate(Losses(configurations), made)
    assert torch.allclose(scale.grad.flatten(), (gradient * made.preds[0]).flatten(1).sum(1), rtol=1e-9, atol=1e-12)


def test_the_arguments_are_left_as_they_were():
    made = material("invalid_pixels", seed=34).to(torch.float32)
    pred = made.preds[0].expand(26, *made.preds[0].shape).clone()
    before = pred.clone(), made.gt.clone()
    Losses(single_fixes())(pred, made.gt)
    assert torch.equal(pred.nan_to_num(7.0), before[0].nan_to_num(7.0))
    assert torch.equal(made.gt.nan_to_num(7.0), before[1].nan_to_num(7.0))
