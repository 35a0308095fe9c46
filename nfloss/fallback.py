"""Fix 4-2: where a configuration's total is not finite, the unweighted loss for that step, with finite gradients.

A `where` alone would let the NaN gradient of the branch not taken through (0 * inf); so each branch gets its own view of
the prediction, and the gradient of the branch not taken is replaced by zeros on its way back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.rows import constant, guard_of
from nfloss.terms import may_ask

Unweighted = Callable[[Sequence[Configuration], Tensor], Tensor]


class Fallback:
    """The configurations that have a fallback, and where they stand."""

    def __init__(self, configurations: Sequence[Configuration]) -> None:
        self.places = tuple(place for place, c in enumerate(configurations) if guard_of(c).fallback)
        self.members = [configurations[place] for place in self.places]
        self.flags = tuple(guard_of(c).fallback for c in configurations)

    def gate(self, pred: Tensor) -> Gate:
        """The gate of one call on pred [K, P]."""
        return Gate(self, pred, pred.view_as(pred) if self.places else pred)


@dataclass
class Gate:
    """`main` goes to the configurations' own loss; `settle` chooses, and closes the way of what was not chosen."""

    fallback: Fallback
    pred: Tensor
    main: Tensor

    def settle(self, total: Tensor, unweighted: Unweighted) -> Tensor:
        """Totals [K] as they stand, or the fallback's where they are not finite."""
        if not self.fallback.places:
            return total
        wanted = (~torch.isfinite(total.detach())) & constant(self.fallback.flags, total.device, torch.bool)
        if may_ask(total) and not wanted.any():
            return total
        places = constant(self.fallback.places, total.device, torch.long)
        spare = self.pred.index_select(0, places)
        if self.main.requires_grad and torch.is_grad_enabled():
            self.main.register_hook(lambda gradient: torch.where(wanted.unsqueeze(-1), 0.0, gradient))
            spare.register_hook(lambda gradient: torch.where(wanted[places].unsqueeze(-1), gradient, 0.0))
        instead = total.index_copy(0, places, unweighted(self.fallback.members, spare))
        return torch.where(wanted, instead, total)
