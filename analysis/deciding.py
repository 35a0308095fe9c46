"""The rule that gives a fix its word, the error rates that it may spend, and its place beside the near weight curve.

Two kinds of statement are made of a gain. A *side*, that it differs from zero: two-sided, 5 % shared by all distinct fixes that
the plan trains, so that a word does not depend on how the others came out. A *bound*, that it is no worse (or no better) than
5 %: one-sided, 5 %. Where a study looks at its results several times, both are spent over the looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from analysis.effects import Effect, effect, mcnemar, t_interval
from analysis.rules import ADOPT, ALPHA, HARMFUL, NO_EFFECT, OPEN, TRADE, TWO_PERCENT

MARGIN = math.log(1.05)  # a change of an error that is not of note
MOST_SEEDS = 200  # a forecast looks no further


class Levels(NamedTuple):
    """Confidence of the two-sided intervals that tell a side, and of the one-sided bounds."""

    side: float = 1 - ALPHA
    bound: float = 1 - ALPHA


@dataclass(frozen=True)
class Spending:
    """At which numbers of seeds a study looks at its results, in rising order and fixed before training; at the last look all
    is spent. A fixed number of seeds is one look.

    Up to n of N seeds ln(1 + (e - 1) n / N) of the error rates is spent (Lan and DeMets 1983). A look has what it adds to the
    look before (Bonferroni), so that nothing need be known about how the looks depend on each other.
    """

    looks: tuple[int, ...]

    def share(self, seeds: int) -> float:
        """The share of the error rates that the look at so many seeds spends."""
        at = self.looks.index(seeds)
        before = self.looks[at - 1] if at else 0
        return math.log1p((math.e - 1) * seeds / self.looks[-1]) - math.log1p((math.e - 1) * before / self.looks[-1])

    def levels(self, seeds: int, fixes: int) -> Levels:
        """The levels of the look at so many seeds, for each of so many distinct fixes."""
        spent = ALPHA * self.share(seeds)
        return Levels(1 - spent / max(fixes, 1), 1 - spent)


def better(gain: Effect) -> bool:
    return gain.low > 0


def worse(gain: Effect) -> bool:
    return gain.high < 0


def not_worse(gain: Effect) -> bool:
    """Not worse by 5 %."""
    return gain.at_least > -MARGIN


def not_better(gain: Effect) -> bool:
    """Not better by 5 %."""
    return gain.at_most < MARGIN


def within(gain: Effect) -> bool:
    """Within 5 % either way."""
    return not_worse(gain) & not_better(gain)


@dataclass(frozen=True)
class Beyond:
    """Position of a configuration relative to the near weight curve.

    Attributes:
        gain: its gain in near error over the curve at the same far error.
        weight: the near weight with the nearest two errors, as text: "near weight 3.1".
        same_far: the near weight with the same far error, likewise.
        covered: whether the weights that were run reach that far error. If not, the end is compared, and nothing follows.
        covered_without: the same without each seed.
    """

    gain: Effect
    weight: str
    same_far: str = ""
    covered: bool = True
    covered_without: tuple[bool, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For verdicts.json: the entries of the gain, and the position."""
        position = {"weight": self.weight, "same_far": self.same_far, "words": self.text, "beyond": self.shown}
        return {**self.gain.as_dict(), **position, "covered": self.covered, "covered_without": list(self.covered_without)}

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Beyond:
        """The inverse of `as_dict`."""
        covered = entry["covered"], tuple(entry["covered_without"])
        return cls(Effect.of(entry), entry["weight"], entry["same_far"], *covered)

    @property
    def shown(self) -> bool:
        """Better than any near weight."""
        return self.covered & better(self.gain)

    @property
    def dominated(self) -> bool:
        """Worse by over 2 % than the near weight with the same far error."""
        return self.covered & (self.gain.high < -TWO_PERCENT)

    @property
    def as_weight(self) -> bool:
        """Not worse by 5 % than the near weight with the same far error; unknown, and so granted, where there is none."""
        return self.covered <= not_worse(self.gain)  # of truth values: implies

    @property
    def text(self) -> str:
        if not self.covered:
            return f"outside the near weights that were run (nearest: {self.weight})"
        if self.shown:
            return f"beyond any near weight ({self.same_far} has its far error, and more near error)"
        if self.dominated:
            return f"dominated by {self.same_far} (the same far error, less near error)"
        if within(self.gain):
            return f"as {self.weight} (within 5 %)"
        return f"as {self.weight} (not worse by 5 %)" if self.as_weight else f"not told from {self.weight}"


