"""Fix 4-2: where a configuration's total is not finite, use the unweighted loss for that step, with finite gradients.

`torch.where` alone would pass on the NaN gradient of the branch not taken (0 * inf). So each branch gets its own view of the
prediction, and the gradient of the branch not taken is replaced by zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.evaluation.rows import constant, guard_of
from nfloss.terms import may_ask

#: (configurations, their predictions [k, P] at each scale) -> the unweighted loss, [S, k]
Unweighted = Callable[[Sequence[Configuration], Sequence[Tensor]], Tensor]


class Fallback:
    """The configurations that have a fallback, and their indices."""

    def __init__(self, configurations: Sequence[Configuration]) -> None:
        self.places = tuple(place for place, c in enumerate(configurations) if guard_of(c).fallback)
        self.configurations = [configurations[place] for place in self.places]
        self.flags = tuple(guard_of(c).fallback for c in configurations)

    def views(self, preds: Sequence[Tensor]) -> Sequence[Tensor]:
        """Each scale's pred [K, P] for the weighted loss: a view of its own where a configuration has a fallback."""
        return [pred.view_as(pred) for pred in preds] if self.places else preds

    def route(self, preds: Sequence[Tensor], views: Sequence[Tensor], total: Tensor, unweighted: Unweighted) -> Tensor:
        """The views' totals [S, K], replaced by the unweighted loss where not finite and the configuration has a fallback."""
        if not self.places:
            return total
        replaced = (~torch.isfinite(total.detach())) & constant(self.flags, total.device, torch.bool)
        if may_ask(total) and not replaced.any():
            return total
        places = constant(self.places, total.device, torch.long)
        copies = [pred.index_select(0, places) for pred in preds]
        if views[0].requires_grad and torch.is_grad_enabled():
            for view, copy, column in zip(views, copies, replaced.unsqueeze(-1), strict=True):
                view.register_hook(partial(torch.where, column, 0.0))
                copy.register_hook(partial(zero_outside, column[places]))
        unweighted_total = total.index_copy(-1, places, unweighted(self.configurations, copies))
        return torch.where(replaced, unweighted_total, total)


def zero_outside(selected: Tensor, gradient: Tensor) -> Tensor:
    """The gradient, and 0 where it is not selected, even for NaN."""
    return torch.where(selected, gradient, 0.0)
