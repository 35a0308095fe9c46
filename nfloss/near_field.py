"""`SSISilogNearFieldLoss`: one configuration as a torch module, called with (pred, gt, mask)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from nfloss.configuration import Configuration
from nfloss.loss import Losses, OneOrMoreScales, Terms
from nfloss.numbers import DOCUMENT_EPOCHS
from nfloss.terms import Target


@dataclass(frozen=True)
class Call:
    """Input and result of the last call, kept on the device until the metrics are read."""

    preds: list[Tensor]
    gt: OneOrMoreScales
    mask: OneOrMoreScales | None
    terms: Terms
    threshold: float


class SSISilogNearFieldLoss(nn.Module):
    """The near-field-weighted SSI + SILog loss with the chosen fixes.

    >>> loss_fn = SSISilogNearFieldLoss(fixes=["1-1", "5-2"], near_threshold=1.0, near_weight=5.0)
    >>> pred, gt = torch.rand(2, 1, 8, 8, requires_grad=True), torch.rand(2, 1, 8, 8)
    >>> loss_fn(pred, gt).backward()
    >>> sorted(loss_fn.metrics)[0]
    'far_field_mean_error'

    Args:
        fixes: ids ("5-2") or names ("linear-ramp") of the fixes to switch on.
        numbers: any field of `nfloss.Numbers`: near_threshold and depths in metres, weights, alpha, ...

    Raises:
        ValueError: a fix or number is unknown (the message lists the known ones), or two fixes clash (it names both).
    """

    def __init__(self, fixes: Iterable[str] = (), **numbers: float) -> None:
        super().__init__()
        self.configuration = Configuration.of(*([fixes] if isinstance(fixes, str) else fixes), **numbers)
        self._losses = Losses([self.configuration])
        self._last: Call | None = None

    @classmethod
    def from_yaml(cls, path: str | Path) -> SSISilogNearFieldLoss:
        """Build the loss from the `loss:` block of a YAML file, in the document's format or ours (`fixes:` and numbers).

        Needs PyYAML. Raises ValueError; its one line says what was given and what is allowed.
        """
        from nfloss.yaml_block import read_loss_block

        block = read_loss_block(Path(path))
        return cls(block.fixes, **block.numbers)

    def forward(
        self, pred_inv_depth: OneOrMoreScales, gt_inv_depth: OneOrMoreScales, mask: OneOrMoreScales | None = None
    ) -> Tensor:
        """The scalar loss of predicted against true inverse depth (1/m).

        Args:
            pred_inv_depth: [B, 1, H, W], or a list of them, finest first.
            gt_inv_depth: [B, 1, H, W], resized by nearest neighbour to each scale; or a list. `<= 0`, NaN or inf is invalid.
            mask: like the ground truth; pixels with 0 or False are ignored. The document's loss has no mask, only gt > 0.
        """
        preds = [pred_inv_depth] if isinstance(pred_inv_depth, Tensor) else list(pred_inv_depth)
        stacked = [pred.unsqueeze(0) for pred in preds]
        terms = self._losses.terms(stacked, gt_inv_depth, mask)
        detached = Terms(terms.total.detach(), terms.ssi.detach(), terms.silog.detach())
        self._last = Call([pred.detach() for pred in stacked], gt_inv_depth, mask, detached, self._losses.thresholds[0])
        return terms.total[0]

    @property
    def metrics(self) -> dict[str, float]:
        """What fixes 7-1 and 7-2 record, for the last call; errors are mean |depth error| in metres at the finest scale.

        Empty before the first call; a mean over no pixels is NaN. Computed when read, so that training steps never wait
        for the device.
        """
        return {} if self._last is None else metrics_of(self._last, self._losses)

    def set_near_field_threshold(self, metres: float) -> None:
        """Change the threshold during training, clamped to [0.3, 3.0] m (document, solution 9-1)."""
        self._losses.set_near_field_threshold(metres)

    def set_epoch(self, epoch: float, of: float = DOCUMENT_EPOCHS) -> None:
        """Update a scheduled threshold to this epoch of a run of `of` epochs."""
        self._losses.set_epoch(epoch, of)

    @property
    def near_field_threshold(self) -> float:
        """The threshold in force, in metres."""
        return self._losses.thresholds[0]

    def extra_repr(self) -> str:
        return self.configuration.name


def first(scales: OneOrMoreScales) -> Tensor:
    """The finest scale."""
    return scales if isinstance(scales, Tensor) else scales[0]


@torch.no_grad()
def metrics_of(call: Call, losses: Losses) -> dict[str, float]:
    """All metrics of a call, in one transfer from the device."""
    mask = None if call.mask is None else first(call.mask)
    target = Target.of(first(call.gt), mask, losses.min_depth, losses.max_depth)
    _, log_error = target.residuals(call.preds[0].flatten(1))
    log_depth = -target.log_inverse.double()
    error = ((log_depth + log_error[0]).exp() - log_depth.exp()).abs()
    unweighted = losses.unweighted(call.preds, call.gt, call.mask)[0]
    near = (target.image_depth.flatten() < call.threshold) & (target.valid > 0)
    far = (target.valid > 0) & ~near
    metrics = {
        "total_loss": call.terms.total[0],
        "ssi_loss": call.terms.ssi[0],
        "silog_loss": call.terms.silog[0],
        "near_field_ratio": near.sum() / target.valid.sum(),
        "near_field_mean_error": error[near].mean(),
        "far_field_mean_error": error[far].mean(),
        "normalised_loss": call.terms.total[0] / (unweighted + 1e-8),
    }
    values = torch.stack([value.double() for value in metrics.values()])
    return dict(zip(metrics, values.tolist(), strict=True))
