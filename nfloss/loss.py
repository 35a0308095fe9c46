"""`Losses`: K configurations on one batch together; each distinct choice is called once on the rows that use it.

Shapes: K configurations, R rows (a split loss has two), B images, P = B*H*W pixels, S scales.
Pixels are masked by weights, never by indexing, and invalid ones are replaced before a logarithm or a division: no device
synchronisation, fixed shapes. No row reads another row's values, so a NaN stays in its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.evaluation.by_pixels import RowMoments, unweighted_moments
from nfloss.evaluation.dispatch import Dispatch
from nfloss.evaluation.fallback import Fallback
from nfloss.evaluation.other_losses import OtherLosses
from nfloss.evaluation.rows import NumbersOf, Rows, Run
from nfloss.evaluation.targets import Targets
from nfloss.evaluation.weighting import Weights
from nfloss.numbers import DOCUMENT_EPOCHS, clamp_threshold
from nfloss.power_sums import Summing
from nfloss.slots import BASELINE
from nfloss.terms import Target, scale_invariant_log, scale_shift_invariant

OneOrMoreScales = Tensor | Sequence[Tensor]


@dataclass(frozen=True)
class Terms:
    """The result of one call: a value per configuration, each [K], mean over the scales.

    Where a configuration has another loss, `total` is that one, `ssi` and `silog` are the baseline's. `unweighted` is the
    parent class's loss, without gradient; None unless it was requested.
    """

    total: Tensor
    ssi: Tensor
    silog: Tensor
    unweighted: Tensor | None = None


class Losses:
    """K configurations of the near-field loss, evaluated on one batch.

    With `summing`, rows whose choices have `by_sums` are computed from sums over the pixels; all others pixel by pixel.

    Raises:
        ValueError: there is no configuration, or they differ in min_depth or max_depth.

    >>> losses = Losses([Configuration.of("1-1"), Configuration.of("2-1", "5-1")])
    >>> losses(torch.rand(2, 4, 1, 8, 8), torch.rand(4, 1, 8, 8)).shape
    torch.Size([2])
    """

    def __init__(self, configurations: Sequence[Configuration], summing: Summing | None = None) -> None:
        if not configurations:
            raise ValueError("Losses needs at least one configuration, got none")
        limits = {(c.numbers.min_depth, c.numbers.max_depth) for c in configurations}
        if len(limits) > 1:
            raise ValueError(f"the configurations of one Losses share min_depth and max_depth, got {sorted(limits)}")
        ((self.min_depth, self.max_depth),) = limits
        self.configurations = tuple(configurations)
        self._rows = Rows(self.configurations)
        self._dispatch = Dispatch(self._rows, summing)
        self._fallback = Fallback(self.configurations)
        self._others = OtherLosses(self.configurations)
        self._manual_threshold: float | None = None
        self.set_epoch(0.0)

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The near-field threshold in force for each configuration, in metres."""
        return tuple(self._thresholds[c] for c in self.configurations)

    def set_epoch(self, epoch: float, of: float = DOCUMENT_EPOCHS) -> None:
        """Update the scheduled thresholds to this epoch of a run of `of` epochs (the document's schedules span 50).

        Raises ValueError unless `of` is greater than 0."""
        if not of > 0:
            raise ValueError(f"set_epoch(of={of!r}): a run has more than 0 epochs")
        self._thresholds = {c: self._threshold(c, epoch, of) for c in self.configurations}

    def _threshold(self, c: Configuration, epoch: float, of: float) -> float:
        choice = c.choices["threshold"]
        if self._manual_threshold is not None and choice == BASELINE["threshold"]:
            return self._manual_threshold
        return float(choice(c.numbers, epoch, of))

    def set_near_field_threshold(self, metres: float) -> None:
        """Set the threshold of every configuration, clamped to [0.3, 3.0] m, until the next `set_epoch` of a schedule.

        Raises ValueError if it is not finite."""
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
            mask: like `gt`; pixels with 0 or False are ignored.

        Raises:
            ValueError: the shapes do not fit.
        """
        return self.terms(pred, gt, mask).total

    def terms(
        self, pred: OneOrMoreScales, gt: OneOrMoreScales, mask: OneOrMoreScales | None = None, unweighted: bool = False
    ) -> Terms:
        """Total, SSI and SILog, each [K], and the unweighted loss if requested; the other arguments as in `__call__`."""
        preds, targets = self._scales(pred, gt, mask)
        flat = [p.flatten(1) for p in preds]
        views = self._fallback.views(flat)
        measured, plain = self._dispatch.moments(views, targets, self._thresholds, unweighted)
        total, ssi, silog = self._combined(measured)
        total = self._fallback.route(
            flat, views, total, lambda own, copies: unweighted_losses(own, unweighted_moments(copies, targets.scales))
        )
        means = (self._others.put_into(total, preds, targets).mean(0), ssi.mean(0), silog.mean(0))
        if plain is None:
            return Terms(*means)
        with torch.no_grad():
            return Terms(*means, unweighted_losses(self.configurations, plain).mean(0))

    def unweighted(self, pred: OneOrMoreScales, gt: OneOrMoreScales, mask: OneOrMoreScales | None = None) -> Tensor:
        """The parent class's loss [K], SSI + SILog with every weight 1; arguments as in `__call__`."""
        preds, targets = self._scales(pred, gt, mask)
        return unweighted_losses(self.configurations, unweighted_moments([p.flatten(1) for p in preds], targets.scales)).mean(0)

    def weights(self, gt: Tensor, mask: Tensor | None = None) -> Weights:
        """The weights of the finest scale's pixels for each row of the loss (a split loss has two rows); both [B, 1, H, W]."""
        target = Target.of(gt, mask, self.min_depth, self.max_depth)
        return self._dispatch.all_by_pixels.weightings.compute(target, target.image_depth, self._thresholds)

    def raw_weights(self, gt: Tensor, mask: Tensor | None = None) -> Tensor:
        """Each pixel's weight before normalisation, [K, P], 0 where invalid; in a split loss it is the weight of its part."""
        weights = self.weights(gt, mask)
        raw = weights.raw.new_zeros(len(self.configurations), weights.raw.shape[-1])
        return raw.index_add(0, torch.tensor(self._rows.places, device=raw.device), weights.raw * weights.mask)

    def _combined(self, measured: RowMoments) -> Tensor:
        """Means and variances [S, 2, R], counts [S, R] -> total, SSI and SILog, [3, S, K]."""
        mean, variance, counts = measured.mean, measured.variance, measured.count
        rows, number = self._rows, self._rows.numbers(mean)
        (mean_ssi, mean_log), (variance_ssi, variance_log) = mean.unbind(1), variance.unbind(1)
        ssi = rows.watch_terms(rows.squash(scale_shift_invariant(mean_ssi, variance_ssi, number.alpha)))
        silog = rows.watch_terms(scale_invariant_log(mean_log, variance_log, number.silog_lambda, rows.gain(ssi)))
        values = torch.stack([number.ssi_weight * ssi + number.silog_weight * silog, ssi, silog])
        return rows.join(torch.where(counts > 0, values, 0.0 * values), counts)

    def _scales(self, pred: OneOrMoreScales, gt: OneOrMoreScales, mask: OneOrMoreScales | None) -> tuple[list[Tensor], Targets]:
        preds = [pred] if isinstance(pred, Tensor) else list(pred)
        if not preds:
            raise ValueError("pred is an empty list; at least one scale is needed")
        gts = self._each_scale("gt", gt, preds)
        masks = [None] * len(preds) if mask is None else self._each_scale("mask", mask, preds)
        return preds, Targets(gts, masks, [p.dtype for p in preds], self.min_depth, self.max_depth)

    def _each_scale(self, name: str, given: OneOrMoreScales, preds: list[Tensor]) -> list[Tensor]:
        """One map for each scale of the prediction; a single map is resized by nearest neighbour."""
        for pred in preds:
            if pred.ndim != 5 or pred.shape[0] != len(self.configurations) or pred.shape[2] != 1:
                wanted = f"[{len(self.configurations)}, B, 1, H, W]"
                raise ValueError(
                    f"pred has shape {list(pred.shape)}; {wanted} is needed (one configuration per index of dimension 0)"
                )
        maps = [resize(given, pred) for pred in preds] if isinstance(given, Tensor) else list(given)
        if [m.shape for m in maps] != [pred.shape[1:] for pred in preds]:
            shapes = [list(m.shape) for m in maps]
            raise ValueError(f"{name} has shapes {shapes}; the prediction needs {[list(p.shape[1:]) for p in preds]}")
        return maps


