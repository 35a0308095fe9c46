"""The checks of the contract that compute the loss with a fix switched on. Each returns what is wrong, or None."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import combinations, product

import torch

from nfloss.configuration import ClashError, Configuration
from nfloss.numbers import CORE_NUMBERS, Numbers
from nfloss.registry import Fix, registered
from nfloss.testing.material import CASES, HOLES, ORDINARY, Case, deviation, evaluate, own_predictions, upper_half, usable

ROUNDING = {torch.float32: 1e-5, torch.float64: 1e-11}  # differences from the order of summation
BETWEEN_PRECISIONS = 1e-3
SET_ASIDE = 1e-7  # simplification ignores the 1e-8 that fix 3-1 adds to a mean
CANCELLED = 1e-3  # of the baseline's gradient; below it, a gradient may be rounding of terms that cancel
NEAR_WEIGHTS = (5.0, 2.0, 1.0)
EPOCHS = (12.0, 0.0, 50.0)
BASELINE_ROW = 1  # the baseline's row in each of `groups_with`


def alone(fix: Fix, near_weight: float = 5.0) -> Configuration:
    return Configuration.of_fixes([fix], Numbers(near_weight=near_weight))


def is_finite(fix: Fix) -> str | None:
    configurations = [alone(fix, weight) for weight in NEAR_WEIGHTS]
    for case in CASES:
        for epoch in EPOCHS if "threshold" in fix.fills else EPOCHS[:1]:
            values, gradients = evaluate(configurations, case.to(torch.float32), epoch)
            for k, weight in enumerate(NEAR_WEIGHTS):
                where = f"on {case.name}, near weight {weight:g}, epoch {epoch:g} of 50"
                if not torch.isfinite(values[k]):
                    return f"the loss is {values[k]:g} {where}"
                if not all(torch.isfinite(gradient[k]).all() for gradient in gradients):
                    return f"the gradient is not finite {where}"
    return None


def is_pure(fix: Fix) -> str | None:
    case, other = ORDINARY.to(torch.float32), HOLES.to(torch.float32)
    kept = [tensor.clone() for tensor in (*other.preds, other.gt)]
    first, _ = evaluate([alone(fix)], case)
    evaluate([alone(fix)], other)
    again, _ = evaluate([alone(fix)], case)
    if not torch.equal(first, again):
        return f"the same batch gave {first.item():.7g}, then {again.item():.7g}"
    same = all(torch.equal(t.nan_to_num(9.0), k.nan_to_num(9.0)) for t, k in zip((*other.preds, other.gt), kept, strict=True))
    return None if same else "the caller's own tensors were changed"


def leaves_invalid_pixels_out(fix: Fix) -> str | None:
    case = HOLES.to(torch.float32)
    changed = [torch.where(usable(case, pred), pred, 7.0) for pred in case.preds]
    other_truth = torch.where(usable(case, case.gt) | ~torch.isfinite(case.gt) | (case.gt <= 0), case.gt, 0.9)
    (value,), gradients = evaluate([alone(fix)], case)
    (then,), _ = evaluate([alone(fix)], replace(case, preds=tuple(changed), gt=other_truth))
    if value != then:
        return f"values at masked or invalid pixels changed the loss: {value:.7g}, then {then:.7g}"
    reached = any((gradient[0][~usable(case, gradient[0])] != 0).any() for gradient in gradients)
    if reached:
        return "masked or invalid pixels have a gradient"
    masked, cut = (evaluate([alone(fix)], half)[0] for half in upper_half(ORDINARY))
    same = deviation(masked, cut) <= ROUNDING[torch.float64]
    return None if same else f"masking half of the image differs from cutting it off: {masked.item():.7g}, {cut.item():.7g}"


def own_numbers(fix: Fix) -> list[str]:
    """The numbers that the fix uses, without those that every loss uses."""
    return sorted({name for choice in fix.fills.values() for name in choice.numbers if name not in CORE_NUMBERS})


def with_changed(fix: Fix, *names: str) -> Configuration:
    return Configuration.of_fixes([fix], Numbers(**{name: 0.9 * getattr(Numbers(), name) for name in names}))


def mixed_group(fix: Fix) -> list[Configuration]:
    """The fix with several near weights, next to other fixes; 6-2 has two rows."""
    by_weight = [alone(fix, weight) for weight in NEAR_WEIGHTS]
    others = [Configuration.of("6-2"), with_changed(fix, *own_numbers(fix)), Configuration.of("8-1")]
    return [alone(fix), Configuration.of(), *by_weight, *others]


def groups_with(fix: Fix) -> list[list[Configuration]]:
    """The mixed group; and for each number of the fix, a group where it differs and so becomes a tensor next to floats."""
    return [mixed_group(fix), *([alone(fix), Configuration.of(), with_changed(fix, name)] for name in own_numbers(fix))]


def together_is_one_by_one(fix: Fix) -> str | None:
    for configurations, case, (dtype, bound) in product(groups_with(fix), (ORDINARY, HOLES), ROUNDING.items()):
        difference = difference_from_alone(fix, configurations, case.to(dtype))
        if not difference <= bound:
            return f"next to others its loss or gradient changes by {difference:.1g} of itself on {case.name} ({dtype})"
    return None


def difference_from_alone(fix: Fix, configurations: list[Configuration], data: Case) -> float:
    """The largest difference between the fix's loss or gradient in this group and alone."""
    preds = own_predictions(data, len(configurations))
    values, gradients = evaluate(configurations, data, preds=preds)
    differences = []
    for k in (k for k, c in enumerate(configurations) if fix.fills.items() <= c.choices.items()):
        value, gradient = evaluate(configurations[k : k + 1], data, preds=[pred[k : k + 1] for pred in preds])
        pairs = zip(gradients, gradient, strict=True)
        differences += [deviation(g[k], one[0], CANCELLED * float(g[BASELINE_ROW].norm())) for g, one in pairs]
        differences.append(deviation(values[k : k + 1], value))
    return max(differences)


