"""Fix 4-2: where a configuration's total is not finite, the unweighted loss for that step, with finite gradients.

A `where` alone would let the NaN gradient of the branch not taken through (0 * inf); so each branch gets its own view of
the prediction, and the gradient of the branch not taken is replaced by zeros on its way back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.evaluation.rows import constant, guard_of
from nfloss.terms import may_ask

#: (the members, their predictions [k, P] at each scale) -> the unweighted loss at each scale, [S, k]
Unweighted = Callable[[Sequence[Configuration], Sequence[Tensor]], Tensor]


class Fallback:
    """The configurations that have a fallback, and where they stand."""

    def __init__(self, configurations: Sequence[Configuration]) -> None:
        self.places = tuple(place for place, c in enumerate(configurations) if guard_of(c).fallback)
        self.members = [configurations[place] for place in self.places]
        self.flags = tuple(guard_of(c).fallback for c in configurations)

    def gate(self, preds: Sequence[Tensor]) -> Gate:
        """The gate of one call on each scale's pred [K, P]."""
        return Gate(self, preds, [pred.view_as(pred) for pred in preds] if self.places else preds)


@dataclass
class Gate:
    """`main` goes to the configurations' own loss; `settle` chooses, and closes the way of what was not chosen."""

    fallback: Fallback
    preds: Sequence[Tensor]
    main: Sequence[Tensor]

    def settle(self, total: Tensor, unweighted: Unweighted) -> Tensor:
        """Totals [S, K] as they stand, or the fallback's where they are not finite."""
        if not self.fallback.places:
            return total
        wanted = (~torch.isfinite(total.detach())) & constant(self.fallback.flags, total.device, torch.bool)
        if may_ask(total) and not wanted.any():
            return total
        places = constant(self.fallback.places, total.device, torch.long)
        spare = [pred.index_select(0, places) for pred in self.preds]
        if self.main[0].requires_grad and torch.is_grad_enabled():
            for own, instead, column in zip(self.main, spare, wanted.unsqueeze(-1), strict=True):
                own.register_hook(partial(torch.where, column, 0.0))
                instead.register_hook(partial(replaced_outside, column[places]))
        instead = total.index_copy(-1, places, unweighted(self.fallback.members, spare))
        return torch.where(wanted, instead, total)


def replaced_outside(wanted: Tensor, gradient: Tensor) -> Tensor:
    """0 where it is not wanted, NaN or not."""
    return torch.where(wanted, gradient, 0.0)
