"""The slots of the loss in order, and the baseline's choice for each.

The loss has one choice per slot. A `Choice` is a named pure function. Its keyword-only parameters are the numbers it needs,
read by name from `Numbers`; a parameter that `Numbers` does not have needs a default, which is always used. Tensors may have
any leading dimensions, such as spaces or scales; the last dimension is pixels `P` or configurations.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from nfloss.numbers import NUMBER_NAMES, Number
from nfloss.power_sums import divided_in_both, mean_of_weights, of_weighted_residuals, unchanged


@lru_cache(maxsize=1024)
def number_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of the `Numbers` that a function takes: keyword-only parameters; other names with a default are left out."""
    parameters = inspect.signature(function).parameters.values()
    wanted = (p for p in parameters if p.kind is p.KEYWORD_ONLY)
    return tuple(p.name for p in wanted if p.default is p.empty or p.name in NUMBER_NAMES)


def call(function: Callable[..., Any], numbers: Any, *arguments: Any) -> Any:
    """Call the function with these arguments and the numbers it takes, read by name from the attributes of `numbers`."""
    return function(*arguments, **{name: getattr(numbers, name) for name in number_names(function)})


@dataclass(frozen=True)
class Choice:
    """What a fix puts into a slot: a name, unique in its slot, and a function.

    `by_sums`, where given, computes the same from sums over the pixels (`nfloss.power_sums`); without it, the function is
    called on the pixels. Two choices are equal if name and function are equal.
    """

    name: str
    function: Callable[..., Any] | Partition | Guard = field(repr=False)
    by_sums: Callable[..., Any] | None = field(default=None, repr=False, compare=False)

    def __hash__(self) -> int:
        return hash(self.name)  # remembered by Python: a product of fixes asks for it millions of times

    @property
    def numbers(self) -> tuple[str, ...]:
        """The names of the `Numbers` that the choice uses."""
        if isinstance(self.function, (Partition, Guard)):
            return self.function.numbers
        return number_names(self.function)

    def __call__(self, numbers: Any, *arguments: Any) -> Any:
        """Call the function as `call` does. Raises TypeError for a partition or a guard."""
        if isinstance(self.function, (Partition, Guard)):
            raise TypeError(f"{self.name!r} is not a function; call its parts")
        return call(self.function, numbers, *arguments)


@dataclass(frozen=True)
class Partition:
    """Divides the pixels into parts, each with its own loss.

    `split(mask, weights, depth, threshold)` returns `parts` pairs (mask, weights). `join(losses, counts)`, both [parts, .., R],
    returns one loss [.., R]. `exhaustive`: the masks are 0 or 1, each valid pixel is in exactly one part and no invalid pixel
    is in any; sums over the parts then add up to the sum over all pixels.
    """

    parts: int
    split: Callable[..., list[tuple[Tensor, Tensor]]]
    join: Callable[..., Tensor]
    exhaustive: bool = False

    @property
    def numbers(self) -> tuple[str, ...]:
        return number_names(self.split) + number_names(self.join)


@dataclass(frozen=True)
class Guard:
    """Changes the gradient of the loss, not its value.

    `pixels(prediction, mask)`, both [R, P], and `terms(term)`, [.., R], return their first argument unchanged and change its
    gradient in the backward pass. With `fallback`, a total that is not finite is replaced by the unweighted SSI + SILog.
    """

    pixels: Callable[..., Tensor] | None = None
    terms: Callable[[Tensor], Tensor] | None = None
    fallback: bool = False

    @property
    def numbers(self) -> tuple[str, ...]:
        return number_names(self.pixels) if self.pixels else ()


def sums_form(choice: Choice) -> Callable[..., Any]:
    """Return `by_sums`; the caller has checked that it is set."""
    assert choice.by_sums is not None
    return choice.by_sums


def functions_of(choice: Choice) -> dict[str, Callable[..., Any]]:
    """The functions of a choice by name: the parts of a partition or a guard, else `function` alone."""
    function = choice.function
    parts = vars(function) if isinstance(function, (Partition, Guard)) else {"function": function}
    return {name: part for name, part in parts.items() if callable(part)}


# --- threshold: (epoch, of) -> metres ---------------------------------------------------------------------------------


