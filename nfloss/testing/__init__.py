"""The contract for every fix, built-in or the user's: a list of promises, each with its check; and that of another loss."""

from nfloss.testing.contract import CONTRACT, Broken, broken_promises
from nfloss.testing.other_loss import LOSS_CONTRACT, broken_loss_promise, check_losses

__all__ = ["CONTRACT", "LOSS_CONTRACT", "Broken", "broken_loss_promise", "broken_promises", "check_losses"]
