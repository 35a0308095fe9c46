"""Writes a configuration as one Python file that imports only torch, for training code without other dependencies.

Choices are pure functions, so the file consists of their sources and a class for this one configuration.
"""

from __future__ import annotations

import dis
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import torch
import torch.nn.functional as F

from nfloss.configuration import LOSS_SLOTS, Configuration
from nfloss.evaluation.rows import guard_of, partition_of
from nfloss.registry import find_fix
from nfloss.slots import BASELINE, number_names, silog_ratio_gain
from nfloss.terms import scale_invariant_log, scale_shift_invariant

Function = Callable[..., Any]
Helper = FunctionType | type[Any]
#: Numbers that the class itself uses, for any choices.
OWN_NUMBERS = ("near_threshold", "alpha", "silog_lambda", "ssi_weight", "silog_weight", "min_depth", "max_depth")
KNOWN_MODULES = {"torch": torch, "F": F}


def standalone(configuration: Configuration, evidence: Iterable[str] = ()) -> str:
    """The source of a module with a class `SSISilogNearFieldLoss` for this configuration.

    Called with (pred_inv_depth, gt_inv_depth, mask), it returns the value and gradient of `nfloss.SSISilogNearFieldLoss` up to
    rounding. Its numbers are arguments of its constructor. It records nothing (fixes 7-1, 7-2).

    Args:
        evidence: lines for the module's docstring.

    Raises:
        ValueError: the function of a choice has no source, or uses another module than torch.
    """
    used = functions_by_role(configuration)
    fallback = guard_of(configuration).fallback
    taken = {name for function in used.values() for name in number_names(function)} | {*OWN_NUMBERS}
    taken |= set(number_names(silog_ratio_gain)) if fallback else set()
    numbers = {name: value for name, value in vars(configuration.numbers).items() if name in taken}
    functions = list(with_helpers([*used.values(), scale_shift_invariant, scale_invariant_log]))
    filled = CLASS.format(
        **calls(used),
        arguments=",\n        ".join(f"{name}: float = {value!r}" for name, value in numbers.items()),
        assignments="\n        ".join(f"self.{name} = {name}" for name in numbers),
        returned="self._with_fallback(total, flat, main, usable, inverse)" if fallback else "total",
        own_view="flat.view_as(flat)" if fallback else "flat",
    )
    head = HEAD.format(doc=module_docstring(configuration, evidence), constants=constants(functions))
    parts = [head, *map(inspect.getsource, functions), filled]
    parts += [FALLBACK] * fallback
    momentum = configuration.choices["bn_momentum"]
    parts += [MOMENTUM.format(momentum=momentum(configuration.numbers))] * (momentum != BASELINE["bn_momentum"])
    return "\n\n\n".join(part.strip("\n") for part in parts).replace("\n\n\n    def", "\n\n    def") + "\n"


def functions_by_role(c: Configuration) -> dict[str, Function]:
    """The functions that the loss calls, by slot or by part of a partition or guard."""
    partition, guard = partition_of(c), guard_of(c)
    plain = {slot: c.choices[slot].function for slot in LOSS_SLOTS if slot not in ("partition", "guard")}
    used = {**plain, "split": partition.split, "join": partition.join, "pixels": guard.pixels, "terms": guard.terms}
    return {name: function for name, function in used.items() if callable(function)}


