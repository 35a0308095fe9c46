"""The contract of a loss that is compared with the fixes. Each promise has a check; a check returns what breaks it, or None."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.evaluation.other_losses import function_of, maps_of
from nfloss.numbers import Numbers
from nfloss.other_losses import LossError
from nfloss.slots import Choice
from nfloss.terms import Target
from nfloss.testing.contract import outcome
from nfloss.testing.device import NO_VALUES, without_values
from nfloss.testing.material import CASES, HOLES, ORDINARY, Case, usable
from nfloss.user_code import USER_ERRORS, in_a_line

Check = Callable[[Choice], str | None]
PLAIN = [case for case in CASES if "pixels alone" in case.name or case in (ORDINARY, HOLES)]
OTHER_DEVICE = "on the expected device"


def returns_one_number(loss: Choice) -> str | None:
    for case in PLAIN:
        value = value_of(loss, case.to(torch.float32))
        if not isinstance(value, Tensor) or value.ndim or not value.is_floating_point():
            given = f"a tensor of shape {list(value.shape)}, {value.dtype}" if isinstance(value, Tensor) else repr(value)[:80]
            return f"gives {given} on {case.name}; one real number is needed, a tensor without dimensions"
    return None


def is_finite(loss: Choice, cases: Sequence[Case] = PLAIN) -> str | None:
    for case in cases:
        value, gradient = with_gradient(loss, case.to(torch.float32))
        if not torch.isfinite(value):
            return f"gives {value:g} on {case.name}"
        if gradient is not None and not torch.isfinite(gradient).all():
            return f"has a gradient that is not finite on {case.name}"
    return None


def has_a_gradient(loss: Choice) -> str | None:
    _, gradient = with_gradient(loss, ORDINARY.to(torch.float32))
    return None if gradient is not None and bool(gradient.any()) else f"has no gradient to the prediction on {ORDINARY.name}"


def is_pure(loss: Choice) -> str | None:
    case = HOLES.to(torch.float32)
    prediction, *maps = arguments(case)
    kept = [one.clone() for one in (prediction, *maps)]
    first, again = (function(loss)(prediction, *maps) for _ in range(2))
    if not torch.equal(first, again):
        return f"gives {first:.7g}, then {again:.7g} on the same batch"
    same = all(torch.equal(*pair) for pair in zip(kept, (prediction, *maps), strict=True))
    return None if same else "changes the tensors that it is given"


def keeps_to_the_mask(loss: Choice) -> str | None:
    case = HOLES.to(torch.float32)
    prediction, truth, mask = arguments(case)
    value, gradient = with_gradient(loss, case)
    then = function(loss)(torch.where(mask, prediction, 7.0), torch.where(mask, truth, 0.9), mask)
    if value != then:
        return f"depends on pixels at which the mask is False: {value:.7g}, then {then:.7g}"
    reached = gradient is not None and bool(gradient[~usable(case, gradient)].any())
    return "has a gradient at pixels at which the mask is False" if reached else None


def stays_on_its_device(loss: Choice) -> str | None:
    """On the `meta` device, as `never_waits`; but that it reads a value is no fault."""
    try:
        device = value_of(loss, without_values(HOLES.to(torch.float32))).device
    except USER_ERRORS as error:
        return f"mixes devices: {in_a_line(error)}" if OTHER_DEVICE in str(error) else None
    return None if device == NO_VALUES else f"gives a number on {device}, whatever the device of the prediction"


def reads_a_value(loss: Choice) -> str | None:
    """What keeps the loss out of a CUDA graph: it reads a value, or selects pixels by the mask; None where nothing does."""
    try:
        value_of(loss, without_values(HOLES.to(torch.float32)))
    except USER_ERRORS as error:
        return f"reads a value: {in_a_line(error)}"
    return None


def survives_pickling(loss: Choice) -> str | None:
    configuration = Configuration.of_loss(loss)
    return None if pickle.loads(pickle.dumps(configuration)) == configuration else "is changed by pickling"


#: Every promise of a loss, with its check.
LOSS_CONTRACT: dict[str, Check] = {
    "it returns one number": returns_one_number,
    "value and gradient are finite": is_finite,
    "it has a gradient": has_a_gradient,
    "the same batch gives the same bits, and stays as it was": is_pure,
    "pixels at which the mask is False have no effect": keeps_to_the_mask,
    "it stays on the device of the prediction": stays_on_its_device,
    "it can be sent to another process": survives_pickling,
}


def broken_loss_promise(loss: Choice) -> tuple[str, str] | None:
    """The first promise that a loss breaks, and what was found: those after it build on it. None if it keeps all."""
    outcomes = ((promise, placed_outcome(check, loss)) for promise, check in LOSS_CONTRACT.items())
    return next(((promise, found) for promise, found in outcomes if found), None)


def check_losses(losses: Sequence[Choice], images: int, height: int, width: int, cuda_graphs: bool) -> None:
    """Check losses, also on a batch of the training's size, and whether CUDA graphs can hold them if they are wanted.

    Raises LossError: the first thing that is wrong, in one line with the place in the user's file."""
    of_training = partial(is_finite, cases=[training_case(images, height, width)])
    more: list[Check] = [of_training, *[reads_a_value] * cuda_graphs]
    for loss in losses:
        for check in [*LOSS_CONTRACT.values(), *more]:
            if found := placed_outcome(check, loss):
                advice = "; training.cuda_graphs must be false for it" if check is reads_a_value else ""
                raise LossError(f"design.losses {loss.name}: {found}{advice}")


def placed_outcome(check: Check, loss: Choice) -> str | None:
    """The result of a check with the place in the user's file."""
    found = outcome(check, loss)
    code = function(loss).__code__
    name = Path(code.co_filename).name
    return f"{found} ({name}, line {code.co_firstlineno})" if found and f"({name}, line " not in found else found


def function(loss: Choice) -> Any:
    return function_of(Configuration.of_loss(loss))


def arguments(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """Prediction, truth and mask of a case's finest scale."""
    limits = Numbers()
    return case.preds[0], *maps_of(Target.of(case.gt, case.mask, limits.min_depth, limits.max_depth))


def value_of(loss: Choice, case: Case) -> Any:
    prediction, truth, mask = arguments(case)
    return function(loss)(prediction.clone().requires_grad_(), truth, mask)


def with_gradient(loss: Choice, case: Case) -> tuple[Tensor, Tensor | None]:
    """Value and gradient; None where the value does not hang on the prediction."""
    prediction, truth, mask = arguments(case)
    prediction = prediction.clone().requires_grad_()
    value: Tensor = function(loss)(prediction, truth, mask)
    gradient = torch.autograd.grad(value, prediction, allow_unused=True)[0] if value.requires_grad else None
    return value.detach(), gradient


def training_case(images: int, height: int, width: int) -> Case:
    """A batch of a training's size, at its finest scale, of depths between 0.2 and 10 m."""
    share = torch.rand(images, 1, height, width, generator=torch.Generator().manual_seed(0))
    truth = 1.0 / (0.2 * 50.0**share)
    return replace(ORDINARY, name=f"a batch of {images} images of {height}x{width}", preds=(truth * 1.1,), gt=truth)
