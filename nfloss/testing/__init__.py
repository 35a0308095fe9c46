"""The contract that every fix keeps, each promise with its check: of the ten issues' own fixes and of yours."""

from nfloss.testing.contract import CONTRACT, Broken, broken_promises

__all__ = ["CONTRACT", "Broken", "broken_promises"]
