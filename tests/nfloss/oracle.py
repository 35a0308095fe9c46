"""The document's formulas written down a second time, the way the document writes them, as the tests' oracle.

Nothing here uses nfloss. Float64, one configuration at a time, `pred[mask]`, `torch.std`, one `if` per fix. Sources:
`source-review.ko.md` (the document; its headings are quoted) and `ten-issues.md` (the same made precise; "spec").
Below the formulas: the random material that the tests share, and how they compare.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

#: The document's numbers and the reviewed code base's, copied by hand.
DOCUMENT_NUMBERS: dict[str, float] = {
    "near_threshold": 1.0,
    "near_weight": 5.0,
    "alpha": 0.85,
    "silog_ratio": 10.0,
    "silog_lambda": 0.85,
    "ssi_weight": 0.7,
    "silog_weight": 0.3,
    "min_depth": 1e-3,
    "max_depth": 100.0,
    "expected_weight_mean": 1.75,
    "dataset_weight_mean": 2.016,  # NCDB's 25.4 % near: 1 + 4 * 0.254
    "ssi_minimum": 1e-6,
    "ssi_maximum": 1.0,
    "smooth_range": 0.3,
    "ramp_half_width": 0.2,
    "pixel_gradient_limit": 3.0,
    "near_part": 0.7,
    "speed_kmh": 50.0,
    "reaction_seconds": 0.5,
    "start_epoch": 0.0,
    "end_epoch": 50.0,
    "start_threshold": 0.5,
    "end_threshold": 1.5,
}

DOCUMENT_FIXES = (
    "1-1",
    "1-2",
    "2-1",
    "2-2a",
    "2-2b",
    "3-1",
    "4-1",
    "4-2",
    "5-1",
    "5-2",
    "6-1",
    "6-2",
    "7-1",
    "7-2",
    "8-1",
    "9-1",
    "9-2",
    "9-3",
    "10-1",
    "10-2",
)
OTHER_FIXES = (
    "1-3",
    "4-3",
    "5-1w",
    "8-1w",
    "8-2",
)
RECOMMENDATION = (
    "1-1",
    "2-1",
    "3-1",
    "4-2",
    "5-1",
    "6-1",
    "7-1",
    "8-1",
    "9-3",
    "10-1",
)

Fixes = Collection[str]
Numbers = Mapping[str, float]


# --- the formulas -------------------------------------------------------------------------------------------------------


def threshold_at(fixes: Fixes, n: Numbers, epoch: float, of: float) -> float:
    """Issue 9: the near-field threshold in metres; every fix goes through the setter that clamps to [0.3, 3.0]."""
    document_epoch = epoch * 50.0 / of  # schedules stretch with the run's length, the document's being 50
    if "9-1" in fixes:
        metres = n["speed_kmh"] / 3.6 * n["reaction_seconds"]
    elif "9-2" in fixes:
        if document_epoch <= n["start_epoch"]:
            metres = n["start_threshold"]
        elif document_epoch >= n["end_epoch"]:
            metres = n["end_threshold"]
        else:
            share = (document_epoch - n["start_epoch"]) / (n["end_epoch"] - n["start_epoch"])
            metres = (1.0 - share) * n["start_threshold"] + share * n["end_threshold"]
    elif "9-3" in fixes:
        if document_epoch < 10.0:
            metres = 0.5
        elif document_epoch < 30.0:
            metres = 1.0
        else:
            metres = 1.5
    else:
        return n["near_threshold"]  # the baseline's constant never meets the setter
    return max(0.3, min(3.0, metres))


def depth_of(gt: Tensor) -> Tensor:
    """True depth in metres, `1 / clamp(g, 1e-6)`; what is no depth at all (<= 0, NaN, inf) is put infinitely far."""
    gt = gt.clone()
    gt[~torch.isfinite(gt)] = 0.0
    return 1.0 / gt.clamp(min=1e-6)


def weight_map(fixes: Fixes, depths: Tensor, threshold: float, n: Numbers) -> Tensor:
    """`get_distance_weight_mask`: issue 5's solutions, else the hard boundary."""
    heavy = n["near_weight"]
    if "5-1" in fixes or "5-1w" in fixes:
        depth_normalized = (depths - threshold) / n["smooth_range"]
        sigmoid_weight = (1.0 + torch.tanh(depth_normalized)) / 2.0
        if "5-1w" in fixes:
            return 1.0 + (heavy - 1.0) * sigmoid_weight
        return 1.0 + (heavy - 1.0) * (1.0 - sigmoid_weight)
    weight_mask = torch.ones_like(depths)
    if "5-2" in fixes:
        begin, end = threshold - n["ramp_half_width"], threshold + n["ramp_half_width"]
        weight_mask[depths < begin] = heavy
        transition_mask = (depths >= begin) & (depths < end)
        share = (depths[transition_mask] - begin) / (end - begin)
        weight_mask[transition_mask] = heavy * (1 - share) + 1.0 * share
        return weight_mask
    weight_mask[depths < threshold] = heavy
    return weight_mask