def fixed_threshold(epoch: float, of: float, *, near_threshold: float) -> float:
    """The hard-coded 1 m."""
    return near_threshold


# --- weigh: depth [.., P] in metres -> weights [.., P] ----------------------------------------------------------------


def hard_boundary(depth: Tensor, threshold: Number, *, near_weight: Number) -> Tensor:
    """`near_weight` below the threshold, 1 elsewhere."""
    return 1.0 + (near_weight - 1.0) * (depth < threshold).to(depth.dtype)


# --- pyramid: which depth map a scale's weights are computed from -------------------------------------------------------


def own_depth(finest: Tensor, own: Tensor) -> Tensor:
    """Each scale uses its own ground truth. Both [B, 1, H, W]."""
    return own


# --- normalise: what the weights (to a power) are divided by -----------------------------------------------------------


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` over `mask` along the last dimension, which is kept; 0 where the mask is empty."""
    return (values * mask).sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp(min=1.0)


def batch_mean(weights: Tensor, mask: Tensor, power: float) -> Tensor:
    """Mean of `weights ** power` over the valid pixels of this batch; 1 where there are none."""
    mean = masked_mean(weights**power, mask)
    return torch.where(mean > 0, mean, torch.ones_like(mean))


# --- temper: (weights, mean of weights ** power) -> weights of the two spaces ------------------------------------------


def same_in_both(weights: Tensor, mean: Callable[[float], Number]) -> tuple[Tensor, Tensor]:
    """The same normalised weights in inverse-depth and in log-depth space."""
    normalised = weights / mean(1.0)
    return normalised, normalised


# --- residual: (r [.., P], zero where invalid, mask) -> r [.., P] ------------------------------------------------------


def plain_residual(residual: Tensor, mask: Tensor) -> Tensor:
    """The residual as it is."""
    return residual


# --- moments: (r, u, mask) -> (values, their weights in the mean) ------------------------------------------------------


def weighted_residuals(residual: Tensor, weights: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Plain mean and variance of the products r*u."""
    return residual * weights, mask


# --- squash: SSI [..] -> SSI [..] --------------------------------------------------------------------------------------


def unsquashed(ssi: Tensor) -> Tensor:
    """SSI as it is."""
    return ssi


# --- gain: what SILog's square root is multiplied by -------------------------------------------------------------------


def silog_ratio_gain(*, silog_ratio: Number) -> Number:
    """The reviewed code base's factor 10."""
    return silog_ratio


# --- partition: which pixels get a separate loss, and how the losses are combined ---------------------------------------


def all_pixels(mask: Tensor, weights: Tensor, depth: Tensor, threshold: Number) -> list[tuple[Tensor, Tensor]]:
    """One loss over all valid pixels."""
    return [(mask, weights)]


def only_part(losses: Tensor, counts: Tensor) -> Tensor:
    """The loss of the only part."""
    return losses[0]


# --- training and recording: read by the runner, ignored by the loss --------------------------------------------


def usual_momentum(*, bn_momentum: float) -> float:
    """PyTorch's default BatchNorm momentum."""
    return bn_momentum


def no_record() -> None:
    """Record no more than every run does."""


#: Every slot, in the order in which the loss applies them, with the baseline's choice.
BASELINE: dict[str, Choice] = {
    "threshold": Choice("fixed", fixed_threshold),
    "weigh": Choice("hard boundary", hard_boundary),
    "pyramid": Choice("own depth", own_depth),
    "normalise": Choice("batch mean", batch_mean, mean_of_weights),
    "temper": Choice("same in both spaces", same_in_both, divided_in_both),
    "residual": Choice("plain", plain_residual, unchanged),
    "moments": Choice("of weighted residuals", weighted_residuals, of_weighted_residuals),
    "squash": Choice("none", unsquashed),
    "gain": Choice("silog_ratio", silog_ratio_gain),
    "partition": Choice("all pixels", Partition(1, all_pixels, only_part, exhaustive=True)),
    "guard": Choice("none", Guard()),
    "bn_momentum": Choice("usual", usual_momentum),
    "split_metrics": Choice("none", no_record),
    "normalised_metric": Choice("none", no_record),
}
SLOTS = tuple(BASELINE)
RECORDING_SLOTS = ("split_metrics", "normalised_metric")
TRAINING_SLOTS = ("bn_momentum",)
