"""The optimiser of networks that are trained together: a row of one matrix each, and nothing of one reaches another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from nfloss.terms import may_ask

ADAM: dict[str, Any] = {  # what torch.optim.Adam does when nothing is said, fused
    "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False, "maximize": False, "fused": True
}  # fmt: skip


#: Numbers of each network whose squares are summed at once, where networks lie side by side.
PIECE = 8192


class RowAdam:
    """Adam on the rows of one matrix [R, D], a network each: clipped by its own norm, frozen by its own divergence.

    PyTorch's own, as a function: its optimisers load the compiler as the first of them is made, for most of a second.

    Args:
        parameters: in rows, or in columns of memory.
        learning_rate: of all.
        count: K, the rows that are networks, if not all are.
    """

    def __init__(self, parameters: Tensor, learning_rate: float, count: int | None = None) -> None:
        self.parameters, self.learning_rate = parameters, learning_rate
        self.count = len(parameters) if count is None else count
        rows = parameters.detach()
        self.first_moments, self.second_moments = torch.zeros_like(rows), torch.zeros_like(rows)
        self.frozen = [False] * self.count
        self.state = [in_memory(matrix) for matrix in (rows, self.first_moments, self.second_moments)]
        self.steps = list(torch.zeros(len(self.state[0]), device=rows.device).unbind(0))

    def norm(self) -> Tensor:
        """Of each network's gradient, [K]."""
        gradient = self.parameters.grad
        assert gradient is not None
        if gradient.is_contiguous():
            return gradient.norm(dim=1)
        parts = [part.square().sum(0) for part in gradient.T.split(PIECE)]  # what `norm` does, in a quarter of its time
        return torch.stack(parts).sum(0).sqrt()[: self.count]

    @torch.no_grad()
    def step(self, alive: Tensor, norm: Tensor, clip_norm: float) -> None:
        """One step for the rows alive; a dead row's gradient is replaced by zeros until `freeze` leaves it as it is."""
        gradient = self.parameters.grad
        assert gradient is not None
        scale = (clip_norm / (norm + 1e-6)).clamp(max=1.0)  # as torch.nn.utils.clip_grad_norm_
        asking = may_ask(gradient)
        if asking:  # few rows need anything
            for row in (~alive | (scale != 1.0)).nonzero().flatten().tolist():
                gradient[row] = gradient[row] * scale[row] if alive[row] else 0.0
        else:
            gradient = torch.where(alive.unsqueeze(1), gradient * scale.unsqueeze(1), 0.0)
        frozen = [row for row, is_frozen in enumerate(self.frozen) if is_frozen]
        kept = [self.parameters[row].clone() for row in frozen]
        rows, first, second = self.state
        adam(rows, in_memory(gradient), first, second, [], self.steps, lr=self.learning_rate, capturable=not asking, **ADAM)
        for row, values in zip(frozen, kept, strict=True):
            self.parameters[row] = values
        self.parameters.grad = None

    def freeze(self, dead: Tensor) -> None:
        """From now on leave these rows as they are."""
        self.frozen = [bool(d) for d in dead.tolist()]


def in_memory(matrix: Tensor) -> list[Tensor]:
    """The rows of a matrix; those that lie side by side in memory are one."""
    return list(matrix.unbind(0)) if matrix.is_contiguous() else [matrix.T]
