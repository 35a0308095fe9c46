"""A configuration: one choice per slot. How fixes combine, when they clash, and which configurations train the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any

from nfloss.extensions import Source, sources_of
from nfloss.numbers import CORE_NUMBERS, NUMBER_NAMES, Numbers
from nfloss.registry import Fix, find_fix, registered
from nfloss.slots import BASELINE, RECORDING_SLOTS, SLOTS, TRAINING_SLOTS, Choice

Choices = Mapping[str, Choice]
DEFAULTS = Numbers()


class ClashError(ValueError):
    """Two fixes fill the same slot with different choices."""


@dataclass(frozen=True, eq=False)
class Configuration:
    """One choice per slot, and the numbers. Equal when the choices and the numbers that they use are equal.

    loss: another loss that is trained in place of what the choices compute (`nfloss.other_losses`); it uses none of the numbers
    """

    choices: Choices
    numbers: Numbers = DEFAULTS
    fixes: tuple[str, ...] = ()
    loss: Choice | None = None

    @classmethod
    def of(cls, *fixes: str, **numbers: float) -> Configuration:
        """What the fixes (ids or names) fill together; the baseline's choices elsewhere.

        >>> Configuration.of("1-1") == Configuration.of("10-1")
        True

        Raises:
            ClashError: two fixes put different choices into one slot; the message names both.
            ValueError: a fix or number is unknown, or a number is out of range.
        """
        return cls.of_fixes([find_fix(fix) for fix in fixes], make_numbers(numbers))

    @classmethod
    def of_fixes(cls, fixes: list[Fix], numbers: Numbers = DEFAULTS) -> Configuration:
        choices, filled = dict(BASELINE), dict[str, Fix]()
        for fix in fixes:
            for slot, choice in fix.fills.items():
                if slot in filled and choices[slot] != choice:
                    raise ClashError(clash_message(filled[slot], fix, slot))
                choices[slot], filled[slot] = choice, fix
        ids = {fix.id for fix in fixes}
        return cls(MappingProxyType(choices), numbers, tuple(fix.id for fix in registered() if fix.id in ids))

    @classmethod
    def of_loss(cls, loss: Choice, **numbers: float) -> Configuration:
        """Another loss in place of the near-field one; its name stands where those of fixes do.

        Raises ValueError: a number is unknown or out of range."""
        return cls(MappingProxyType(dict(BASELINE)), make_numbers(numbers), (loss.name,), loss)

    @cached_property
    def used_numbers(self) -> dict[str, float]:
        """The numbers that the choices and the loss itself use; the others have no effect."""
        if self.loss:
            return {}
        return {name: float(getattr(self.numbers, name)) for name in used_number_names(tuple(self.choices.values()))}

    @cached_property
    def _identity(self) -> tuple[Choice | None, tuple[Choice, ...], tuple[tuple[str, float], ...]]:
        return self.loss, tuple(self.choices[slot] for slot in SLOTS), tuple(self.used_numbers.items())

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only view cannot be pickled. Sources come first: unpickling a choice looks its function up in its module.
        sources = sources_of([*self.choices.values(), *filter(None, [self.loss])])
        return unpickled, (sources, dict(self.choices), self.numbers, self.fixes, self.loss)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Configuration) and self._identity == other._identity

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self._identity)

    @property
    def name(self) -> str:
        """`baseline`, or the fix ids with + between them."""
        return "+".join(self.fixes) or "baseline"

    @cached_property
    def key(self) -> str:
        """A hash of the choices' names and the used numbers, the same in every process: 12 hexadecimal digits."""
        choices = {"loss": self.loss.name} if self.loss else {slot: self.choices[slot].name for slot in SLOTS}
        text = json.dumps([choices, self.used_numbers], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def simplified(self) -> Configuration:
        """The simplest configuration that trains the same network, by `RULES`; it keeps `fixes` as a label.

        Two configurations that simplify to the same one are trained once. Valid where each scale's ground truth is
        resized by nearest neighbour, as in `Losses`.
        """
        return replace(self, choices=self._simplification[0])

    def trained(self) -> Configuration:
        """The configuration with PyTorch's BatchNorm momentum. Both train to the same parameters, bit for bit: momentum only
        changes the running statistics, which only evaluation uses.
        """
        usual = replace(self.numbers, bn_momentum=DEFAULTS.bn_momentum, slow_bn_momentum=DEFAULTS.slow_bn_momentum)
        return replace(self, choices=MappingProxyType({**self.choices, **back_to_baseline(*TRAINING_SLOTS)}), numbers=usual)

    def simplifying_rules(self) -> tuple[str, ...]:
        """The docstrings of the rules that changed something: why `simplified()` differs from this configuration."""
        return self._simplification[1]

    @cached_property
    def _simplification(self) -> tuple[Choices, tuple[str, ...]]:
        choices, reasons = dict(self.choices), []
        for rule in RULES:
            changed = rule(choices, self.numbers)
            if any(choices[slot] != choice for slot, choice in changed.items()):
                reasons.append((rule.__doc__ or rule.__name__).strip())
                choices.update(changed)
        return MappingProxyType(choices), tuple(reasons)


def unpickled(
    sources: tuple[Source, ...], choices: dict[str, Choice], numbers: Numbers, fixes: tuple[str, ...], loss: Choice | None
) -> Configuration:
    """Build a configuration from its pickle; unpickling `sources` has loaded the modules of its choices."""
    return Configuration(MappingProxyType(choices), numbers, fixes, loss)


@lru_cache(maxsize=65536)
def used_number_names(choices: tuple[Choice, ...]) -> tuple[str, ...]:
    """The numbers that these choices and the loss itself use, in the order of `Numbers`."""
    names = {*CORE_NUMBERS, *(name for choice in choices for name in choice.numbers)}
    return tuple(name for name in NUMBER_NAMES if name in names)


def make_numbers(numbers: Mapping[str, float]) -> Numbers:
    """`Numbers` with these values. Raises ValueError for an unknown name; the message lists the known ones."""
    if not numbers:
        return DEFAULTS
    unknown = [name for name in numbers if name not in NUMBER_NAMES]
    if unknown:
        raise ValueError(f"unknown number {unknown[0]!r}; the numbers are {', '.join(NUMBER_NAMES)}")
    return Numbers(**numbers)


def clash_message(first: Fix, second: Fix, slot: str) -> str:
    return (
        f"fixes {first.id} and {second.id} clash: {first.id} fills {slot!r} with {first.fills[slot].name!r}, "
        f"{second.id} with {second.fills[slot].name!r}; keep one of them"
    )


# --- Simplification: each rule returns the choices it replaces. tests/nfloss/test_simplification.py tests each. ---------


def recording_trains_nothing(choices: Choices, numbers: Numbers) -> Choices:
    """Issue 7 only records."""
    return back_to_baseline(*RECORDING_SLOTS)


def clamped_scalars_are_free(choices: Choices, numbers: Numbers) -> Choices:
    """The gradient of a term is its own weight: a clamp to [-1, 1] has no effect while the weight lies inside."""
    idle = choices["guard"].name == "hook clamp"
    weights_inside = abs(numbers.ssi_weight) <= 1 and abs(numbers.silog_weight) <= 1 and 0 <= numbers.near_part <= 1
    return back_to_baseline("guard") if idle and weights_inside else {}


def pointwise_weights_commute_with_sampling(choices: Choices, numbers: Numbers) -> Choices:
    """Nearest-neighbour resizing selects pixels; weights computed before or after it are the same."""
    return back_to_baseline("pyramid") if choices["pyramid"].name == "shared depth" else {}


def parts_have_constant_weights(choices: Choices, numbers: Numbers) -> Choices:
    """A split loss gives each part a constant weight, so the weight function is not used."""
    return back_to_baseline("weigh") if is_split(choices) else {}


def constants_cancel_in_weighted_moments(choices: Choices, numbers: Numbers) -> Choices:
    """Weighted moments divide by the sum of the weights: any constant factor cancels."""
    if choices["moments"].name == "weighted" and choices["temper"].name in ("same in both spaces", "raw weights"):
        return back_to_baseline("normalise", "temper")
    return {}


def raw_weights_need_no_mean(choices: Choices, numbers: Numbers) -> Choices:
    """Where the raw weights are used, their mean is not."""
    return back_to_baseline("normalise") if choices["temper"].name == "raw weights" else {}


def constant_weights_cancel(choices: Choices, numbers: Numbers) -> Choices:
    """In a split loss a constant weight is 1 after batch-mean normalisation, and cancels in weighted moments."""
    if not is_split(choices) or choices["temper"].name not in ("same in both spaces", "per space", "raw weights"):
        return {}
    if choices["moments"].name == "weighted":
        return back_to_baseline("normalise", "temper", "moments")
    one_after_mean = choices["normalise"].name == "batch mean" and choices["temper"].name == "per space"
    return back_to_baseline("temper") if one_after_mean else {}


def is_split(choices: Choices) -> bool:
    return choices["partition"].name == "near and far"


def back_to_baseline(*slots: str) -> dict[str, Choice]:
    return {slot: BASELINE[slot] for slot in slots}


RULES: tuple[Callable[[Choices, Numbers], Choices], ...] = (
    recording_trains_nothing,
    clamped_scalars_are_free,
    pointwise_weights_commute_with_sampling,
    parts_have_constant_weights,
    constants_cancel_in_weighted_moments,
    raw_weights_need_no_mean,
    constant_weights_cancel,
)

#: The slots that change the value of the loss or its gradient.
LOSS_SLOTS = tuple(slot for slot in SLOTS if slot not in (*RECORDING_SLOTS, *TRAINING_SLOTS))