def calls(used: dict[str, Function]) -> dict[str, str]:
    """The source of each call of a choice in the class template."""

    def call(slot: str, *arguments: str) -> str:
        function = used.get(slot)
        if function is None:  # a guard without this part
            return arguments[0]
        return f"{function.__name__}({', '.join([*arguments, *(f'{n}=self.{n}' for n in number_names(function))])})"

    return {
        "threshold": call("threshold", "epoch", "of"),
        "raw": call("weigh", call("pyramid", "finest", "depth") + ".flatten()", "self.threshold"),
        "split": call("split", "valid", "raw", "depth.flatten()", "self.threshold"),
        "mean": call("normalise", "weights", "part", "power"),
        "temper": call("temper", "weights", "mean"),
        "pixels": call("pixels", "main", "part"),
        "of_inverse": call("moments", call("residual", "of_inverse", "part"), "w_ssi", "part"),
        "of_log": call("moments", call("residual", "of_log", "part"), "w_silog", "part"),
        "ssi": call("terms", call("squash", "scale_shift_invariant(*ssi_moments, self.alpha)")),
        "silog": call("terms", f"scale_invariant_log(*silog_moments, self.silog_lambda, {call('gain')})"),
        "join": call("join", "torch.stack(losses)", "torch.stack(counts)"),
    }


def with_helpers(functions: Iterable[Function]) -> Iterator[Helper]:
    """The functions and everything that they call, helpers first, each once; a helper may be a class of the same module, such
    as an autograd function."""
    found: dict[str, Helper] = {}

    def visit(helper: Helper) -> None:
        if found.get(helper.__name__, helper) is not helper:
            raise ValueError(f"two exported functions are named {helper.__name__}; they need different names")
        if helper.__name__ not in found:
            for other in named_in(helper).values():
                if isinstance(other, FunctionType) or (isinstance(other, type) and other.__module__ == helper.__module__):
                    visit(other)
            found[helper.__name__] = helper

    for function in functions:
        if not isinstance(function, FunctionType) or function.__name__ == "<lambda>":
            raise ValueError(f"{function!r} has no source of its own; only a function made with def can be exported")
        visit(function)
    yield from found.values()


def named_in(helper: Helper) -> dict[str, Any]:
    """The globals that a function or a class uses, by name, without torch.

    Raises ValueError: it uses another module than torch."""
    members = vars(helper).values() if isinstance(helper, type) else [helper]
    own = [inspect.unwrap(getattr(member, "__func__", member)) for member in members]
    used: dict[str, Any] = {}
    for function in own:
        if isinstance(function, FunctionType):
            used |= {n: function.__globals__[n] for n in global_names(function.__code__) if n in function.__globals__}
    for name, value in used.items():
        if isinstance(value, ModuleType) and KNOWN_MODULES.get(name) is not value:
            raise ValueError(f"{helper.__name__} uses the module {name}; an exported function may use no module but torch")
    return {name: value for name, value in used.items() if not isinstance(value, ModuleType)}