def keeps_to_its_row(fix: Fix) -> str | None:
    configurations, case = mixed_group(fix), HOLES.to(torch.float32)
    preds = own_predictions(case, len(configurations))
    values, gradients = evaluate(configurations, case, preds=preds)
    for row in range(3):  # the fix and its neighbours
        spoilt = [pred.clone() for pred in preds]
        spoilt[0][row] = torch.nan
        spoilt_values, spoilt_gradients = evaluate(configurations, case, preds=spoilt)
        others = torch.arange(len(configurations)) != row
        same = all(torch.equal(s[others], g[others]) for s, g in zip(spoilt_gradients, gradients, strict=True))
        if not (same and torch.equal(spoilt_values[others], values[others])):
            return f"a NaN in the prediction of {configurations[row].name} changes the results of others on the same batch"
    return None


def precisions_agree(fix: Fix) -> str | None:
    for case in (ORDINARY, HOLES):
        (value,), gradient = evaluate([alone(fix)], case.to(torch.float32))
        (exact,), exact_gradient = evaluate([alone(fix)], case)
        _, plain = evaluate([Configuration.of()], case)
        floors = [CANCELLED * float(p.norm()) for p in plain]
        worst = max(deviation(*pair) for pair in zip(gradient, exact_gradient, floors, strict=True))
        if not max(deviation(value, exact), worst) <= BETWEEN_PRECISIONS:
            values = f"{value:.6g} and {exact:.6g}, gradients by {worst:.1g} of themselves"
            return f"float32 and float64 differ on {case.name}: {values}"
    return None


def unions(fix: Fix) -> list[Configuration]:
    """The fix with each other fix, and with each pair that simplification looks at, without the unions that clash."""
    others = [other for other in registered() if other.id != fix.id]
    simplifying = [other for other in others if {"moments", "temper", "partition", "pyramid"} & set(other.fills)]
    found = []
    for parts in [*((other,) for other in others), *combinations(simplifying, 2)]:
        try:
            found.append(Configuration.of_fixes([fix, *parts]))
        except ClashError:
            continue
    return found


def works_with_others(fix: Fix) -> str | None:
    """Also checks simplification: a configuration and its simplified form have the same loss and gradient."""
    found = [alone(fix), *unions(fix)]
    values, gradients = evaluate(found, ORDINARY)
    plain, plain_gradients = evaluate([c.simplified() for c in found], ORDINARY)
    floor = CANCELLED * float(evaluate([Configuration.of()], ORDINARY)[1][0].norm())
    for k, c in enumerate(found):
        if not torch.isfinite(values[k]) or not torch.isfinite(gradients[0][k]).all():
            return f"{c.name}: the loss or its gradient is not finite"
        if not max(deviation(values[k], plain[k]), deviation(gradients[0][k], plain_gradients[0][k], floor)) <= SET_ASIDE:
            rule = "; ".join(c.simplifying_rules())
            return f"{c.name}: simplification ({rule}) changes its loss or gradient: {values[k]:.7g}, {plain[k]:.7g}"
    return None


def survives_pickling(fix: Fix) -> str | None:
    configuration = alone(fix)
    same = pickle.loads(pickle.dumps(configuration)) == configuration
    return None if same else "pickling changes the configuration"