def unweighted_losses(members: Run, plain: RowMoments) -> Tensor:
    """SSI + SILog from unweighted moments, [S, 2, k] -> [S, k]; 0 where no pixel is valid."""
    (mean_ssi, mean_log), (variance_ssi, variance_log) = plain.mean.unbind(1), plain.variance.unbind(1)
    number = NumbersOf(members, plain.mean)
    ssi = scale_shift_invariant(mean_ssi, variance_ssi, number.alpha)
    silog = scale_invariant_log(mean_log, variance_log, number.silog_lambda, number.silog_ratio)
    total = number.ssi_weight * ssi + number.silog_weight * silog
    return torch.where(plain.count > 0, total, 0.0 * total)


def resize(image: Tensor, pred: Tensor) -> Tensor:
    """Resize [B, 1, H, W] to the prediction's size by nearest neighbour; the type is kept."""
    if image.ndim != 4:
        raise ValueError(f"ground truth or mask has shape {list(image.shape)}; [B, 1, H, W] is needed")
    if image.shape[-2:] == pred.shape[-2:]:
        return image
    if image.dtype == torch.bool:
        return F.interpolate(image.to(pred.dtype), size=pred.shape[-2:], mode="nearest").bool()
    return F.interpolate(image, size=pred.shape[-2:], mode="nearest")
