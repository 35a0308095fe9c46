"""Computes the losses that are compared with the near-field one: each is called once for each scale of each of its networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.evaluation.rows import constant
from nfloss.evaluation.targets import Targets
from nfloss.slots import Guard, Partition
from nfloss.terms import Target


class OtherLosses:
    """The configurations that have a loss of their own, by their index among the K."""

    def __init__(self, configurations: Sequence[Configuration]) -> None:
        self.functions = {place: function_of(c) for place, c in enumerate(configurations) if c.loss}

    def put_into(self, total: Tensor, preds: Sequence[Tensor], targets: Targets) -> Tensor:
        """The totals [S, K], with those of other losses in their places; `preds` [K, B, 1, h, w] of each scale.

        What stood there gets no gradient."""
        if not self.functions:
            return total
        places = constant(tuple(self.functions), total.device, torch.long)
        of_scales = zip(preds, map(maps_of, targets.scales), strict=True)
        values = [torch.stack([f(pred[k], *maps) for k, f in self.functions.items()]) for pred, maps in of_scales]
        return total.index_copy(-1, places, torch.stack(values).to(total.dtype))


def function_of(configuration: Configuration) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    assert configuration.loss
    function = configuration.loss.function
    assert not isinstance(function, (Partition, Guard))
    return function


def maps_of(target: Target) -> tuple[Tensor, Tensor]:
    """True inverse depth in 1/m, 1 where it is not known, and where it is known (bool), both [B, 1, h, w]."""
    shape = target.image_depth.shape
    return target.inverse.view(shape), target.valid.view(shape) > 0
