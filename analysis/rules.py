"""The rules that turn intervals into words. Gains are natural logs of error ratios, positive is better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from analysis.effects import Effect
from analysis.study import seeds_in_words

ALPHA = 0.05
TWO_PERCENT = math.log(1.02)  # non-inferiority margin, and half width of "no effect"
FIVE_PERCENT = -math.log(0.95)  # the near gain that the document promises

EQUIVALENT = "equivalent"
CONFIRMED = "confirmed"
WORSE = "refuted, worse"
SMALLER = "refuted, smaller than promised"
IMPROVES = "inconclusive, improves"
INCONCLUSIVE = "inconclusive"
VOID = "void"

ADOPT, TRADE, NO_EFFECT, HARMFUL, UNDECIDED = "adopt", "trade", "no effect", "harmful", "undecided"
PROVED = "proved: the same training as the baseline"
NOT_RUN = "not in this study"
WORDS = (ADOPT, TRADE, NO_EFFECT, HARMFUL, UNDECIDED)


def alone(judged: dict[str, Any]) -> list[dict[str, Any]]:
    """The fixes that were trained alone, and so have a verdict of their own; a search may have none."""
    return [fix for fix in judged["fixes"] if fix["key"]]


def distinct(judged: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of them that are no other's training, nor the baseline's."""
    return [fix for fix in alone(judged) if not fix["same_as"]]


def verdict(effect: Effect, margin: float, band: float) -> str:
    """What a promised gain of at least `margin` comes to, decided in this order.

    1. 90 % interval inside +-`band`: equivalent (it does nothing of note)
    2. lower end >= margin: confirmed
    3. upper end < 0: refuted, worse
    4. upper end < margin: refuted, smaller than promised
    5. else inconclusive, and whether it improves (lower end > 0)
    """
    if -band < effect.low90 and effect.high90 < band:
        return EQUIVALENT
    if effect.low >= margin:
        return CONFIRMED
    if effect.high < 0:
        return WORSE
    if effect.high < margin:
        return SMALLER
    return IMPROVES if effect.low > 0 else INCONCLUSIVE


def unless_void(word: str, condition_holds: bool) -> str:
    """A promise bought with a worse net is void; a refutation stands, since the worse net did not even help it."""
    return word if condition_holds or word in (WORSE, SMALLER) else VOID


def within_two_percent(effect: Effect) -> bool:
    """Equivalence: the 90 % interval (two one-sided tests at 5 %) lies inside +-2 %."""
    return effect.low90 > -TWO_PERCENT and effect.high90 < TWO_PERCENT


def not_worse(effect: Effect) -> bool:
    """Non-inferiority by 2 %: the lower end of the 90 % interval (one-sided 5 %) lies above -2 %."""
    return effect.low90 > -TWO_PERCENT


@dataclass(frozen=True)
class Beyond:
    """Where a training lies against the curve that the near weight alone gives: its gain in near error over the curve at its
    own far error, the weight whose two errors are the nearest and the one with its far error, as words ("near weight 3.1"), and
    whether that far error lies within what the weights reach: outside, the curve's end stands for them, and a lower gain means
    nothing."""

    gain: Effect
    weight: str
    same_far: str = ""
    covered: bool = True

    def as_dict(self) -> dict[str, Any]:
        """For verdicts.json: the gain's entries beside the place on the curve."""
        return {
            **self.gain.as_dict(),
            "weight": self.weight,
            "same_far": self.same_far,
            "covered": self.covered,
            "words": self.words,
        }

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Beyond:
        """From what `as_dict` gave."""
        return cls(Effect.of(entry), entry["weight"], entry["same_far"], entry["covered"])

    def within(self, band: float) -> bool:
        """Equivalence: the 90 % interval lies inside +-band, so that the fix is that weight under another name."""
        return -band < self.gain.low90 and self.gain.high90 < band

    @property
    def on_curve(self) -> bool:
        """The same as a near weight: within 2 %; or within 5 %, the gain that the document promises, and no side shown."""
        sided = self.gain.low > 0 or self.inside
        return self.within(TWO_PERCENT) or (self.within(FIVE_PERCENT) and not sided)

    @property
    def beyond(self) -> bool:
        """Better than any near weight: shown at 95 %, and not under 2 %."""
        return self.gain.low > 0 and not self.on_curve

    @property
    def inside(self) -> bool:
        """A near weight with the same far error does better: shown at 95 %, and not under 2 %."""
        return self.covered and self.gain.high < 0 and not self.within(TWO_PERCENT)

    @property
    def words(self) -> str:
        """The position in words."""
        if self.on_curve:
            return f"the same as {self.weight} (within {2 if self.within(TWO_PERCENT) else 5} %)"
        if self.beyond:
            return f"beyond any near weight ({self.same_far} has its far error, and more near error)"
        if self.inside:
            return f"{self.same_far} has the same far error and less near error"
        if not self.covered:
            return f"further than the near weights that were run (nearest: {self.weight})"
        return f"not told apart from {self.weight}"