def normalised_weights(fixes: Fixes, w: Tensor, n: Numbers) -> tuple[Tensor, Tensor]:
    """Issues 1, 3, 10 (and 8-1 to the letter): the weights of the valid pixels -> SSI's and SILog's."""
    if "8-1w" in fixes:
        return w, w
    if "1-1" in fixes or "10-1" in fixes or "1-3" in fixes:
        mean = n["dataset_weight_mean"] if "1-3" in fixes else n["expected_weight_mean"]
        # The near share that this mean implies, and what it makes of sqrt(w).
        near_share = 0.0 if n["near_weight"] == 1.0 else (mean - 1.0) / (n["near_weight"] - 1.0)
        root_mean = near_share * math.sqrt(n["near_weight"]) + (1.0 - near_share)
    elif "1-2" in fixes:
        mean = root_mean = 1.0
    else:
        mean, root_mean = w.mean(), torch.sqrt(w).mean()
    if "3-1" in fixes:
        return torch.clamp(w / (mean + 1e-8), 0.5, 5.0), torch.clamp(torch.sqrt(w) / (root_mean + 1e-8), 0.7, 2.0)
    return w / mean, w / mean


def scaled_residual(fixes: Fixes, r: Tensor) -> Tensor:
    """Issue 8. The deviation of one pixel, which `torch.std` calls NaN, is 0."""
    std = r.std() if r.numel() > 1 else torch.zeros_like(r.sum())
    if "8-1" in fixes or "8-1w" in fixes:
        return (r - r.mean()) / (std + 1e-8)
    if "8-2" in fixes:
        return r / (std.detach() + 1e-8)
    return r


