"""`Losses`: K configurations on one batch at once, each distinct word computed once on the rows that use it.

Shapes: K configurations, R rows (a split loss has two), B images, P = B*H*W pixels, S scales.
Pixels are masked by weighting, never by indexing, and made safe before a logarithm or a division: no device
synchronisation, fixed shapes, and no row ever reads another's numbers, so a NaN stays where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.fallback import Fallback
from nfloss.rows import NumbersOf, Rows
from nfloss.slots import BASELINE
from nfloss.terms import Target, moments, plain_moments, scale_invariant_log, scale_shift_invariant
from nfloss.threshold import DOCUMENT_EPOCHS, clamp_threshold
from nfloss.weighting import Weightings, Weights

OneOrMoreScales = Tensor | Sequence[Tensor]


@dataclass(frozen=True)
class Terms:
    """What one call computed: a value per configuration, [K] each, mean over the scales.

    `unweighted`, the parent class's loss, carries no gradient and is there only where it was asked for.
    """

    total: Tensor
    ssi: Tensor
    silog: Tensor
    unweighted: Tensor | None = None


class Losses:
    """K configurations of the near-field loss, evaluated on one batch.

    >>> losses = Losses([Configuration.of("1-1"), Configuration.of("2-1", "5-1")])
    >>> losses(torch.rand(2, 4, 1, 8, 8), torch.rand(4, 1, 8, 8)).shape
    torch.Size([2])
    """

    def __init__(self, configurations: Sequence[Configuration]) -> None:
        if not configurations:
            raise ValueError("Losses needs at least one configuration, got none")
        limits = {(c.numbers.min_depth, c.numbers.max_depth) for c in configurations}
        if len(limits) > 1:
            raise ValueError(f"the configurations of one Losses share min_depth and max_depth, got {sorted(limits)}")
        ((self.min_depth, self.max_depth),) = limits
        self.configurations = tuple(configurations)
        self._rows = Rows(self.configurations)
        self._weightings = Weightings(self._rows.rows)
        self._fallback = Fallback(self.configurations)
        self._manual_threshold: float | None = None
        self.set_epoch(0.0)

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The near-field threshold in force for each configuration, in metres."""
        return tuple(self._thresholds[c] for c in self.configurations)

    def set_epoch(self, epoch: float, of: float = DOCUMENT_EPOCHS) -> None:
        """Move the scheduled thresholds to this epoch of a run of `of` epochs (the document's schedules span 50)."""
        if not of > 0:
            raise ValueError(f"set_epoch(of={of!r}): a run has more than 0 epochs")
        self._thresholds = {c: self._threshold(c, epoch, of) for c in self.configurations}

    def _threshold(self, c: Configuration, epoch: float, of: float) -> float:
        choice = c.words["threshold"]
        if self._manual_threshold is not None and choice == BASELINE["threshold"]:
            return self._manual_threshold
        return float(choice(c.numbers, epoch, of))

    def set_near_field_threshold(self, metres: float) -> None:
        """Set the threshold of every configuration, clamped to [0.3, 3.0] m; a schedule takes over at its next epoch."""
        if not abs(float(metres)) < float("inf"):
            raise ValueError(f"near-field threshold {metres!r}: a finite number of metres is needed")
        self._manual_threshold = clamp_threshold(metres)
        self._thresholds = dict.fromkeys(self.configurations, self._manual_threshold)

    def __call__(self, pred: OneOrMoreScales, gt: OneOrMoreScales, mask: OneOrMoreScales | None = None) -> Tensor:
        """Totals [K] of predicted against true inverse depth (1/m).

        Args:
            pred: [K, B, 1, H, W], or one such tensor for each scale, finest first.
            gt: [B, 1, H, W], resized to each scale by nearest neighbour; or one for each scale. Values that are not
                finite or not greater than 0 are invalid.
            mask: like `gt`; what is 0 or False never counts.

        Raises:
            ValueError: shapes that do not fit.
        """
        return self.terms(pred, gt, mask).total

    def terms(
        self,
        pred: OneOrMoreScales,
        gt: OneOrMoreScales,
        mask: OneOrMoreScales | None = None,
        unweighted: bool = False,
    ) -> Terms:
        """Total, SSI and SILog, [K] each, and the unweighted loss where wanted; the other arguments as for a call."""
        preds, targets = self._scales(pred, gt, mask)
        gate = self._fallback.gate([p.flatten(1) for p in preds])
        scales = [self._moments(*scale, targets[0].image_depth) for scale in zip(gate.main, targets, strict=True)]
        residuals, *measured = zip(*scales, strict=True)
        total, ssi, silog = self._joined(*(torch.stack(values) for values in measured))
        total = gate.settle(total, lambda members, spare: unweighted_losses(members, residuals_of(spare, targets), targets))
        means = (total.mean(0), ssi.mean(0), silog.mean(0))
        if not unweighted:
            return Terms(*means)
        with torch.no_grad():  # every row of a configuration has the same residuals
            return Terms(*means, unweighted_losses(self.configurations, residuals, targets, self._rows).mean(0))

    def unweighted(self, pred: OneOrMoreScales, gt: OneOrMoreScales, mask: OneOrMoreScales | None = None) -> Tensor:
        """The parent class's loss [K], SSI + SILog with every weight 1; arguments as for a call."""
        preds, targets = self._scales(pred, gt, mask)
        residuals = residuals_of([p.flatten(1) for p in preds], targets)
        return unweighted_losses(self.configurations, residuals, targets).mean(0)

    def weights(self, gt: Tensor, mask: Tensor | None = None, finest: Tensor | None = None) -> Weights:
        """The weights of one scale's pixels, a row for each row of the loss (a split loss has two).

        `gt` and `mask` [B, 1, h, w]; `finest` is the finest scale's ground truth, where this is not the finest.
        """
        own = self._target(gt, mask)
        depth = own.image_depth if finest is None else self._target(finest, None).image_depth
        return self._weightings.compute(own, depth, self._thresholds)

    def raw_weights(self, gt: Tensor, mask: Tensor | None = None) -> Tensor:
        """Each pixel's weight before normalisation, [K, P], 0 where invalid; a split loss weighs a pixel by its part."""
        weights = self.weights(gt, mask)
        raw = weights.raw.new_zeros(len(self.configurations), weights.raw.shape[-1])
        return raw.index_add(0, torch.tensor(self._rows.places, device=raw.device), weights.raw * weights.mask)

    def _moments(self, pred: Tensor, target: Target, finest: Tensor) -> tuple[Tensor, ...]:
        """One scale's pred [K, P] -> its residuals [2, R, P] in both spaces, their means and variances [2, R], and the numbers
        of pixels [R] that these are of."""
        weights = self._weightings.compute(target, finest, self._thresholds)
        residuals = target.residuals(self._rows.watch_pixels(self._rows.take(pred), weights.mask))
        return residuals, *self._rows.moments(residuals, weights.both, weights.mask), weights.counts

    def _joined(self, mean: Tensor, variance: Tensor, counts: Tensor) -> Tensor:
        """Means and variances [S, 2, R], counts [S, R] -> total, SSI and SILog, [3, S, K]."""
        rows, number = self._rows, self._rows.numbers(mean)
        (mean_ssi, mean_log), (variance_ssi, variance_log) = mean.unbind(1), variance.unbind(1)
        ssi = rows.watch_terms(rows.squash(scale_shift_invariant(mean_ssi, variance_ssi, number.alpha)))
        silog = rows.watch_terms(scale_invariant_log(mean_log, variance_log, number.silog_lambda, rows.gain(ssi)))
        values = torch.stack([number.ssi_weight * ssi + number.silog_weight * silog, ssi, silog])
        return rows.join(torch.where(counts > 0, values, 0.0 * values), counts)

    def _scales(
        self, pred: OneOrMoreScales, gt: OneOrMoreScales, mask: OneOrMoreScales | None
    ) -> tuple[list[Tensor], list[Target]]:
        preds = [pred] if isinstance(pred, Tensor) else list(pred)
        if not preds:
            raise ValueError("pred is an empty list; at least one scale is needed")
        gts = self._each_scale("gt", gt, preds)
        masks = [None] * len(preds) if mask is None else self._each_scale("mask", mask, preds)
        return preds, [self._target(g, m) for g, m in zip(gts, masks, strict=True)]

    def _target(self, gt: Tensor, mask: Tensor | None) -> Target:
        return Target.of(gt, mask, self.min_depth, self.max_depth)

    def _each_scale(self, name: str, given: OneOrMoreScales, preds: list[Tensor]) -> list[Tensor]:
        """One map for each scale of the prediction, resized by nearest neighbour where only one is given."""
        for pred in preds:
            if pred.ndim != 5 or pred.shape[0] != len(self.configurations) or pred.shape[2] != 1:
                wanted = f"[{len(self.configurations)}, B, 1, H, W]"
                raise ValueError(
                    f"pred has shape {list(pred.shape)}; {wanted} is needed (a configuration each along dimension 0)"
                )
        maps = [resize(given, pred) for pred in preds] if isinstance(given, Tensor) else list(given)
        if [m.shape for m in maps] != [pred.shape[1:] for pred in preds]:
            shapes = [list(m.shape) for m in maps]
            raise ValueError(f"{name} has shapes {shapes}; the prediction needs {[list(p.shape[1:]) for p in preds]}")
        return maps