@dataclass(frozen=True)
class Evidence:
    """What the word on a fix depends on: final near and far gains, its place beside the near weight curve (None: not run), and
    by seed, whether it alone (1) or the baseline alone (-1) diverged."""

    near: Effect
    far: Effect
    beyond: Beyond | None = None
    lost: tuple[int, ...] = ()

    @classmethod
    def of(cls, entry: dict[str, Any], levels: Levels | None = None) -> Evidence:
        """From the gains in verdicts.json; with `levels` at these instead of their own."""
        curve = entry["beyond_near_weight_curve"]
        gains = Effect.of(entry["near"]), Effect.of(entry["far"])
        own = cls(*gains, Beyond.of(curve) if curve else None, tuple(entry["divergence"]["lost"]))
        return own if levels is None else own._changed(lambda gain: effect(gain.values, *levels))

    def without(self, seed: int) -> Evidence:
        """Without the seed at this place, at the same levels."""

        def rest(values: Sequence[Any]) -> tuple[Any, ...]:
            return (*values[:seed], *values[seed + 1 :])

        less = self._changed(lambda gain: effect(rest(gain.values), gain.level, gain.bound))
        curve = less.beyond and replace(less.beyond, covered=less.beyond.covered_without[seed])
        return replace(less, beyond=curve, lost=rest(self.lost))

    def with_seeds(self, seeds: int) -> Evidence:
        """As if so many seeds had given the same means and spreads."""
        return self._changed(lambda gain: _with_seeds(gain, seeds))

    def _changed(self, change: Any) -> Evidence:
        curve = self.beyond and replace(self.beyond, gain=change(self.beyond.gain))
        return replace(self, near=change(self.near), far=change(self.far), beyond=curve)

    @property
    def diverges_more(self) -> bool:
        """Whether it diverges more often: exact test at the level of a side."""
        return sum(self.lost) > 0 and mcnemar(self.lost) <= 1 - self.near.level

    @property
    def no_effect(self) -> bool:
        return within(self.near) & within(self.far)

    @property
    def gains(self) -> bool:
        """One error better, the other not worse by 5 %."""
        return (better(self.near) & not_worse(self.far)) | (better(self.far) & not_worse(self.near))

    @property
    def trades(self) -> bool:
        """One error better, the other worse."""
        return (better(self.near) & worse(self.far)) | (worse(self.near) & better(self.far))

    @property
    def adopt(self) -> bool:
        return self.gains & (self.beyond is None or self.beyond.shown)

    @property
    def harmful(self) -> bool:
        dominated = worse(self.near) & (self.beyond is not None and self.beyond.dominated)
        return (worse(self.near) & not_better(self.far)) | (worse(self.far) & not_better(self.near)) | dominated

    @property
    def trade(self) -> bool:
        return self.trades & (self.beyond is None or self.beyond.as_weight)

    @property
    def position(self) -> str:
        """Its place beside the near weight curve as text."""
        return self.beyond.text if self.beyond else "near weights were not run"


def word(evidence: Evidence) -> tuple[str, str]:
    """The word on one fix and its reason; the first rule that applies counts. Side: shown to differ from zero.

    0. it diverges more often: harmful
    1. no effect: near and far error within 5 %
    2. adopt: beyond the near weight curve; one error better (side), the other not worse by 5 %
    3. harmful: one error worse (side), the other not better by 5 %; or near worse, and worse than a near weight by over 2 %
    4. trade: one error better and one worse (sides), not worse by 5 % than the near weight with the same far error
    5. else open

    Where near weights were not run, 2 and 4 do without the curve, and say so.
    """
    if evidence.diverges_more:
        return HARMFUL, "diverges more often"
    near, far = evidence.near, evidence.far
    if evidence.no_effect:
        equal = near.low == near.high == far.low == far.high == 0
        return NO_EFFECT, "exactly the same errors at every seed" if equal else "near and far error within 5 %"
    both = f"near error {_state(near)}, far error {_state(far)}"
    if evidence.adopt:
        return ADOPT, f"{both}; {evidence.position}"
    if evidence.harmful:
        alone = (worse(near) and not_better(far)) or (worse(far) and not_better(near))
        return HARMFUL, both if alone else f"{both}; {evidence.position}"
    if evidence.trade:
        return TRADE, f"{both}; {evidence.position}"
    return OPEN, f"{both}; {evidence.position}" if evidence.beyond and (evidence.gains or evidence.trades) else both


def _state(gain: Effect) -> str:
    """What is known of an error, from its gain."""
    if better(gain) or worse(gain):
        small = "under 5 % " * (not_better(gain) if better(gain) else not_worse(gain))
        return small + ("lower" if better(gain) else "higher")
    if within(gain):
        return "within 5 %"
    return "not 5 % higher" if not_worse(gain) else "not 5 % lower" if not_better(gain) else "open"


def support(evidence: Evidence) -> dict[str, int]:
    """In how many of the repeats without one seed the word stays. The levels stay too: fewer seeds are not another plan."""
    said, n = word(evidence)[0], evidence.near.n
    return {"holds": sum(word(evidence.without(seed))[0] == said for seed in range(n)) if n > 1 else 0, "of": n}


def forecast(evidence: Evidence) -> tuple[int, str] | None:
    """The least number of seeds that would decide if means and spreads stayed as they are, and the word; None if over 200 or
    unknown."""
    for seeds in range(evidence.near.n + 1, MOST_SEEDS + 1):
        if (said := word(evidence.with_seeds(seeds))[0]) != OPEN:
            return seeds, said
    return None


def settling(fix: dict[str, Any]) -> str:
    """What would settle an open fix, from its entry in verdicts.json, as text.

    >>> settling({"settles": {"seeds": 11, "word": "trade"}})
    'if the estimates stay, 11 seeds would say trade'
    """
    found = fix["settles"]
    seeds = f"{found['seeds']} seeds would say {found['word']}" if found else f"{MOST_SEEDS} seeds would not tell"
    return f"if the estimates stay, {seeds}"


def _with_seeds(gain: Effect, seeds: int) -> Effect:
    low, high = gain.low, gain.high
    if gain.n < 2 or not math.isfinite(gain.estimate) or low == high:
        return replace(gain, n=seeds)
    mean = math.fsum(gain.values) / gain.n
    spread = math.sqrt(math.fsum((x - mean) ** 2 for x in gain.values) / (gain.n - 1))
    ends = t_interval(gain.estimate, spread / math.sqrt(seeds), seeds, gain.level, gain.bound)
    return replace(gain, n=seeds, low=ends[0], high=ends[1], at_least=ends[2], at_most=ends[3])
