"""The rules that turn intervals into words. Gains are natural logs of error ratios, positive is better."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.effects import Effect

ALPHA = 0.05
TWO_PERCENT = math.log(1.02)  # non-inferiority margin, and half width of "no effect"

EQUIVALENT = "equivalent"
CONFIRMED = "confirmed"
WORSE = "refuted, worse"
SMALLER = "refuted, smaller than promised"
IMPROVES = "inconclusive, improves"
INCONCLUSIVE = "inconclusive"
VOID = "void"

ADOPT, NO_EFFECT, HARMFUL, UNDECIDED = "adopt", "no effect", "harmful", "undecided"
PROVED = "proved: the same training as the baseline"
TRADES = "trades far for near"
WORDS = (ADOPT, NO_EFFECT, HARMFUL, UNDECIDED)


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
class Evidence:
    """All that a recommendation looks at: final near and far gains, the near gain's p after Holm, divergence."""

    near: Effect
    far: Effect
    p_holm: float
    diverges_more: bool = False

    @property
    def near_better(self) -> bool:
        """The Holm-corrected interval of the near gain lies above zero."""
        return self.near.estimate > 0 and self.p_holm <= ALPHA

    @property
    def near_worse(self) -> bool:
        """The Holm-corrected interval of the near gain lies below zero."""
        return self.near.estimate < 0 and self.p_holm <= ALPHA


def recommend(seen: Evidence) -> tuple[str, str]:
    """The recommendation for one fix and its reason, decided in this order.

    1. significantly more divergence: harmful
    2. near and far both within 2 % (90 % intervals): no effect, even where a tiny difference is significant
    3. near better after Holm: adopt where far is non-inferior (2 %); undecided, "trades far for near", where far is
       significantly worse; undecided where far is not settled
    4. near worse after Holm: harmful
    5. far worse by more than 2 % (95 % interval): harmful, unless a near gain shows before Holm (undecided, a trade)
    6. near within 2 %: no effect where far is significantly better, else undecided
    7. else undecided
    """
    if seen.diverges_more:
        return HARMFUL, "diverges more often"
    if seen.near.low == seen.near.high == seen.far.low == seen.far.high == 0:
        return NO_EFFECT, "not a digit's difference at any seed"
    if within_two_percent(seen.near) and within_two_percent(seen.far):
        return NO_EFFECT, "under 2 % either way, near and far"
    if seen.near_better:
        return _near_better(seen.far)
    if seen.near_worse:
        better = " (far lower: it trades near for far)" if seen.far.low > 0 else ""
        return HARMFUL, f"near error higher{better}"
    if seen.far.high < -TWO_PERCENT:
        trade = seen.near.low > 0
        return (UNDECIDED, f"{TRADES}, near not after Holm") if trade else (HARMFUL, "far error higher, near no better")
    if within_two_percent(seen.near):
        return (
            (NO_EFFECT, "near under 2 %; far error lower")
            if seen.far.low > 0
            else (UNDECIDED, "near under 2 %, far not settled")
        )
    return UNDECIDED, _hint(seen.near)


def _near_better(far: Effect) -> tuple[str, str]:
    if not_worse(far):
        return ADOPT, "near error lower, far not worse"
    return UNDECIDED, TRADES if far.high < 0 else "near error lower, far not settled"


def _hint(near: Effect) -> str:
    if near.low > 0:
        return "near lower, but not after Holm"
    if near.high < 0:
        return "near higher, but not after Holm"
    return "the interval allows both"


def for_issue(words: list[str]) -> str:
    """An issue's word from its fixes': adopt if one is; undecided if one may yet be; harmful only if all are."""
    if ADOPT in words:
        return ADOPT
    if UNDECIDED in words or not words:
        return UNDECIDED
    return HARMFUL if set(words) == {HARMFUL} else NO_EFFECT


def reach(n: int, alpha: float) -> str:
    """Says so where n paired seeds cannot reach alpha at all without assuming a distribution; else empty."""
    least = 2.0 / 2.0**n
    if least <= alpha:
        return ""
    return f"{n} seeds cannot reach {alpha:.3g} by sign flips alone (least p {least:.2g}); the t interval assumes normal gains"
