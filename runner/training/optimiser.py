"""Adam for networks that are trained together, the rows of one matrix; none influences another."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

from nfloss.terms import may_ask

ADAM: dict[str, Any] = {  # the defaults of torch.optim.Adam, fused
    "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False, "maximize": False, "fused": True
}  # fmt: skip
#: Gradient values of each network whose squares are summed at once, where the matrix is in lanes.
PIECE = 8192


class RowAdam:
    """Adam on the rows of one matrix [R, D]: each row is a network, clipped by its own norm and frozen when it diverges.

    It calls PyTorch's Adam as a function: creating an optimiser would load PyTorch's compiler, for most of a second.

    Args:
        parameters: [R, D], contiguous by rows or by columns.
        count: K, the number of rows that are networks; default: all.
    """

    def __init__(self, parameters: Tensor, count: int | None = None) -> None:
        self.parameters = parameters
        self.count = len(parameters) if count is None else count
        rows = parameters.detach()
        self.first_moments, self.second_moments = torch.zeros_like(rows), torch.zeros_like(rows)
        self.frozen = [False] * self.count
        self.state = [contiguous_parts(matrix) for matrix in (rows, self.first_moments, self.second_moments)]
        self.steps = list(torch.zeros(len(self.state[0]), device=rows.device).unbind(0))

    def norm(self) -> Tensor:
        """The norm of each network's gradient, [K]."""
        gradient = self.parameters.grad
        assert gradient is not None
        if gradient.is_contiguous():
            return gradient.norm(dim=1)
        parts = [part.square().sum(0) for part in gradient.T.split(PIECE)]  # as `norm`, in a quarter of its time
        return torch.stack(parts).sum(0).sqrt()[: self.count]

    @torch.no_grad()
    def step(self, alive: Tensor, norm: Tensor, clip_norm: float, rate: float | Tensor) -> None:
        """One step at a learning rate; a tensor [1] is read on its device, as `on_device` made it.

        The gradients of rows that are not `alive` are replaced by zeros; frozen rows do not change at all.
        """
        gradient = self.parameters.grad
        assert gradient is not None
        scale = (clip_norm / (norm + 1e-6)).clamp(max=1.0)  # as torch.nn.utils.clip_grad_norm_
        asking = may_ask(gradient)  # whether values may be read on the host
        if asking:  # few rows need a change
            for row in (~alive | (scale != 1.0)).nonzero().flatten().tolist():
                gradient[row] = gradient[row] * scale[row] if alive[row] else 0.0
        else:
            gradient = torch.where(alive.unsqueeze(1), gradient * scale.unsqueeze(1), 0.0)
        frozen = [row for row, is_frozen in enumerate(self.frozen) if is_frozen]
        before = [self.parameters[row].clone() for row in frozen]
        rows, first, second = self.state
        adam(rows, contiguous_parts(gradient), first, second, [], self.steps, lr=rate, capturable=not asking, **ADAM)
        for row, values in zip(frozen, before, strict=True):
            self.parameters[row] = values
        self.parameters.grad = None

    def freeze(self, dead: Tensor) -> None:
        """From now on, these rows do not change; `dead` [K]."""
        self.frozen = [bool(d) for d in dead.tolist()]


def on_device(rates: np.ndarray, device: torch.device) -> Tensor:
    """Learning rates [steps] on a device, where a step of Adam reads its own. PyTorch's CUDA kernel reads float32."""
    return torch.from_numpy(rates).to(device, torch.float32 if device.type == "cuda" else torch.float64)


def contiguous_parts(matrix: Tensor) -> list[Tensor]:
    """The rows of a matrix that is contiguous by rows; else its transpose, in one."""
    return list(matrix.unbind(0)) if matrix.is_contiguous() else [matrix.T]
