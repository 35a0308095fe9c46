"""The text around a configuration's words in `nfloss/standalone.py`: a plain class for one configuration."""

HEAD = '''
"""Near-field-weighted SSI + SILog loss of inverse depth, written by nfloss; torch is all it needs.

    loss_fn = SSISilogNearFieldLoss()
    loss = loss_fn(pred_inv_depth, gt_inv_depth, mask)

{doc}
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Number = float | Tensor
Maps = Tensor | list[Tensor]
{constants}
'''

CLASS = '''
def moments(values: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and variance along the last dimension; 0 where all weights are 0."""
    total = weights.sum(-1)
    total = torch.where(total > 0, total, torch.ones_like(total))
    mean = (values * weights).sum(-1) / total
    return mean, ((values - mean.unsqueeze(-1)).square() * weights).sum(-1) / total


def resized(image: Tensor, like: Tensor) -> Tensor:
    """[B, 1, H, W] at another's size, by nearest neighbour."""
    if image.shape[-2:] == like.shape[-2:]:
        return image
    return F.interpolate(image.to(like.dtype), size=like.shape[-2:], mode="nearest").to(image.dtype)


class SSISilogNearFieldLoss(nn.Module):
    """Depths and thresholds in metres, predictions and truth in 1/m."""

    def __init__(
        self,
        {arguments},
    ) -> None:
        super().__init__()
        {assignments}
        self.set_epoch(0.0)

    def set_epoch(self, epoch: float, of: float = 50.0) -> None:
        """Move a scheduled threshold to this epoch of a run of `of` epochs."""
        self.threshold = {threshold}

    def set_near_field_threshold(self, metres: float) -> None:
        """Set the threshold, clamped to [0.3, 3.0] m; a schedule takes over at its next epoch."""
        self.near_threshold = self.threshold = min(max(float(metres), 0.3), 3.0)

    def forward(self, pred_inv_depth: Maps, gt_inv_depth: Maps, mask: Maps | None = None) -> Tensor:
        """The scalar loss. pred [B, 1, H, W], or a list, finest first; gt and mask likewise, or one of them for all scales.

        What is not finite or not greater than 0 in gt is invalid; what is 0 or False in the mask never counts.
        """
        preds = [pred_inv_depth] if isinstance(pred_inv_depth, Tensor) else list(pred_inv_depth)
        gts, masks = (
            [resized(given, pred) for pred in preds] if isinstance(given, Tensor) else given or [None] * len(preds)
            for given in (gt_inv_depth, mask)
        )
        finest = self._metres(gts[0])
        return torch.stack([self._scale(*scale, finest) for scale in zip(preds, gts, masks, strict=True)]).mean()

    def _scale(self, pred: Tensor, gt: Tensor, mask: Tensor | None, finest: Tensor) -> Tensor:
        """One scale, [B, 1, h, w] each; `finest`: depth at the finest one."""
        usable, depth = torch.isfinite(gt) & (gt > 0), self._metres(gt)
        if mask is not None:
            usable = usable & mask.bool()
        inverse, usable = torch.where(usable, gt, 1.0).flatten(), usable.flatten()
        valid, flat = usable.to(gt.dtype), pred.flatten()
        main = {own_view}
        with torch.no_grad():
            raw = {raw}
            parts = {split}
        losses, counts = [], []
        for part, weights in parts:
            w_ssi, w_silog = self._weights(weights, part)
            of_inverse, of_log = self._residuals({pixels}, usable, inverse)
            ssi_moments = moments(*{of_inverse})
            silog_moments = moments(*{of_log})
            ssi = {ssi}
            silog = {silog}
            loss, count = self.ssi_weight * ssi + self.silog_weight * silog, part.sum()
            losses.append(torch.where(count > 0, loss, 0.0 * loss))
            counts.append(count)
        total = {join}
        return {settled}

    @torch.no_grad()
    def _weights(self, weights: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
        """The weights of SSI and of SILog, from the raw weights of a part's pixels."""

        def mean(power: float) -> Number:
            return {mean}

        return {temper}

    def _metres(self, gt: Tensor) -> Tensor:
        return 1.0 / torch.where(torch.isfinite(gt) & (gt > 0), gt, 0.0).clamp(min=1e-6)

    def _residuals(self, pred: Tensor, usable: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
        """p - g and log g - log p of inverse depth; 0 where invalid, whatever is there."""
        lowest, highest = max(1.0 / self.max_depth, 1e-6), 1.0 / self.min_depth
        pred = torch.where(usable, pred, inverse)
        return pred - inverse, inverse.clamp(lowest, highest).log() - pred.clamp(lowest, highest).log()
'''

FALLBACK = '''
    def _settled(self, total: Tensor, flat: Tensor, main: Tensor, usable: Tensor, inverse: Tensor) -> Tensor:
        """The total, or the unweighted loss where that is not finite; the gradient of what was not chosen is replaced by 0."""
        wanted, spare = ~torch.isfinite(total.detach()), flat.view_as(flat)
        if main.requires_grad and torch.is_grad_enabled():
            main.register_hook(lambda gradient: torch.where(wanted, 0.0, gradient))
            spare.register_hook(lambda gradient: torch.where(wanted, gradient, 0.0))
        valid = usable.to(inverse.dtype)
        of_inverse, of_log = (moments(values, valid) for values in self._residuals(spare, usable, inverse))
        ssi = scale_shift_invariant(*of_inverse, self.alpha)
        silog = scale_invariant_log(*of_log, self.silog_lambda, self.silog_ratio)
        plain = self.ssi_weight * ssi + self.silog_weight * silog
        return torch.where(wanted, torch.where(valid.sum() > 0, plain, 0.0 * plain), total)
'''

MOMENTUM = '''
def set_batch_norm_momentum(network: nn.Module, momentum: float = {momentum}) -> None:
    """Fix 6-1 is of the network, not of the loss: call this once on yours."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = momentum
'''
