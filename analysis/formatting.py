"""Numbers as text. What is compared with the baseline is one ratio everywhere: "×0.94 [0.91, 0.97]", below 1 is better."""

from __future__ import annotations

import math
from typing import Any


def ratio(entry: dict[str, Any]) -> str:
    """A log gain with its interval as the error's ratio to the baseline's, bounds ascending: "×1.21 [1.13, 1.30]"."""
    return f"{times(entry['estimate'])} [{_plain(entry['high'])}, {_plain(entry['low'])}]"


def label_of(fix: dict[str, Any], gap: str = " ") -> str:
    """
    >>> label_of({"id": "5-2", "name": "linear-ramp"}), label_of({"id": "berhu", "name": "berhu"})
    ('5-2 linear-ramp', 'berhu')
    """
    return gap.join(dict.fromkeys([fix["id"], fix["name"]]))


def name_of(fix: dict[str, Any]) -> str:
    """What stands beside the id in a table: the fix's name; of another loss, whose name is its id, that it is one.

    >>> name_of({"id": "5-2", "name": "linear-ramp"}), name_of({"id": "berhu", "name": "berhu"})
    ('linear-ramp', 'other loss')
    """
    return str(fix["name"]) if fix["name"] != fix["id"] else "other loss"


def titled(issue: dict[str, Any]) -> str:
    """An issue's number and title; the title alone of other losses, whose number is 0.

    >>> titled({"number": 5, "title": "The boundary"}), titled({"number": 0, "title": "Other losses"})
    ('5 The boundary', 'Other losses')
    """
    return f"{issue['number']} {issue['title']}" if issue["number"] else str(issue["title"])


def times(gain: float) -> str:
    """A log gain as the error's ratio to the baseline's.

    >>> times(0.06), times(-2.0), times(float("nan"))
    ('×0.94', '×7.39', '?')
    """
    return _plain(gain) if math.isnan(gain) else f"×{_plain(gain)}"


def _plain(gain: float) -> str:
    if math.isnan(gain):
        return "?"
    error = math.exp(min(-gain, 700.0))
    return "∞" if error > 1e6 else f"{error:.2f}" if 0.095 <= error < 9.995 else three_digits(error)


def share(value: float) -> str:
    """
    >>> share(0.8831)
    '88 %'
    """
    return f"{100 * value:.0f} %"


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


def p_value(p: float) -> str:
    return "?" if p is None or math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.995 else "1"


def three_digits(value: float) -> str:
    """Three digits, and no powers of ten below a million."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
