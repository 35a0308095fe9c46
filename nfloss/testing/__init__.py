"""The contract for every fix, built-in or the user's: a list of promises, each with its check."""

from nfloss.testing.contract import CONTRACT, Broken, broken_promises

__all__ = ["CONTRACT", "Broken", "broken_promises"]
