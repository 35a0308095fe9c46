"""The document's numbers and statements, recomputed: a module for each issue, and `audit` over all of them."""

from __future__ import annotations

from nfloss.claims import issue01, issue02, issue03, issue04, issue05, issue06, issue07, issue08, issue09, issue10
from nfloss.claims.claim import Claim

ISSUES = (issue01, issue02, issue03, issue04, issue05, issue06, issue07, issue08, issue09, issue10)

__all__ = ["Claim", "audit"]


def audit() -> list[Claim]:
    """Every number and statement of the document, with what comes out and a verdict, in the issues' order."""
    return [claim for issue in ISSUES for claim in issue.claims()]
