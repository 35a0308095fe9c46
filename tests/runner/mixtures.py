"""Fixes of the configurations that tests train together: every fix alone, and combinations."""

from nfloss import all_fixes

EVERY = ["", *(fix.id for fix in all_fixes())]
MIXED = ["1-1 2-1 3-1 4-2 5-1 6-1 9-3", "1-2 8-1 4-3", "2-2a 5-2 9-1", "2-2b 6-2 9-2", "5-1w 8-2"]
