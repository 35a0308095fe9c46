"""Rules that turn intervals into verdicts. Gains are natural logs of error ratios; positive is better."""

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
NOT_JUDGED = "not judged: training went on from a trained network"

ADOPT, TRADE, NO_EFFECT, HARMFUL, UNDECIDED = "adopt", "trade", "no effect", "harmful", "undecided"
PROVED = "proved: the same training as the baseline"
NOT_RUN = "not in this study"
VERDICTS = (ADOPT, TRADE, NO_EFFECT, HARMFUL, UNDECIDED)


def trained_alone(judged: dict[str, Any]) -> list[dict[str, Any]]:
    """The fixes that were trained alone, and so have a verdict; a search may have none."""
    return [fix for fix in judged["fixes"] if fix["key"]]


def distinct_fixes(judged: dict[str, Any]) -> list[dict[str, Any]]:
    """The fixes trained alone, without those that are the same training as another fix or the baseline."""
    return [fix for fix in trained_alone(judged) if not fix["same_as"]]


def promise_verdict(effect: Effect, margin: float, band: float) -> str:
    """Verdict on a promised gain of at least `margin`; the first rule that applies counts.

    1. 90 % interval inside +-`band`: equivalent (no effect of note)
    2. lower end >= margin: confirmed
    3. upper end < 0: refuted, worse
    4. upper end < margin: refuted, smaller than promised
    5. lower end > 0: inconclusive, improves; else inconclusive
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


def unless_void(verdict: str, condition_holds: bool) -> str:
    """The verdict, or void if the promise's condition does not hold: another error got worse. A refutation stands."""
    return verdict if condition_holds or verdict in (WORSE, SMALLER) else VOID


def within_two_percent(effect: Effect) -> bool:
    """Equivalence: the 90 % interval (two one-sided tests at 5 %) lies inside +-2 %."""
    return effect.low90 > -TWO_PERCENT and effect.high90 < TWO_PERCENT


def not_worse(effect: Effect) -> bool:
    """Non-inferiority by 2 %: the lower end of the 90 % interval (one-sided 5 %) lies above -2 %."""
    return effect.low90 > -TWO_PERCENT


@dataclass(frozen=True)
class Beyond:
    """Position of a configuration relative to the near weight curve.

    Attributes:
        gain: its gain in near error over the curve at the same far error.
        weight: the near weight with the nearest two errors, as text: "near weight 3.1".
        same_far: the near weight with the same far error, likewise.
        covered: whether the curve reaches that far error. If not, its end is compared, and a loss says nothing.
    """

    gain: Effect
    weight: str
    same_far: str = ""
    covered: bool = True

    def as_dict(self) -> dict[str, Any]:
        """For verdicts.json: the entries of the gain, and the position."""
        position = {"weight": self.weight, "same_far": self.same_far, "covered": self.covered, "words": self.text}
        return {**self.gain.as_dict(), **position}

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Beyond:
        """The inverse of `as_dict`."""
        return cls(Effect.of(entry), entry["weight"], entry["same_far"], entry["covered"])

    def within(self, band: float) -> bool:
        """Equivalence with a near weight: the 90 % interval lies inside +-band."""
        return -band < self.gain.low90 and self.gain.high90 < band

    @property
    def on_curve(self) -> bool:
        """The same as a near weight: within 2 %; or within 5 % (the promised gain) and not shown to be better or worse."""
        sided = self.gain.low > 0 or self.inside
        return self.within(TWO_PERCENT) or (self.within(FIVE_PERCENT) and not sided)

    @property
    def beyond(self) -> bool:
        """Better than any near weight: shown at 95 %, and not equivalent."""
        return self.gain.low > 0 and not self.on_curve

    @property
    def inside(self) -> bool:
        """Worse than the near weight with the same far error: shown at 95 %, and not within 2 %."""
        return self.covered and self.gain.high < 0 and not self.within(TWO_PERCENT)

    @property
    def text(self) -> str:
        """The position as text."""
        if self.on_curve:
            return f"the same as {self.weight} (within {2 if self.within(TWO_PERCENT) else 5} %)"
        if self.beyond:
            return f"beyond any near weight ({self.same_far} has its far error, and more near error)"
        if self.inside:
            return f"{self.same_far} has the same far error and less near error"
        if not self.covered:
            return f"further than the near weights that were run (nearest: {self.weight})"
        return f"not distinguishable from {self.weight}"