def global_names(code: CodeType) -> set[str]:
    """The global names used by a function and by functions defined in it; attributes such as torch.clamp do not count."""
    own = {str(step.argval) for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    return own.union(*(global_names(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def constants(functions: Iterable[Helper]) -> str:
    """The numeric constants that the functions use, as source lines."""
    found = {n: v for function in functions for n, v in named_in(function).items() if isinstance(v, int | float)}
    return "\n".join(f"{name} = {value!r}" for name, value in sorted(found.items()))


def module_docstring(c: Configuration, evidence: Iterable[str]) -> str:
    fixes = [f"    {fix.id} {fix.name}: {fix.summary}" for fix in map(find_fix, c.fixes)]
    head = ["With these fixes:", *fixes] if fixes else ["Without any fix: the loss that the document reviewed."]
    lines = [part for line in evidence for part in textwrap.wrap(line, 100, subsequent_indent="  ") or [""]]
    text = "\n".join([*head, *([""] if lines else []), *lines])
    return text.replace("\\", "\\\\").replace('"""', "'''")


HEAD = '''
"""Near-field-weighted SSI + SILog loss of inverse depth, written by nfloss; it needs only torch.

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
    """Resize [B, 1, H, W] to the size of `like` by nearest neighbour."""
    if image.shape[-2:] == like.shape[-2:]:
        return image
    return F.interpolate(image.to(like.dtype), size=like.shape[-2:], mode="nearest").to(image.dtype)


class SSISilogNearFieldLoss(nn.Module):
    """Depths and thresholds are in metres, predictions and ground truth in 1/m."""

    def __init__(
        self,
        {arguments},
    ) -> None:
        super().__init__()
        {assignments}
        self.set_epoch(0.0)

    def set_epoch(self, epoch: float, of: float = 50.0) -> None:
        """Update a scheduled threshold to this epoch of a run of `of` epochs."""
        self.threshold = {threshold}

    def set_near_field_threshold(self, metres: float) -> None:
        """Set the threshold, clamped to [0.3, 3.0] m; a schedule takes over at its next epoch."""
        self.near_threshold = self.threshold = min(max(float(metres), 0.3), 3.0)

    def forward(self, pred_inv_depth: Maps, gt_inv_depth: Maps, mask: Maps | None = None) -> Tensor:
        """The scalar loss. pred [B, 1, H, W], or a list, finest first; gt and mask likewise, or one of them for all scales.

        Values of gt that are not finite or not greater than 0 are invalid; pixels with 0 or False in the mask are ignored.
        """
        preds = [pred_inv_depth] if isinstance(pred_inv_depth, Tensor) else list(pred_inv_depth)
        gts, masks = (
            [resized(given, pred) for pred in preds] if isinstance(given, Tensor) else given or [None] * len(preds)
            for given in (gt_inv_depth, mask)
        )
        finest = self._metres(gts[0])
        return torch.stack([self._scale(*scale, finest) for scale in zip(preds, gts, masks, strict=True)]).mean()

    def _scale(self, pred: Tensor, gt: Tensor, mask: Tensor | None, finest: Tensor) -> Tensor:
        """The loss of one scale, each [B, 1, h, w]; `finest` is the depth at the finest scale."""
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
        return {returned}

    @torch.no_grad()
    def _weights(self, weights: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
        """The weights of SSI and of SILog, from the raw weights of a part's pixels."""

        def mean(power: float) -> Number:
            return {mean}

        return {temper}

    def _metres(self, gt: Tensor) -> Tensor:
        return 1.0 / torch.where(torch.isfinite(gt) & (gt > 0), gt, 0.0).clamp(min=1e-6)

    def _residuals(self, pred: Tensor, usable: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
        """p - g and log g - log p of inverse depth; 0 at invalid pixels."""
        lowest, highest = max(1.0 / self.max_depth, 1e-6), 1.0 / self.min_depth
        pred = torch.where(usable, pred, inverse)
        return pred - inverse, inverse.clamp(lowest, highest).log() - pred.clamp(lowest, highest).log()
'''

FALLBACK = '''
    def _with_fallback(self, total: Tensor, flat: Tensor, main: Tensor, usable: Tensor, inverse: Tensor) -> Tensor:
        """The total, or the unweighted loss where it is not finite; the gradient of the branch not taken is set to 0."""
        replaced, second = ~torch.isfinite(total.detach()), flat.view_as(flat)
        if main.requires_grad and torch.is_grad_enabled():
            main.register_hook(lambda gradient: torch.where(replaced, 0.0, gradient))
            second.register_hook(lambda gradient: torch.where(replaced, gradient, 0.0))
        valid = usable.to(inverse.dtype)
        of_inverse, of_log = (moments(values, valid) for values in self._residuals(second, usable, inverse))
        ssi = scale_shift_invariant(*of_inverse, self.alpha)
        silog = scale_invariant_log(*of_log, self.silog_lambda, self.silog_ratio)
        plain = self.ssi_weight * ssi + self.silog_weight * silog
        return torch.where(replaced, torch.where(valid.sum() > 0, plain, 0.0 * plain), total)
'''

MOMENTUM = '''
def set_batch_norm_momentum(network: nn.Module, momentum: float = {momentum}) -> None:
    """Fix 6-1 changes the network, not the loss: call this once with your network."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = momentum
'''
