"""nfloss: a near-field-weighted depth loss with ten documented issues and toggleable fixes for each.

>>> from nfloss import SSISilogNearFieldLoss, Losses, Configuration, ISSUES, audit
"""

import nfloss.issues  # noqa: F401  (fills the registry)
from nfloss.audit import audit
from nfloss.claims import Claim
from nfloss.configuration import ClashError, Configuration
from nfloss.loss import Losses, Terms
from nfloss.near_field import SSISilogNearFieldLoss
from nfloss.registry import ISSUES, Fix, Issue, all_fixes, find_fix
from nfloss.slots import Numbers

__version__ = "0.1.0"

__all__ = [
    "ISSUES",
    "Claim",
    "ClashError",
    "Configuration",
    "Fix",
    "Issue",
    "Losses",
    "Numbers",
    "SSISilogNearFieldLoss",
    "Terms",
    "all_fixes",
    "audit",
    "find_fix",
]
