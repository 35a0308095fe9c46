"""The space of a search: a fix or none for each issue, the numbers that the sampled fixes use, a learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from nfloss import ClashError, Configuration
from nfloss.configuration import make_numbers
from nfloss.numbers import Numbers
from runner.execution import record_key
from runner.experiment import Search, compatible

NONE = "none"
RATE = "learning_rate"
DATASET_MEAN = "dataset_weight_mean"
RATE_LEVELS = 5
DIGITS = 3  # significant digits of a sampled number


class Suggester(Protocol):
    """Proposes values: an Optuna trial, or `RandomSuggester`."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...


@dataclass(frozen=True)
class Point:
    """One cell of a search. `numbers`: those that it uses and that differ from the baseline's, learning rate included."""

    fixes: tuple[str, ...]
    numbers: Mapping[str, float]
    configuration: Configuration  # simplified

    @property
    def rate(self) -> float | None:
        """Its learning rate; None where that is the experiment's."""
        return self.numbers.get(RATE)

    @property
    def key(self) -> str:
        return record_key(self.configuration, self.rate)


@dataclass(frozen=True)
class Space:
    """What a search may vary. `shared`: loss numbers of every cell; `mean_weight`: computes what fix 1-3 divides by."""

    levels: Mapping[int, tuple[str, ...]]
    numbers: Mapping[str, tuple[float, float]]
    rates: tuple[float, ...]
    rate: float
    shared: Mapping[str, float]
    mean_weight: Callable[[Numbers], float] | None = None

    @classmethod
    def of(
        cls, search: Search, loss: Mapping[str, float], rate: float, mean_weight: Callable[[Numbers], float] | None = None
    ) -> Space:
        numbers = {name: (low, high) for name, (low, high) in search.numbers.items()}
        return cls(search.levels, numbers, rate_levels(search.learning_rate, rate), rate, dict(loss), mean_weight)

    @property
    def combinations(self) -> int:
        """The number of combinations of a fix or none for each issue, those that clash included."""
        return math.prod(len(ids) + 1 for ids in self.levels.values())

    @cached_property
    def baseline_numbers(self) -> Numbers:
        return make_numbers(self.shared)

    def suggest(self, trial: Suggester) -> Point:
        """A cell of values that `trial` suggests; a number is suggested only where the sampled fixes use it."""
        chosen = [trial.suggest_categorical(issue_name(n), [NONE, *ids]) for n, ids in self.levels.items()]
        fixes = tuple(fix for fix in chosen if fix != NONE)
        used = Configuration.of(*fixes, **self.shared).simplified().used_numbers
        numbers = {n: round_digits(trial.suggest_float(n, *self.numbers[n])) for n in self.numbers if n in used}
        if self.rates:
            rate = trial.suggest_float(RATE, self.rates[0], self.rates[-1], log=True)
            numbers[RATE] = min(self.rates, key=lambda level: abs(math.log(level / rate)))
        return self.point(fixes, numbers)

    def point(self, fixes: tuple[str, ...], numbers: Mapping[str, float]) -> Point:
        """The cell with these fixes and numbers. Raises ClashError: two of the fixes fill one slot with different choices."""
        own = {name: value for name, value in numbers.items() if name != RATE}
        configuration = Configuration.of(*fixes, **{**self.shared, **own})
        needs_mean = DATASET_MEAN in configuration.used_numbers and DATASET_MEAN not in {**self.shared, **own}
        if needs_mean and self.mean_weight is not None:
            mean = self.mean_weight(configuration.numbers)
            configuration = Configuration.of(*fixes, **{**self.shared, **own, DATASET_MEAN: mean})
        simplified = configuration.simplified()
        used = simplified.used_numbers
        varied = {n: value for n, value in own.items() if n in used and value != getattr(self.baseline_numbers, n)}
        if numbers.get(RATE, self.rate) != self.rate:
            varied[RATE] = numbers[RATE]
        return Point(configuration.fixes, varied, simplified)

    def parameters(self, fixes: Sequence[str], numbers: Mapping[str, float]) -> dict[str, Any] | None:
        """The parameters of a trial with these fixes and numbers; None where the space does not contain them."""
        chosen = {n: [fix for fix in fixes if fix in ids] for n, ids in self.levels.items()}
        known = {*self.numbers, *([RATE] if self.rates else [])}
        if sum(map(len, chosen.values())) < len(fixes) or any(len(f) > 1 for f in chosen.values()) or {*numbers} - known:
            return None
        used = Configuration.of(*fixes, **self.shared).simplified().used_numbers
        found: dict[str, Any] = {issue_name(n): fix[0] if fix else NONE for n, fix in chosen.items()}
        found |= {name: numbers.get(name, getattr(self.baseline_numbers, name)) for name in self.numbers if name in used}
        if self.rates:
            found[RATE] = numbers.get(RATE, self.rate)
        inside = all(low <= found.get(name, low) <= high for name, (low, high) in self.numbers.items())
        return found if inside and (not self.rates or found[RATE] in self.rates) else None

    def draw(self, rng: np.random.Generator, near: Mapping[str, Any], changed: int) -> tuple[dict[str, Any], Point] | None:
        """Random parameters that differ from `near` in at most `changed` values, and their cell; None where the fixes clash."""
        names = [*map(issue_name, self.levels), *self.numbers, *([RATE] if self.rates else [])]
        redrawn = set(rng.choice(names, min(changed, len(names)), replace=False).tolist())
        drawn = RandomSuggester(rng, {name: value for name, value in near.items() if name not in redrawn}, {})
        try:
            return drawn.values, self.suggest(drawn)
        except ClashError:
            return None

    def without_clashes(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters, where each fix that clashes with those of earlier issues is replaced by none."""
        repaired = {name: value for name, value in parameters.items() if name not in set(map(issue_name, self.levels))}
        fixes: tuple[str, ...] = ()
        for name in map(issue_name, self.levels):
            if name in parameters:
                fix = parameters[name]
                repaired[name] = fix if fix == NONE or compatible((*fixes, fix)) else NONE
                fixes += (repaired[name],) if repaired[name] != NONE else ()
        return repaired


@dataclass(frozen=True)
class RandomSuggester:
    """Suggests the values that are `given`, and random ones for the others; stores all of them in `values`."""

    rng: np.random.Generator
    given: Mapping[str, Any]
    values: dict[str, Any]

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        drawn = choices[int(self.rng.integers(len(choices)))]
        return self.values.setdefault(name, self.given.get(name, drawn))

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        share = self.rng.random()
        value = low * (high / low) ** share if log else low + (high - low) * share
        return float(self.values.setdefault(name, self.given.get(name, value)))


def issue_name(number: int) -> str:
    return f"issue {number}"


def round_digits(value: float) -> float:
    """The value to three significant digits, so that it is easy to read.

    >>> round_digits(4.56789)
    4.57
    """
    return float(f"{value:.{DIGITS}g}")


def rate_levels(limits: Sequence[float] | None, rate: float) -> tuple[float, ...]:
    """A few log-spaced learning rates, so that cells of one rate can be trained together; the nearest to `rate` is `rate`."""
    if limits is None:
        return ()
    low, high = limits
    levels = [round_digits(low * (high / low) ** (step / (RATE_LEVELS - 1))) for step in range(RATE_LEVELS)]
    place = min(range(RATE_LEVELS), key=lambda i: abs(math.log(levels[i] / rate)))
    return tuple(sorted({rate if i == place else level for i, level in enumerate(levels)}))
