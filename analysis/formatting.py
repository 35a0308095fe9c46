"""Numbers as text: signed percentages, intervals, p values, ratios."""

from __future__ import annotations

import math
from typing import Any

from analysis.effects import percent


def times(gain: float) -> str:
    """A log ratio as a factor: "1.25"."""
    return "?" if math.isnan(gain) else "∞" if gain == math.inf else f"{math.exp(gain):.2f}"


def signed(gain: float) -> str:
    """A log gain as the signed percentage by which the error is lower; if the error more than doubles, as its factor."""
    if math.isnan(gain):
        return "?"
    if gain == -math.inf:
        return "error ∞"
    if gain < -math.log(2):
        return f"error ×{math.exp(-gain):.1f}" if gain > -math.log(1000) else "error over ×1000"
    return f"{percent(gain):+.1f}".replace("-", "−") + " %"


def interval(entry: dict[str, Any]) -> str:
    """The interval of a gain in percent."""
    ends = signed(entry["low"]), signed(entry["high"])
    if all(end.endswith(" %") for end in ends):
        return f"[{ends[0][:-2]}, {ends[1][:-2]}]"
    return f"[{ends[0].replace('error ', '')}, {ends[1].replace('error ', '')}]"


def confidence(level: float) -> str:
    """
    >>> confidence(0.95), confidence(0.9975), confidence(1 - 0.00089)
    ('95 %', '99.75 %', '99.91 %')
    """
    return f"{100 * level:.4g} %"


def shared_level(levels: dict[str, Any]) -> str:
    """The confidence of the intervals that decide, from verdicts.json.

    >>> shared_level({"side": 0.9975, "fixes": 20, "looks": [6]})
    '99.75 % (5 % shared by 20 fixes)'
    """
    fixes, looks = levels["fixes"], len(levels["looks"])
    if looks > 1:
        return f"the level that each look pays for (5 % shared by {fixes} fixes and {looks} looks)"
    return confidence(levels["side"]) + (f" (5 % shared by {fixes} fixes)" if fixes > 1 else "")


def ratio(entry: dict[str, Any]) -> str:
    """A log gain with its interval as the error's ratio to the baseline's: "1.21 [1.13, 1.30]"."""
    value, low, high = (_ratio(entry[end]) for end in ("estimate", "high", "low"))
    return f"{value} [{low}, {high}]"


def _ratio(gain: float) -> str:
    if math.isnan(gain):
        return "?"
    error = math.exp(min(-gain, 700.0))
    return "∞" if error > 1e6 else f"{error:.2f}" if 0.095 <= error < 9.995 else three_digits(error)


def p_value(p: float) -> str:
    return "?" if p is None or math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.995 else "1"


def three_digits(value: float) -> str:
    """Three digits, and no powers of ten below a million."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def change(gain: float) -> str:
    """A log gain as a change of the error: "12 % lower"."""
    ratio = math.exp(-gain)
    if abs(ratio - 1) < 0.005:
        return "unchanged"
    if math.isinf(ratio):
        return "infinite"
    if ratio >= 2.5:
        return f"{ratio:.2g} times higher"
    return f"{abs(1 - ratio):.0%} {'lower' if ratio < 1 else 'higher'}".replace("%", " %")