def first_and_second_moment(fixes: Fixes, r: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Issue 2, solution 2-1: weighted moments; else the plain moments of the weighted residuals."""
    if "2-1" in fixes:
        return (r * u).sum() / u.sum(), (r**2 * u).sum() / u.sum()
    x = r * u
    return x.mean(), (x**2).mean()


def ssi_of(fixes: Fixes, r: Tensor, u: Tensor, n: Numbers) -> Tensor:
    """`compute_ssi_loss`, with issue 2's squashes."""
    mean, second = first_and_second_moment(fixes, r, u)
    ssi = (second - mean**2) + n["alpha"] * mean**2
    if "2-2a" in fixes:
        ssi = torch.clamp(ssi, n["ssi_minimum"], n["ssi_maximum"])
    if "2-2b" in fixes:
        ssi = torch.log1p(ssi)
    return ssi


def silog_of(fixes: Fixes, r: Tensor, u: Tensor, n: Numbers) -> Tensor:
    """`compute_silog_loss`; the document's code for issue 8 leaves the factor out."""
    mean, second = first_and_second_moment(fixes, r, u)
    root = torch.sqrt(torch.abs(second - n["silog_lambda"] * mean**2) + 1e-8)
    return root if "8-1w" in fixes else root * n["silog_ratio"]


def ssi_and_silog(fixes: Fixes, pred: Tensor, gt: Tensor, w: Tensor, n: Numbers) -> Tensor:
    """`forward` on pixels already selected: 0.7 SSI + 0.3 SILog, with fix 4-1's hooks on the two scalars."""

    def depth(inverse: Tensor) -> Tensor:
        return torch.clamp(1.0 / torch.clamp(inverse, min=1e-6), n["min_depth"], n["max_depth"])

    diff = pred - gt
    log_diff = torch.log(depth(pred) * n["silog_ratio"]) - torch.log(depth(gt) * n["silog_ratio"])
    u_ssi, u_silog = normalised_weights(fixes, w, n)
    ssi_loss = ssi_of(fixes, scaled_residual(fixes, diff), u_ssi, n)
    silog_loss = silog_of(fixes, scaled_residual(fixes, log_diff), u_silog, n)
    if "4-1" in fixes:
        for term in (ssi_loss, silog_loss):
            if term.requires_grad:
                term.register_hook(lambda grad: torch.clamp(grad, -1.0, 1.0))
    return n["ssi_weight"] * ssi_loss + n["silog_weight"] * silog_loss


def weighted_parts(
    fixes: Fixes, pred: Tensor, gt: Tensor, valid: Tensor, shown: Tensor, threshold: float, n: Numbers
) -> list[tuple[Tensor, Tensor]]:
    """The losses that one scale's total is the sum of, each already multiplied by its share, with its pixels.

    `shown` is the depth map that the weights are computed from. One part, or two with fix 6-2.
    """
    if "6-2" in fixes:
        near_mask = valid & (depth_of(gt) < threshold)
        far_mask = valid & ~near_mask
        parts = []
        both = bool(near_mask.any()) and bool(far_mask.any())
        for part_mask, weight, share in ((near_mask, n["near_weight"], n["near_part"]), (far_mask, 1.0, 1.0 - n["near_part"])):
            if part_mask.sum() > 0:
                loss = ssi_and_silog(fixes, pred[part_mask], gt[part_mask], torch.full_like(gt[part_mask], weight), n)
                parts.append((share * loss if both else loss, part_mask))
        return parts
    w = weight_map(fixes, shown, threshold, n)
    return [(ssi_and_silog(fixes, pred[valid], gt[valid], w[valid], n), valid)]


def unweighted_loss(pred: Tensor, gt: Tensor, valid: Tensor, n: Numbers) -> Tensor:
    """The parent class `SSISilogLoss`, spelt out."""
    p, g = pred[valid], gt[valid]
    diff = p - g
    ssi = ((diff**2).mean() - diff.mean() ** 2) + n["alpha"] * diff.mean() ** 2
    low, high = n["min_depth"], n["max_depth"]
    depth_p = torch.clamp(1.0 / torch.clamp(p, min=1e-6), low, high)
    depth_g = torch.clamp(1.0 / torch.clamp(g, min=1e-6), low, high)
    log_diff = torch.log(depth_p * n["silog_ratio"]) - torch.log(depth_g * n["silog_ratio"])
    silog = torch.sqrt(torch.abs((log_diff**2).mean() - n["silog_lambda"] * log_diff.mean() ** 2) + 1e-8) * n["silog_ratio"]
    return n["ssi_weight"] * ssi + n["silog_weight"] * silog


def nearest(image: Tensor, height: int, width: int) -> Tensor:
    """Nearest-neighbour resizing: pixel i of h takes pixel floor(i * H / h) of H."""
    rows = torch.tensor([i * image.shape[-2] // height for i in range(height)])
    columns = torch.tensor([j * image.shape[-1] // width for j in range(width)])
    return image[..., rows, :][..., columns]


def one_scale(
    fixes: Fixes, pred: Tensor, gt: Tensor, mask: Tensor | None, finest: Tensor, threshold: float, n: Numbers, scales: int
) -> tuple[float, Tensor]:
    """Value, and gradient of its share (1 / scales) of the mean over scales."""
    valid = torch.isfinite(gt) & (gt > 0)
    if mask is not None:
        valid = valid & (mask != 0)
    if valid.sum() == 0:
        return 0.0, torch.zeros_like(pred)
    pred = pred.detach().clone().requires_grad_()
    shown = nearest(depth_of(finest), *gt.shape[-2:]) if "10-2" in fixes else depth_of(gt)
    parts = weighted_parts(fixes, pred, gt, valid, shown, threshold, n)
    total = sum(loss for loss, _ in parts)
    if "4-2" in fixes and not torch.isfinite(total):
        total = unweighted_loss(pred, gt, valid, n)
        parts = [(total, valid)]
    gradient = torch.zeros_like(pred)
    for loss, pixels in parts:
        (part,) = torch.autograd.grad(loss / scales, pred, retain_graph=True)
        if "4-3" in fixes:
            bound = n["pixel_gradient_limit"] * torch.sqrt((part[pixels] ** 2).mean())
            part = torch.clamp(part, -bound, bound)
        gradient = gradient + part
    return float(total.detach()), gradient


def oracle(
    fixes: Fixes,
    preds: Sequence[Tensor],
    gt: Tensor | Sequence[Tensor],
    mask: Tensor | Sequence[Tensor] | None = None,
    epoch: float = 0.0,
    of: float = 50.0,
    **numbers: float,
) -> tuple[float, list[Tensor]]:
    """The loss and its gradient with respect to each scale's prediction, all [B, 1, H, W], in float64."""
    unknown = [fix for fix in fixes if fix not in (*DOCUMENT_FIXES, *OTHER_FIXES)]
    if unknown:
        raise NotImplementedError(f"the oracle does not know fix {unknown[0]}: write its formula here, from its source")
    n = {**DOCUMENT_NUMBERS, **numbers}
    sizes = [pred.shape[-2:] for pred in preds]
    gts = [nearest(gt, *size) for size in sizes] if isinstance(gt, Tensor) else list(gt)
    masks = [None if mask is None else nearest(mask, *size) for size in sizes] if not isinstance(mask, list) else mask
    threshold = threshold_at(fixes, n, epoch, of)
    results = [
        one_scale(fixes, p.double(), g.double(), m, gts[0].double(), threshold, n, len(preds))
        for p, g, m in zip(preds, gts, masks, strict=True)
    ]
    return sum(value for value, _ in results) / len(preds), [gradient for _, gradient in results]


# --- the material -------------------------------------------------------------------------------------------------------

#: Every number away from its default; limits narrow enough to bind.
OTHER_NUMBERS: dict[str, float] = {
    "near_threshold": 1.4,
    "near_weight": 3.0,
    "alpha": 0.6,
    "silog_ratio": 7.0,
    "silog_lambda": 0.5,
    "ssi_weight": 1.3,  # above 1: fix 4-1 has something to clamp
    "silog_weight": 0.45,
    "min_depth": 0.3,
    "max_depth": 15.0,
    "expected_weight_mean": 1.4,
    "dataset_weight_mean": 1.9,
    "ssi_minimum": 0.01,
    "ssi_maximum": 0.2,
    "smooth_range": 0.5,
    "ramp_half_width": 0.3,
    "pixel_gradient_limit": 1.5,
    "near_part": 0.6,
    "speed_kmh": 6.0,
    "reaction_seconds": 0.8,
    "start_epoch": 5.0,
    "end_epoch": 40.0,
    "start_threshold": 0.6,
    "end_threshold": 2.0,
}


@dataclass(frozen=True)
class Material:
    """What a loss is called with: predictions finest first, true inverse depth, mask. Every value fits float32."""

    preds: list[Tensor]
    gt: Tensor | list[Tensor]
    mask: Tensor | list[Tensor] | None = None

    def to(self, dtype: torch.dtype) -> Material:
        """The same in this type; bool masks stay bool."""

        def cast(values: Tensor | list[Tensor] | None) -> Tensor | list[Tensor] | None:
            if isinstance(values, list):
                return [cast(value) for value in values]
            return values if values is None or values.dtype == torch.bool else values.to(dtype)

        return Material(cast(self.preds), cast(self.gt), cast(self.mask))


def scene(
    images: int, height: int, width: int, seed: int, nearest_m: float = 0.2, farthest_m: float = 20.0
) -> tuple[Tensor, Tensor]:
    """Predicted and true inverse depth [images, 1, height, width]: depth log-uniform, predictions off by 30 %."""
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(images, 1, height, width, generator=generator)
    gt = 1.0 / (nearest_m * (farthest_m / nearest_m) ** share)
    pred = gt * torch.exp(0.3 * torch.randn(images, 1, height, width, generator=generator) + 0.1)
    return pred, gt


def spoil(gt: Tensor, pred: Tensor) -> None:
    """Plant every kind of invalid truth, with predictions there that must not matter."""
    flat_gt, flat_pred = gt.view(-1), pred.view(-1)
    for place, bad in enumerate((0.0, -1.0, math.nan, math.inf, -math.inf)):
        flat_gt[place * 7 :: 41] = bad
    invalid = ~(torch.isfinite(flat_gt) & (flat_gt > 0))
    values = torch.tensor([math.nan, math.inf, -math.inf, 0.0, -5.0, 1e30])
    flat_pred[invalid] = values.repeat(len(flat_pred))[: int(invalid.sum())]


def material(kind: str, seed: int = 0) -> Material:
    """The named kind of batch; the keys of `MATERIALS` are the names."""
    return MATERIALS[kind](seed)


def plain(seed: int) -> Material:
    pred, gt = scene(3, 12, 16, seed)
    return Material([pred], gt)


def one_image(seed: int) -> Material:
    pred, gt = scene(1, 9, 7, seed)
    return Material([pred], gt)


def invalid_pixels(seed: int) -> Material:
    pred, gt = scene(3, 12, 16, seed)
    spoil(gt, pred)
    return Material([pred], gt)


def bool_mask(seed: int) -> Material:
    pred, gt = scene(2, 12, 16, seed)
    spoil(gt, pred)
    mask = torch.rand(gt.shape, generator=torch.Generator().manual_seed(seed + 1)) < 0.7
    pred[~mask] = math.nan
    return Material([pred], gt, mask)


def float_mask(seed: int) -> Material:
    made = bool_mask(seed)
    return Material(made.preds, made.gt, made.mask.float())


def empty_mask(seed: int) -> Material:
    pred, gt = scene(2, 6, 8, seed)
    pred.view(-1)[::5] = math.nan
    return Material([pred], gt, torch.zeros_like(gt, dtype=torch.bool))


def no_truth(seed: int) -> Material:
    pred, gt = scene(2, 6, 8, seed)
    gt[0], gt[1] = 0.0, math.nan
    return Material([pred], gt)


def all_near(seed: int) -> Material:
    pred, gt = scene(2, 6, 8, seed, 0.15, 0.28)  # nearer than every threshold
    return Material([pred], gt)


def all_far(seed: int) -> Material:
    pred, gt = scene(2, 6, 8, seed, 4.0, 20.0)
    return Material([pred], gt)


def one_pixel(seed: int) -> Material:
    pred, gt = scene(2, 6, 8, seed)
    mask = torch.zeros_like(gt, dtype=torch.bool)
    mask[1, 0, 2, 3] = True
    return Material([pred], gt, mask)


def three_scales(seed: int) -> Material:
    pred, gt = scene(2, 12, 16, seed)
    spoil(gt, pred)
    return Material([pred, scene(2, 6, 8, seed + 1)[0], scene(2, 3, 4, seed + 2)[0]], gt)


def odd_scales(seed: int) -> Material:
    pred, gt = scene(1, 11, 13, seed)
    small, _ = scene(1, 5, 7, seed + 1)
    mask = torch.rand(gt.shape, generator=torch.Generator().manual_seed(seed + 2)) < 0.8
    return Material([pred, small], gt, mask)


def own_truth(seed: int) -> Material:
    """A truth for each scale that is not the finest one resized: where fix 10-2 does something."""
    pairs = [scene(2, 12, 16, seed), scene(2, 6, 8, seed + 1)]
    masks = [torch.ones_like(gt, dtype=torch.bool) for _, gt in pairs]
    masks[1][0, 0, 0] = False
    return Material([pred for pred, _ in pairs], [gt for _, gt in pairs], masks)


def wild_prediction(seed: int) -> Material:
    """Predictions <= 0 and beyond the depth limits."""
    pred, gt = scene(2, 12, 16, seed)
    flat = pred.view(-1)
    flat[::17], flat[1::31], flat[2::37], flat[3::41] = 0.0, -0.4, 1e-3, 2.5e3
    return Material([pred], gt)


MATERIALS = {
    made.__name__: made
    for made in (
        plain,
        one_image,
        invalid_pixels,
        bool_mask,
        float_mask,
        empty_mask,
        no_truth,
        all_near,
        all_far,
        one_pixel,
        three_scales,
        odd_scales,
        own_truth,
        wild_prediction,
    )
}


def random_unions(known: Sequence[str], count: int, seed: int) -> list[tuple[str, ...]]:
    """Random sets of 2 to 12 fixes that do not clash, by what the document says excludes what."""
    exclusive = (
        {"1-1", "10-1"},  # one choice, so compatible with each other, with no other of the group below
        {"1-2"},
        {"1-3"},
    )
    rivals = [{"2-2a", "2-2b"}, {"3-1", "8-1w"}, {"4-1", "4-2", "4-3"}, {"5-1", "5-1w", "5-2"}, {"8-1", "8-2"}]
    rivals += [{"8-1w", "8-2"}, {"9-1", "9-2", "9-3"}]
    chance, unions = random.Random(seed), []
    while len(unions) < count:
        fixes = set(chance.sample(list(known), chance.randint(2, 12)))
        legal = sum(bool(fixes & group) for group in exclusive) <= 1 and all(len(fixes & group) <= 1 for group in rivals)
        if legal:
            unions.append(tuple(fix for fix in known if fix in fixes))
    return unions


# --- the comparison -----------------------------------------------------------------------------------------------------


def value_difference(value: float, expected: float) -> float:
    """Relative to the expected value; 0 is met by 0 alone."""
    if expected == 0.0:
        return 0.0 if value == 0.0 else math.inf
    return abs(value - expected) / abs(expected)


def gradient_difference(gradient: Tensor, expected: Tensor, floor: float = 0.0) -> float:
    """Largest difference relative to the largest gradient of a pixel (or to `floor`, see `standardised_gradient`)."""
    if not torch.isfinite(gradient).all():
        return math.inf
    size = max(float(expected.abs().max()), floor)
    difference = float((gradient.double() - expected).abs().max())
    return difference / size if size > 0 else (0.0 if difference == 0.0 else math.inf)


def valid_pixels(gt: Tensor, mask: Tensor | None = None) -> Tensor:
    valid = torch.isfinite(gt) & (gt > 0)
    return valid if mask is None else valid & (mask != 0)


def standardised_gradient(made: Material, value: float) -> float:
    """The size of the terms that cancel in the gradient of a standardised residual: value / (pixels * deviation).

    Where the weights are constant the true gradient of fix 8-1 is zero and what is left is these
    terms' rounding, so there the difference is measured against them. The deviation taken is the median error of the farthest
    quarter of the pixels, the smallest there is.
    """
    gts, masks = (one if isinstance(one, list) else [one] for one in (made.gt, made.mask))
    valid = valid_pixels(gts[0], masks[0])
    if valid.sum() < 8:
        return 0.0
    gt, pred = gts[0][valid].double(), made.preds[0][valid].double()
    farthest = gt <= gt.quantile(0.25)
    return abs(value) / (int(valid.sum()) * float((pred - gt)[farthest].abs().median()))


def evaluate(losses, made: Material, preds: list[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
    """K totals of a `Losses` on one material, and the gradient of their sum for each scale's [K, B, 1, H, W].

    `preds`: a prediction of its own for each configuration, in place of the material's for all.
    """
    count = len(losses.configurations)
    stacked = preds if preds is not None else [pred.expand(count, *pred.shape) for pred in made.preds]
    leaves = [pred.detach().clone().requires_grad_() for pred in stacked]
    totals = losses(leaves, made.gt, made.mask)
    totals.sum().backward()
    return totals.detach(), [leaf.grad for leaf in leaves]
