"""The words of the verdicts, and the rules for promises and issues. Gains are natural logs of error ratios; positive is
better."""

from __future__ import annotations

import math
from typing import Any

from analysis.effects import Effect
from analysis.study import seeds_in_words

ALPHA = 0.05
TWO_PERCENT = math.log(1.02)  # what another error may lose by without a promise being void
FIVE_PERCENT = -math.log(0.95)  # the near gain that the document promises

EQUIVALENT = "equivalent"
CONFIRMED = "confirmed"
WORSE = "refuted, worse"
SMALLER = "refuted, smaller than promised"
IMPROVES = "inconclusive, improves"
INCONCLUSIVE = "inconclusive"
VOID = "void"
NOT_JUDGED = "not judged: training went on from a trained network"

ADOPT, TRADE, NO_EFFECT, HARMFUL, OPEN = "adopt", "trade", "no effect", "harmful", "open"
PROVED = "proved: the same training as the baseline"
NOT_RUN = "not in this study"
VERDICTS = (ADOPT, HARMFUL, TRADE, OPEN, NO_EFFECT)  # in the order in which they are read


def trained_alone(judged: dict[str, Any]) -> list[dict[str, Any]]:
    """The fixes that were trained alone, and so have a verdict; a search may have none."""
    return [fix for fix in judged["fixes"] if fix["key"]]


def distinct_fixes(judged: dict[str, Any]) -> list[dict[str, Any]]:
    """The fixes trained alone, without those that are the same training as another fix or the baseline."""
    return [fix for fix in trained_alone(judged) if not fix["same_as"]]


def counted_fixes(judged: dict[str, Any]) -> list[dict[str, Any]]:
    """The fixes trained alone, without those that are the same training as another fix."""
    return [fix for fix in trained_alone(judged) if fix["same_as"] in (None, "baseline")]


def promise_verdict(effect: Effect, margin: float, band: float) -> str:
    """Verdict on a promised gain of at least `margin`; the first rule that applies counts.

    1. 90 % interval inside +-`band`: equivalent (no effect of note)
    2. lower end >= margin: confirmed
    3. upper end < 0: refuted, worse
    4. upper end < margin: refuted, smaller than promised
    5. lower end > 0: inconclusive, improves; else inconclusive
    """
    if -band < effect.at_least and effect.at_most < band:
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


def not_worse_by_two_percent(effect: Effect) -> bool:
    """Non-inferiority, the condition of a promise: the one-sided bound lies above -2 %."""
    return effect.at_least > -TWO_PERCENT


def issue_verdict(verdicts: list[str]) -> str:
    """Verdict on an issue from its fixes: adopt, open or trade if one fix is, in this order; harmful if all are; else no
    effect."""
    for verdict in (ADOPT, OPEN, TRADE):
        if verdict in verdicts:
            return verdict
    return OPEN if not verdicts else HARMFUL if set(verdicts) == {HARMFUL} else NO_EFFECT


def level_warning(n: int, alpha: float) -> str:
    """A warning if n paired seeds cannot reach alpha without assuming a distribution; else empty."""
    least = 2.0 / 2.0**n
    if least <= alpha:
        return ""
    cannot = f"{seeds_in_words(n)} cannot reach {alpha:.3g} by sign flips alone (least p {least:.2g})"
    return f"{cannot}; the t interval assumes normal gains"
