"""nfloss: a near-field-weighted depth loss with ten documented issues and toggleable fixes for each.

>>> from nfloss import SSISilogNearFieldLoss, Losses, Configuration, ISSUES, audit
"""

import nfloss.issues  # noqa: F401  (fills the registry)
from nfloss.claims import Claim, audit
from nfloss.configuration import ClashError, Configuration
from nfloss.extensions import load_extension
from nfloss.loss import Losses, Terms
from nfloss.near_field import SSISilogNearFieldLoss
from nfloss.numbers import Numbers
from nfloss.registry import ISSUES, ExtensionError, Fix, Issue, Symptom, add_fix, all_fixes, find_fix, register
from nfloss.slots import Choice, Guard, Partition

__version__ = "0.1.0"

__all__ = [
    "ISSUES", "Choice", "Claim", "ClashError", "Configuration", "ExtensionError", "Fix", "Guard", "Issue", "Losses", "Numbers",
    "Partition", "SSISilogNearFieldLoss", "Symptom", "Terms", "add_fix", "all_fixes", "audit", "find_fix", "load_extension",
    "register",
]  # fmt: skip
