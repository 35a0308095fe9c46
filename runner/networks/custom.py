"""A custom network: where its class is, how it is made, what its output means."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from nfloss.user_code import USER_ERRORS, in_a_line, module_at
from runner.networks.stacked import DepthRange

Output = Literal["inverse_depth", "disparity"]


class NetworkError(ValueError):
    """What is wrong with a custom network, in one line."""


@dataclass(frozen=True)
class NetworkClass:
    """A class, or a function, that returns an `nn.Module`.

    Args:
        reference: "package.module:Class", or "path/to/file.py:Class" relative to the working directory.
        arguments: keyword arguments of the class.
        output: "inverse_depth" in 1/m, or "disparity": 0..1 between the least and the largest inverse depth of the range, as
            a sigmoid returns it (monodepth2's `disp`).
        depth_range: the range of a disparity.
    """

    reference: str
    arguments: Mapping[str, Any]
    output: Output = "inverse_depth"
    depth_range: DepthRange = field(default_factory=DepthRange)

    def make(self) -> nn.Module:
        """A new module; its random weights come from torch's global generator.

        Raises NetworkError: it cannot be imported or made, or is not a module."""
        with as_network_error(f"model.network {self.reference} cannot be imported"):
            network_class = find_class(self.reference)
        with as_network_error(f"model.network {self.reference} cannot be made with {dict(self.arguments)}"):
            module = network_class(**self.arguments)
        if not isinstance(module, nn.Module):
            raise NetworkError(f"model.network {self.reference}: gives a {type(module).__name__}; a torch.nn.Module is needed")
        return module

    def inverse_depths(self, output: Any) -> list[Tensor]:
        """The module's output as inverse depth (1/m), finest scale first."""
        scales = scales_of(output)
        if self.output == "inverse_depth":
            return scales
        low, high = 1.0 / self.depth_range.farthest, 1.0 / self.depth_range.nearest
        return [low + (high - low) * scale for scale in scales]


def scales_of(output: Any) -> list[Tensor]:
    """The scales in a module's output, finest first.

    The output is a tensor, a list or tuple of tensors, or a mapping with keys ("disp", 0), ("disp", 1), ... as in monodepth2.

    Raises:
        NetworkError: it is none of these, or its numbers are complex.
    """
    if isinstance(output, Tensor):
        output = [output]
    if isinstance(output, Mapping):
        keys = sorted(key for key in output if isinstance(key, tuple) and len(key) == 2 and key[0] == "disp")
        output = [output[key] for key in keys]
    if isinstance(output, Sequence) and output and all(isinstance(scale, Tensor) for scale in output):
        if unreal := next((scale.dtype for scale in output if scale.is_complex()), None):
            raise NetworkError(f"gives numbers of type {unreal}; real ones are needed")
        return list(output)
    raise NetworkError(
        f"gives {type(output).__name__}; a tensor [B, 1, H, W], a list of them (finest first), "
        'or a mapping with keys ("disp", scale) is needed'
    )


def find_class(reference: str) -> Any:
    """The class, from a package or a file. Files beside the file can be imported from it; an edited file is a new module.

    Raises NetworkError: the module has no class of that name."""
    place, _, name = reference.rpartition(":")
    if not callable(found := getattr(module_at("network_", place), name, None)):
        raise NetworkError(f"model.network {reference}: {place} has no class {name!r}")
    return found


@contextmanager
def as_network_error(what: str) -> Iterator[None]:
    """Turn errors of the user's code into a NetworkError whose one line begins with `what`."""
    try:
        yield
    except NetworkError:
        raise
    except USER_ERRORS as error:
        raise NetworkError(f"{what}: {in_a_line(error)}") from error


def resolve_network_file(model: Any, folder: Path) -> Any:
    """An experiment's `model`, in which the network's file is relative to the working directory instead of `folder`."""
    if isinstance(model, str):
        model = {"network": model}
    reference = model.get("network") if isinstance(model, Mapping) else None
    if not isinstance(reference, str) or ".py:" not in reference:
        return model
    return {**model, "network": os.path.normpath(folder / reference)}
