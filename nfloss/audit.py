"""The document's numbers recomputed, gathered from the ten rooms."""

from __future__ import annotations

from nfloss.claims import Claim
from nfloss.registry import ISSUES


def audit() -> list[Claim]:
    """Every number and statement of the document, with what comes out and a verdict, in the issues' order."""
    return [claim for number in sorted(ISSUES) for claim in ISSUES[number].claims()]
