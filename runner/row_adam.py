"""The optimiser of networks that are trained together: a row of one matrix each, and nothing of one reaches another."""

from __future__ import annotations

from itertools import compress
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from nfloss.terms import may_ask

ADAM: dict[str, Any] = {  # what torch.optim.Adam does when nothing is said, fused
    "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False, "maximize": False, "fused": True
}  # fmt: skip


class RowAdam:
    """Adam on the rows of one matrix [K, D], a parameter each: clipped by its own norm, frozen by its own divergence.

    PyTorch's own, as a function: its optimisers load the compiler as the first of them is made, for most of a second.
    """

    def __init__(self, parameters: Tensor, learning_rate: float) -> None:
        self.parameters, self.learning_rate = parameters, learning_rate
        rows = parameters.detach()
        self.first_moments, self.second_moments = torch.zeros_like(rows), torch.zeros_like(rows)
        steps = torch.zeros(len(rows), device=rows.device)
        self.state = [values.unbind(0) for values in (rows, self.first_moments, self.second_moments, steps)]
        self.frozen = [False] * len(rows)

    def norm(self) -> Tensor:
        """Of each row's gradient, [K]."""
        assert self.parameters.grad is not None
        return self.parameters.grad.norm(dim=1)

    @torch.no_grad()
    def step(self, alive: Tensor, norm: Tensor, clip_norm: float) -> None:
        """One step for the rows alive; a dead row's gradient is replaced by zeros until `freeze` leaves it out altogether."""
        gradient = self.parameters.grad
        assert gradient is not None
        scale = (clip_norm / (norm + 1e-6)).clamp(max=1.0)  # as torch.nn.utils.clip_grad_norm_
        asking = may_ask(gradient)
        if asking:  # few rows need anything
            for row in (~alive | (scale != 1.0)).nonzero().flatten().tolist():
                gradient[row] = gradient[row] * scale[row] if alive[row] else 0.0
        else:
            gradient = torch.where(alive.unsqueeze(1), gradient * scale.unsqueeze(1), 0.0)
        live = [not frozen for frozen in self.frozen]
        rows, first, second, steps, gradients = (list(compress(v, live)) for v in (*self.state, gradient.unbind(0)))
        if rows:
            adam(rows, gradients, first, second, [], steps, lr=self.learning_rate, capturable=not asking, **ADAM)
        self.parameters.grad = None

    def freeze(self, dead: Tensor) -> None:
        """From now on leave these rows as they are."""
        self.frozen = [bool(d) for d in dead.tolist()]