@dataclass(frozen=True)
class Evidence:
    """What a verdict on a fix depends on: final near and far gains, their p after Holm, the position relative to the near
    weight curve (None if that was not run), and whether it diverges significantly more."""

    near: Effect
    far: Effect
    p_near: float
    p_far: float
    beyond: Beyond | None = None
    diverges_more: bool = False

    @property
    def near_better(self) -> bool:
        """The near gain is above zero after Holm."""
        return self.near.estimate > 0 and self.p_near <= ALPHA

    @property
    def near_worse(self) -> bool:
        """The near gain is below zero after Holm."""
        return self.near.estimate < 0 and self.p_near <= ALPHA

    @property
    def trades(self) -> str:
        """Which error gets worse for which, if one interval lies above zero and the other below, one of them after Holm; else
        empty."""
        if min(self.p_near, self.p_far) > ALPHA:
            return ""
        if self.near.low > 0 and self.far.high < 0:
            return "trades far for near"
        return "trades near for far" if self.near.high < 0 and self.far.low > 0 else ""


def fix_verdict(evidence: Evidence) -> tuple[str, str]:
    """Verdict on one fix and its reason; the first rule that applies counts.

    1. significantly more divergence: harmful
    2. near and far both within 2 % (90 % intervals): no effect, even where a tiny difference is significant
    3. near worse after Holm: harmful where far is not better, or where a near weight with the same far error does better
    4. one error better and the other worse: trade, with its position relative to the near weight curve
    5. far worse by more than 2 % (95 % interval): harmful, or undecided if a near gain shows before Holm
    6. near better after Holm: adopt where far is non-inferior (2 %) and the gain lies beyond the near weight curve
    7. far changed after Holm and the fix lies on the near weight curve: trade
    8. near within 2 %: no effect where far is significantly better, else undecided
    9. else undecided
    """
    if evidence.diverges_more:
        return HARMFUL, "diverges more often"
    if evidence.near.low == evidence.near.high == evidence.far.low == evidence.far.high == 0:
        return NO_EFFECT, "exactly the same errors at every seed"
    if within_two_percent(evidence.near) and within_two_percent(evidence.far):
        return NO_EFFECT, "under 2 % either way, near and far"
    if evidence.near_worse and not evidence.far.low > 0:
        return HARMFUL, "near error higher"
    if evidence.near_worse and evidence.beyond and evidence.beyond.inside:
        return HARMFUL, f"near error higher; far error lower, but {evidence.beyond.text}"
    if evidence.trades:
        return TRADE, f"{evidence.trades}: {evidence.beyond.text if evidence.beyond else 'near weights were not run'}"
    if evidence.far.high < -TWO_PERCENT and evidence.near.low > 0:
        return UNDECIDED, "far error higher, near lower, not after Holm"
    if evidence.far.high < -TWO_PERCENT:
        return HARMFUL, "far error higher, near no better"
    if evidence.near_better:
        return _near_better(evidence)
    if evidence.beyond and evidence.beyond.on_curve and evidence.p_far <= ALPHA:
        return TRADE, f"far error {'lower' if evidence.far.estimate > 0 else 'higher'}: {evidence.beyond.text}"
    if within_two_percent(evidence.near):
        better = evidence.far.low > 0
        return (NO_EFFECT, "near under 2 %; far error lower") if better else (UNDECIDED, "near under 2 %, far not settled")
    return UNDECIDED, _hint(evidence.near)


def _near_better(evidence: Evidence) -> tuple[str, str]:
    if not not_worse(evidence.far):
        return UNDECIDED, "near error lower, far not settled"
    if evidence.beyond is None:
        return ADOPT, "near error lower, far not worse"
    if evidence.beyond.beyond:
        return ADOPT, "near error lower, far not worse, beyond what any near weight does"
    return (TRADE if evidence.beyond.on_curve else UNDECIDED), f"near error lower, far not worse; {evidence.beyond.text}"


def _hint(near: Effect) -> str:
    if near.low > 0:
        return "near lower, but not after Holm"
    if near.high < 0:
        return "near higher, but not after Holm"
    return "the interval allows both"


def issue_verdict(verdicts: list[str]) -> str:
    """Verdict on an issue from its fixes: adopt, undecided or trade if one fix is, in this order; harmful if all are; else no
    effect."""
    for verdict in (ADOPT, UNDECIDED, TRADE):
        if verdict in verdicts:
            return verdict
    return UNDECIDED if not verdicts else HARMFUL if set(verdicts) == {HARMFUL} else NO_EFFECT


def level_warning(n: int, alpha: float) -> str:
    """A warning if n paired seeds cannot reach alpha without assuming a distribution; else empty."""
    least = 2.0 / 2.0**n
    if least <= alpha:
        return ""
    cannot = f"{seeds_in_words(n)} cannot reach {alpha:.3g} by sign flips alone (least p {least:.2g})"
    return f"{cannot}; the t interval assumes normal gains"