def residuals_of(preds: Sequence[Tensor], targets: Sequence[Target]) -> list[Tensor]:
    """Of each scale's pred [k, P], [2, k, P]."""
    return [target.residuals(pred) for pred, target in zip(preds, targets, strict=True)]


def unweighted_losses(
    members: Sequence[Configuration], residuals: Sequence[Tensor], targets: Sequence[Target], rows: Rows | None = None
) -> Tensor:
    """SSI + SILog with every weight 1 of each scale's residuals [2, k, P] -> [S, k]; 0 where nothing is valid.

    Where residuals are those of `rows`, the first of each member's is taken.
    """
    of_scale = moments if torch.is_grad_enabled() and residuals[0].requires_grad else plain_moments
    plain = [of_scale(r, target.valid) for r, target in zip(residuals, targets, strict=True)]
    mean, variance = (torch.stack(values) for values in zip(*plain, strict=True))
    (mean_ssi, mean_log), (variance_ssi, variance_log) = (
        (values if rows is None else rows.first(values)).unbind(1) for values in (mean, variance)
    )
    number = NumbersOf(members, mean)
    ssi = scale_shift_invariant(mean_ssi, variance_ssi, number.alpha)
    silog = scale_invariant_log(mean_log, variance_log, number.silog_lambda, number.silog_ratio)
    total = number.ssi_weight * ssi + number.silog_weight * silog
    counts = torch.stack([target.valid.sum() for target in targets]).unsqueeze(-1)
    return torch.where(counts > 0, total, 0.0 * total)


def resize(image: Tensor, pred: Tensor) -> Tensor:
    """[B, 1, H, W] at the prediction's size, by nearest neighbour; the type stays."""
    if image.ndim != 4:
        raise ValueError(f"ground truth or mask has shape {list(image.shape)}; [B, 1, H, W] is needed")
    if image.shape[-2:] == pred.shape[-2:]:
        return image
    if image.dtype == torch.bool:
        return F.interpolate(image.to(pred.dtype), size=pred.shape[-2:], mode="nearest").bool()
    return F.interpolate(image, size=pred.shape[-2:], mode="nearest")
