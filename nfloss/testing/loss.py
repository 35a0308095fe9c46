"""The part of the contract that is asked of the loss with a fix switched on. Each check says what is wrong, or None."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import combinations, product

import torch

from nfloss.configuration import ClashError, Configuration
from nfloss.numbers import CORE_NUMBERS, Numbers
from nfloss.registry import Fix, registered
from nfloss.testing.material import CASES, HOLES, ORDINARY, Case, apart, evaluate, own_predictions, upper_half, usable

ROUNDING = {torch.float32: 1e-5, torch.float64: 1e-11}  # what the order of sums leaves
BETWEEN_PRECISIONS = 1e-3
SET_ASIDE = 1e-7  # simplification forgets the 1e-8 that fix 3-1 adds to a mean
CANCELLED = 1e-3  # of the baseline's gradient: what is smaller may be the rounding of terms that cancel
NEAR_WEIGHTS = (5.0, 2.0, 1.0)
EPOCHS = (12.0, 0.0, 50.0)
PLAIN = 1  # the baseline's row in each of `crowds`


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
        return (
            f"what is predicted or true where the mask or the truth rules a pixel out moved the loss: {value:.7g}, {then:.7g}"
        )
    reached = any((gradient[0][~usable(case, gradient[0])] != 0).any() for gradient in gradients)
    if reached:
        return "pixels that are ruled out have a gradient"
    masked, cut = (evaluate([alone(fix)], half)[0] for half in upper_half(ORDINARY))
    same = apart(masked, cut) <= ROUNDING[torch.float64]
    return None if same else f"a half that is masked is not as if it were cut away: {masked.item():.7g}, {cut.item():.7g}"


def own_numbers(fix: Fix) -> list[str]:
    """The numbers that the fix brings with it."""
    return sorted({name for choice in fix.fills.values() for name in choice.numbers if name not in CORE_NUMBERS})


def turned(fix: Fix, *names: str) -> Configuration:
    """The fix with these of its numbers changed."""
    return Configuration.of_fixes([fix], Numbers(**{name: 0.9 * getattr(Numbers(), name) for name in names}))


def crowd(fix: Fix) -> list[Configuration]:
    """The fix with several numbers among other fixes, of which 6-2 has two rows."""
    by_weight = [alone(fix, weight) for weight in NEAR_WEIGHTS]
    others = [Configuration.of("6-2"), turned(fix, *own_numbers(fix)), Configuration.of("8-1")]
    return [alone(fix), Configuration.of(), *by_weight, *others]


def crowds(fix: Fix) -> list[list[Configuration]]:
    """The crowd; and for each number of the fix itself with that one changed, a tensor then beside floats."""
    return [crowd(fix), *([alone(fix), Configuration.of(), turned(fix, name)] for name in own_numbers(fix))]


def together_is_one_by_one(fix: Fix) -> str | None:
    for configurations, case, (dtype, bound) in product(crowds(fix), (ORDINARY, HOLES), ROUNDING.items()):
        difference = apart_from_alone(fix, configurations, case.to(dtype))
        if not difference <= bound:
            return f"beside others its loss or gradient differs by {difference:.1g} of itself on {case.name} ({dtype})"
    return None


def apart_from_alone(fix: Fix, configurations: list[Configuration], data: Case) -> float:
    """How far the fix's loss or gradient is from what it is alone, at most."""
    preds = own_predictions(data, len(configurations))
    values, gradients = evaluate(configurations, data, preds=preds)
    differences = []
    for k in (k for k, c in enumerate(configurations) if fix.fills.items() <= c.choices.items()):
        value, gradient = evaluate(configurations[k : k + 1], data, preds=[pred[k : k + 1] for pred in preds])
        pairs = zip(gradients, gradient, strict=True)
        differences += [apart(g[k], one[0], CANCELLED * float(g[PLAIN].norm())) for g, one in pairs]
        differences.append(apart(values[k : k + 1], value))
    return max(differences)


def keeps_to_its_row(fix: Fix) -> str | None:
    configurations, case = crowd(fix), HOLES.to(torch.float32)
    preds = own_predictions(case, len(configurations))
    values, gradients = evaluate(configurations, case, preds=preds)
    for row in range(3):  # its own, and its neighbours'
        spoilt = [pred.clone() for pred in preds]
        spoilt[0][row] = torch.nan
        spoilt_values, spoilt_gradients = evaluate(configurations, case, preds=spoilt)
        others = torch.arange(len(configurations)) != row
        same = all(torch.equal(s[others], g[others]) for s, g in zip(spoilt_gradients, gradients, strict=True))
        if not (same and torch.equal(spoilt_values[others], values[others])):
            return f"a NaN that {configurations[row].name} predicts changes what others get on the same batch"
    return None


def precisions_agree(fix: Fix) -> str | None:
    for case in (ORDINARY, HOLES):
        (value,), gradient = evaluate([alone(fix)], case.to(torch.float32))
        (exact,), exact_gradient = evaluate([alone(fix)], case)
        _, plain = evaluate([Configuration.of()], case)
        floors = [CANCELLED * float(p.norm()) for p in plain]
        worst = max(apart(*pair) for pair in zip(gradient, exact_gradient, floors, strict=True))
        if not max(apart(value, exact), worst) <= BETWEEN_PRECISIONS:
            values = f"{value:.6g} and {exact:.6g}, gradients by {worst:.1g} of themselves"
            return f"float32 and float64 differ on {case.name}: {values}"
    return None


def unions(fix: Fix) -> list[Configuration]:
    """With each other fix, and with each two that simplification looks at, as far as they go together."""
    others = [other for other in registered() if other.id != fix.id]
    told = [other for other in others if {"moments", "temper", "partition", "pyramid"} & set(other.fills)]
    found = []
    for parts in [*((other,) for other in others), *combinations(told, 2)]:
        try:
            found.append(Configuration.of_fixes([fix, *parts]))
        except ClashError:
            continue
    return found


def goes_with_others(fix: Fix) -> str | None:
    """Alone among the checks it looks at the whole algebra: what is told to be the same training is the same."""
    found = [alone(fix), *unions(fix)]
    values, gradients = evaluate(found, ORDINARY)
    plain, plain_gradients = evaluate([c.simplified() for c in found], ORDINARY)
    floor = CANCELLED * float(evaluate([Configuration.of()], ORDINARY)[1][0].norm())
    for k, c in enumerate(found):
        if not torch.isfinite(values[k]) or not torch.isfinite(gradients[0][k]).all():
            return f"{c.name}: the loss or its gradient is not finite"
        if not max(apart(values[k], plain[k]), apart(gradients[0][k], plain_gradients[0][k], floor)) <= SET_ASIDE:
            rule = "; ".join(c.simplifying_rules())
            return f"{c.name}: taken to be the same as a plainer one ({rule}), and is not: {values[k]:.7g}, {plain[k]:.7g}"
    return None


def survives_the_way(fix: Fix) -> str | None:
    configuration = alone(fix)
    same = pickle.loads(pickle.dumps(configuration)) == configuration
    return None if same else "unpickled it is another configuration"
