"""The arithmetic of SSI and SILog on rows of pixels, [.., P] -> [..], independent of any fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nfloss.numbers import Number

#: The integer type as wide as each float type.
BITS = {torch.float64: torch.int64, torch.float32: torch.int32, torch.bfloat16: torch.int16, torch.float16: torch.int16}
SMALLEST_INVERSE_DEPTH = 1e-6  # 1/m, the document's clamp before a division
INSIDE_ROOT = 1e-8


@dataclass(frozen=True)
class Target:
    """One scale's ground truth, shared by all configurations. Tensors are [P] unless stated, and finite at invalid pixels.

    `valid` is 1.0 or 0.0; `inverse` depth is in 1/m, `log_inverse` its logarithm after clamping to the limits. `bits` (all bits
    one where valid) and `filling` (`inverse` where invalid) replace predictions at invalid pixels. `count` [] is the number
    of valid pixels; `image_depth` [B, 1, H, W] is in metres.
    """

    valid: Tensor
    inverse: Tensor
    log_inverse: Tensor
    bits: Tensor
    filling: Tensor
    count: Tensor
    image_depth: Tensor
    inverse_limits: tuple[float, float]

    @classmethod
    def of(
        cls, gt: Tensor, mask: Tensor | None, min_depth: float, max_depth: float, dtype: torch.dtype | None = None
    ) -> Target:
        """Build it from true inverse depth and a mask, both [B, 1, H, W]; values that are not finite or <= 0 are invalid.

        `dtype` is that of the predictions, by default that of `gt`.
        """
        valid = torch.isfinite(gt) & (gt > 0)
        depth = 1.0 / torch.where(valid, gt, 0.0).clamp(min=SMALLEST_INVERSE_DEPTH)
        if mask is not None:
            valid = valid & mask.bool()
        limits = max(1.0 / max_depth, SMALLEST_INVERSE_DEPTH), 1.0 / min_depth
        inverse = torch.where(valid, gt, 1.0).flatten()
        log_inverse, inverse = inverse.clamp(*limits).log(), inverse.to(dtype or gt.dtype)
        counted, bits = valid.flatten().to(gt.dtype), bits_of(valid.flatten(), inverse.dtype)
        return cls(counted, inverse, log_inverse, bits, masked(inverse, ~bits), counted.sum(), depth, limits)

    def residuals(self, pred: Tensor) -> Tensor:
        """Inverse-depth and log-depth residuals [2, R, P] of pred [R, P]; 0 at invalid pixels, even where pred is NaN."""
        of_both: Tensor = Residuals.apply(pred, self.bits, self.filling, self.inverse, self.log_inverse, self.inverse_limits)
        return of_both


def bits_of(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """True as an integer with all bits one, False as 0, as wide as `dtype`."""
    return -pixels.to(BITS[dtype])


def masked(values: Tensor, bits: Tensor) -> Tensor:
    """Values [.., P] where `bits` [P] is all ones, 0 elsewhere, even for NaN; takes a tenth of the time of `torch.where`."""
    return (values.view(bits.dtype) & bits).view(values.dtype)


def may_ask(values: Tensor) -> bool:
    """Whether reading a value is cheap: on a GPU it waits for the device, in a compiled graph it breaks the graph."""
    return values.device.type == "cpu" and not torch.compiler.is_compiling()


def within(values: Tensor, limits: tuple[float, float]) -> bool:
    """True where all values lie within the limits; False also where checking this would not be cheap."""
    if not may_ask(values) or not values.numel():
        return False
    low, high = values.aminmax()
    return limits[0] <= low.item() and high.item() <= limits[1]


class Residuals(torch.autograd.Function):
    """p - g and log g - log p of inverse depth, with a gradient written by hand, in half of autograd's passes.

    d (p - g) / d p = 1 and d (-log p) / d p = -1 / p. The second is 0 outside the limits; both are 0 at invalid pixels.
    """

    @staticmethod
    def forward(
        ctx: Any, pred: Tensor, bits: Tensor, filling: Tensor, inverse: Tensor, log_inverse: Tensor, limits: tuple[float, float]
    ) -> Tensor:
        safe = masked(pred, bits).add_(filling)
        clamped = divisor = safe
        if not within(safe, limits):
            clamped = safe.clamp(*limits)
            divisor = torch.where(safe == clamped, clamped, torch.inf)
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(bits, divisor)
        of_both = safe.new_empty(2, *safe.shape)
        of_inverse, of_log = of_both
        torch.sub(safe, inverse, out=of_inverse)
        torch.log(clamped, out=of_log)
        torch.sub(log_inverse, of_log, out=of_log)
        return of_both

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_both: Tensor) -> tuple[Tensor | None, ...]:
        bits, divisor = ctx.saved_tensors
        of_inverse, of_log = of_both
        gradient = torch.addcdiv(of_inverse, of_log, divisor, value=-1.0)
        gradient.view(bits.dtype).bitwise_and_(bits)
        return gradient, None, None, None, None, None


def moments(values: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and variance, centred: E[x^2] - E[x]^2 turns negative in float32.

    values [.., P] and constant weights that broadcast to their shape -> two tensors [..]; 0 where all weights are 0.
    """
    mean, variance = Moments.apply(values, weights)
    return mean, variance


