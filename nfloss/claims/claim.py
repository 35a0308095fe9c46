"""A claim: one number or statement of the document, recomputed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ClaimVerdict = Literal["right", "rounded", "wrong", "does nothing", "harmful"]


@dataclass(frozen=True)
class Claim:
    """What the document says, the recomputed value, and the verdict. `shown_by` names the computation.

    `point` is the number of a finding, 1 to 19: the document is wrong or its fix does nothing. Claims may share a finding.
    """

    issue: int
    quantity: str
    claimed: str
    computed: str
    verdict: ClaimVerdict
    shown_by: str = "arithmetic"
    point: int | None = None


def magnitude(value: float) -> str:
    """The value as `2e-03`; below 1e-12 no digits, because rounding differs between processors."""
    return f"{value:.0e}" if value >= 1e-12 else "less than 1e-12"


def number(
    issue: int,
    quantity: str,
    claimed: float,
    computed: float,
    decimals: int,
    shown_by: str = "arithmetic",
    point: int | None = None,
) -> Claim:
    """Compare a stated number: right to `decimals` digits, "rounded" within 2 %, else wrong."""
    exact = abs(computed - claimed) <= 0.5 * 10.0**-decimals * (1 + 1e-9)
    close = abs(computed - claimed) <= 0.02 * abs(claimed)
    verdict: ClaimVerdict = "right" if exact else "rounded" if close else "wrong"
    return Claim(issue, quantity, f"{claimed:g}", f"{computed:.5g}", verdict, shown_by, point)


def statement(
    issue: int,
    quantity: str,
    claimed: str,
    computed: str,
    holds: bool,
    otherwise: ClaimVerdict = "wrong",
    shown_by: str = "arithmetic",
    point: int | None = None,
) -> Claim:
    """A stated property: right where it `holds`, else the verdict `otherwise`."""
    return Claim(issue, quantity, claimed, computed, "right" if holds else otherwise, shown_by, point)
