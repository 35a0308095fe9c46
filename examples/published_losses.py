"""Losses of published depth networks, for `design: losses:` (experiments/published_losses.yaml).

Each takes predicted and true inverse depth (1/m) and a mask, all [B, 1, H, W], and returns one number. z is depth in metres,
e = ln z - ln true z; means are over the pixels of the mask. All but `scale_and_shift_invariant` treat the batch as one image.

`silog_1` and `scale_and_shift_invariant` are blind to scale (the second also to a shift of inverse depth): nothing in them
keeps metres right, so they cannot be expected to do well by errors in metres or ln metres.
"""

import torch


def mean(values, mask, weight=1.0):
    """Weighted mean over the pixels of the mask."""
    return (values * weight * mask).sum() / (weight * mask).sum()


def silog(prediction, truth, mask, share, weight=1.0):
    """10 sqrt(mean(e^2) - share * mean(e)^2): Eigen, Puhrsch, Fergus 2014 (arXiv 1406.2283, equation 4), with the root and the
    factor of Lee et al. 2019 (BTS, arXiv 1907.10326)."""
    error = torch.log(truth / prediction)
    spread = mean(error**2, mask, weight) - share * mean(error, mask, weight) ** 2
    return 10.0 * (spread.clamp(min=0.0) + 1e-8).sqrt()


def silog_0(prediction, truth, mask):
    """SILog, lambda 0: the RMSE of ln depth. Eigen et al. 2014."""
    return silog(prediction, truth, mask, 0.0)


def silog_050(prediction, truth, mask):
    """SILog, lambda 0.5: Eigen et al. 2014, who train with it."""
    return silog(prediction, truth, mask, 0.5)


def silog_085(prediction, truth, mask):
    """SILog, lambda 0.85: Lee et al. 2019 (BTS), AdaBins and many since."""
    return silog(prediction, truth, mask, 0.85)


def silog_1(prediction, truth, mask):
    """SILog, lambda 1: Eigen et al. 2014's scale-invariant error. It does not see the scale of depth."""
    return silog(prediction, truth, mask, 1.0)


def silog_near(prediction, truth, mask):
    """SILog, lambda 0.85, each pixel with the weight min(0.3/z, 8): near pixels count more, without a boundary. No paper's."""
    return silog(prediction, truth, mask, 0.85, weight=(0.3 * truth).clamp(max=8.0))


def berhu(error, mask):
    """Reverse Huber: |x|, and (x^2 + c^2) / 2c beyond c, a fifth of the batch's largest |x|: Laina et al. 2016 (FCRN, arXiv
    1606.00373)."""
    size = error.abs() * mask
    limit = 0.2 * size.detach().max().clamp(min=1e-12)
    return mean(torch.where(size <= limit, size, (size**2 + limit**2) / (2.0 * limit)), mask)


def l1_depth(prediction, truth, mask):
    """L1 in metres: Ma and Karaman 2018 (sparse-to-dense, arXiv 1709.07492) compare it with L2 and berHu."""
    return mean((1.0 / prediction - 1.0 / truth).abs(), mask)


def l2_depth(prediction, truth, mask):
    """L2 in metres: as Laina et al. 2016 compare it."""
    return mean((1.0 / prediction - 1.0 / truth) ** 2, mask)


def berhu_depth(prediction, truth, mask):
    """berHu in metres: Laina et al. 2016."""
    return berhu(1.0 / prediction - 1.0 / truth, mask)


def l1_ln(prediction, truth, mask):
    """L1 in ln depth: what the neutral start networks are trained with (docs/regime.md)."""
    return mean(torch.log(truth / prediction).abs(), mask)


def l2_ln(prediction, truth, mask):
    """L2 in ln depth: SILog with lambda 0, without its root."""
    return mean(torch.log(truth / prediction) ** 2, mask)


def berhu_ln(prediction, truth, mask):
    """berHu in ln depth: Laina et al. 2016, of another error."""
    return berhu(torch.log(truth / prediction), mask)


def scale_and_shift_invariant(prediction, truth, mask):
    """L1 of inverse depth after each image's own shift and scale, median and mean deviation from it, are taken out: Ranftl et
    al. 2020 (MiDaS, arXiv 1907.01341), without their trimming. It sees neither scale nor shift."""
    inside = mask.flatten(1)
    one, other = (aligned(values.flatten(1), inside) for values in (prediction, truth))
    return 0.5 * mean((one - other).abs(), inside)


def aligned(values, mask):
    """Values [B, P] less their image's median, divided by their mean distance from it; 0 outside the mask."""
    shift = torch.where(mask, values, torch.nan).nanmedian(dim=1, keepdim=True).values
    centred = torch.where(mask, values - shift, 0.0)
    return centred / (centred.abs().sum(1, keepdim=True) / mask.sum(1, keepdim=True)).clamp(min=1e-6)