def sums(values: Tensor) -> Tensor:
    """[.., P] -> [..]; rows that an `expand` repeats are summed once."""
    once = [slice(0, 1) if stride == 0 else slice(None) for stride in values.stride()[:-1]]
    return values[tuple(once)].sum(-1).expand(values.shape[:-1])


class Moments(torch.autograd.Function):
    """Mean and variance with a gradient written by hand, in half of autograd's passes over the pixels.

    d mean / d x_i = w_i / W and d variance / d x_i = 2 w_i (x_i - mean) / W: the part through the mean cancels.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        total = sums(weights).clamp(min=torch.finfo(weights.dtype).tiny)
        work = values * weights  # one buffer for all steps: a core's own cache is small
        mean = work.sum(-1) / total
        torch.sub(values, mean.unsqueeze(-1), out=work)
        work.square_().mul_(weights)
        ctx.save_for_backward(values, weights, mean, total)
        return mean, work.sum(-1) / total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_mean: Tensor, of_variance: Tensor) -> tuple[Tensor, None]:
        values, weights, mean, total = ctx.saved_tensors
        gradient = values - mean.unsqueeze(-1)
        slope, level = gradient_line(of_mean, of_variance, total)
        return gradient.mul_(slope).add_(level).mul_(weights), None


def gradient_line(of_mean: Tensor, of_variance: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
    """Slope and level, both [.., 1]: a pixel of weight 1 has the gradient slope * (x - mean) + level."""
    return (2.0 * of_variance / total).unsqueeze(-1), (of_mean / total).unsqueeze(-1)


def masked_moments(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """`moments` for weights of 0 and 1, in fewer passes over the pixels."""
    mean, variance = MaskedMoments.apply(values, mask)
    return mean, variance


class MaskedMoments(torch.autograd.Function):
    """As `Moments`: d mean / d x_i = m_i / M and d variance / d x_i = 2 m_i (x_i - mean) / M."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        total = sums(mask).clamp(min=1.0)
        centred = values * mask
        mean = centred.sum(-1) / total
        centred.addcmul_(mask, mean.unsqueeze(-1), value=-1.0)
        ctx.save_for_backward(centred, mask, total)
        return mean, torch.linalg.vector_norm(centred, dim=-1).square() / total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_mean: Tensor, of_variance: Tensor) -> tuple[Tensor, None]:
        centred, mask, total = ctx.saved_tensors
        slope, level = gradient_line(of_mean, of_variance, total)
        return (centred * slope).addcmul_(mask, level), None


def plain_moments(values: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance over `count` pixels of values [.., P] that are 0 elsewhere, in two passes; 0 where `count` is 0.

    E[x^2] - E[x]^2 loses digits of the variance where the mean is large. That is harmless here: the losses add a multiple of
    the squared mean to it, and the sum is accurate. Not meant for gradients.
    """
    count = count.clamp(min=1.0)
    mean, squared = values.sum(-1) / count, torch.linalg.vector_norm(values, dim=-1).square() / count
    return mean, (squared - mean.square()).clamp(min=0.0)


def scale_shift_invariant(mean: Tensor, variance: Tensor, alpha: Number) -> Tensor:
    """SSI: variance + alpha * mean^2 of the inverse-depth residual."""
    return variance + alpha * mean.square()


def scale_invariant_log(mean: Tensor, variance: Tensor, silog_lambda: Number, gain: Number) -> Tensor:
    """SILog: gain * sqrt(|E[x^2] - lambda E[x]^2| + 1e-8) of the log-depth residual."""
    return gain * (torch.abs(variance + (1.0 - silog_lambda) * mean.square()) + INSIDE_ROOT).sqrt()