@dataclass(frozen=True)
class Evidence:
    """All that a recommendation looks at: final near and far gains and their p after Holm, the position against the near
    weight's curve (None where that was not run), divergence."""

    near: Effect
    far: Effect
    p_near: float
    p_far: float
    beyond: Beyond | None = None
    diverges_more: bool = False

    @property
    def near_better(self) -> bool:
        """The Holm-corrected interval of the near gain lies above zero."""
        return self.near.estimate > 0 and self.p_near <= ALPHA

    @property
    def near_worse(self) -> bool:
        """The Holm-corrected interval of the near gain lies below zero."""
        return self.near.estimate < 0 and self.p_near <= ALPHA

    @property
    def trades(self) -> str:
        """Which error is paid for which, where the intervals lie on either side of zero and one of them stays there after
        Holm; else empty."""
        if min(self.p_near, self.p_far) > ALPHA:
            return ""
        if self.near.low > 0 and self.far.high < 0:
            return "trades far for near"
        return "trades near for far" if self.near.high < 0 and self.far.low > 0 else ""


def recommend(seen: Evidence) -> tuple[str, str]:
    """The recommendation for one fix and its reason, decided in this order.

    1. significantly more divergence: harmful
    2. near and far both within 2 % (90 % intervals): no effect, even where a tiny difference is significant
    3. near worse after Holm: harmful where far is not better, or where a near weight with the same far error does better
    4. one error paid for the other: trade, with its position on the near weight's curve
    5. far worse by more than 2 % (95 % interval): harmful, unless a near gain shows before Holm (undecided)
    6. near better after Holm: adopt where far is non-inferior (2 %) and the gain lies beyond the near weight's curve
    7. far moved after Holm and the fix on the near weight's curve: trade
    8. near within 2 %: no effect where far is significantly better, else undecided
    9. else undecided
    """
    if seen.diverges_more:
        return HARMFUL, "diverges more often"
    if seen.near.low == seen.near.high == seen.far.low == seen.far.high == 0:
        return NO_EFFECT, "not a digit's difference at any seed"
    if within_two_percent(seen.near) and within_two_percent(seen.far):
        return NO_EFFECT, "under 2 % either way, near and far"
    if seen.near_worse and not seen.far.low > 0:
        return HARMFUL, "near error higher"
    if seen.near_worse and seen.beyond and seen.beyond.inside:
        return HARMFUL, f"near error higher; far error lower, but {seen.beyond.words}"
    if seen.trades:
        return TRADE, f"{seen.trades}: {seen.beyond.words if seen.beyond else 'near weights were not run'}"
    if seen.far.high < -TWO_PERCENT:
        gains = seen.near.low > 0
        return (
            (UNDECIDED, "far error higher, near lower, not after Holm")
            if gains
            else (HARMFUL, "far error higher, near no better")
        )
    if seen.near_better:
        return _near_better(seen)
    if seen.beyond and seen.beyond.on_curve and seen.p_far <= ALPHA:
        return TRADE, f"far error {'lower' if seen.far.estimate > 0 else 'higher'}: {seen.beyond.words}"
    if within_two_percent(seen.near):
        better = seen.far.low > 0
        return (NO_EFFECT, "near under 2 %; far error lower") if better else (UNDECIDED, "near under 2 %, far not settled")
    return UNDECIDED, _hint(seen.near)


def _near_better(seen: Evidence) -> tuple[str, str]:
    if not not_worse(seen.far):
        return UNDECIDED, "near error lower, far not settled"
    if seen.beyond is None:
        return ADOPT, "near error lower, far not worse"
    if seen.beyond.beyond:
        return ADOPT, "near error lower, far not worse, beyond what any near weight does"
    return (TRADE if seen.beyond.on_curve else UNDECIDED), f"near error lower, far not worse; {seen.beyond.words}"


def _hint(near: Effect) -> str:
    if near.low > 0:
        return "near lower, but not after Holm"
    if near.high < 0:
        return "near higher, but not after Holm"
    return "the interval allows both"


def for_issue(words: list[str]) -> str:
    """An issue's word from its fixes': adopt if one is; undecided if one may yet be; a trade if one is; harmful only if all
    are."""
    for word in (ADOPT, UNDECIDED, TRADE):
        if word in words:
            return word
    return UNDECIDED if not words else HARMFUL if set(words) == {HARMFUL} else NO_EFFECT


def reach(n: int, alpha: float) -> str:
    """Says so where n paired seeds cannot reach alpha at all without assuming a distribution; else empty."""
    least = 2.0 / 2.0**n
    if least <= alpha:
        return ""
    cannot = f"{seeds_in_words(n)} cannot reach {alpha:.3g} by sign flips alone (least p {least:.2g})"
    return f"{cannot}; the t interval assumes normal gains"
