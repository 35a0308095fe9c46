"""Recomputes the document's numbers and statements: one module for each issue, and `audit` for all of them."""

from __future__ import annotations

from nfloss.claims import issue01, issue02, issue03, issue04, issue05, issue06, issue07, issue08, issue09, issue10
from nfloss.claims.claim import Claim

MODULES = (issue01, issue02, issue03, issue04, issue05, issue06, issue07, issue08, issue09, issue10)

__all__ = ["Claim", "audit"]


def audit() -> list[Claim]:
    """Every number and statement of the document with the recomputed value and a verdict, in the order of the issues."""
    return [claim for module in MODULES for claim in module.claims()]
