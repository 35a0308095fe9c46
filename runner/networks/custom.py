"""A network of the user's: where its class is, how it is made, what its output means."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from torch import Tensor, nn

from nfloss.user_code import USER_ERRORS, in_a_line, module_of_text
from runner.networks.stacked import DepthRange

Output = Literal["inverse_depth", "disparity"]


class NetworkError(ValueError):
    """What is wrong with a user's network, in one line."""


@dataclass(frozen=True)
class NetworkClass:
    """A class (or function) that gives an `nn.Module`.

    Args:
        reference: "package.module:Class", or "path/to/file.py:Class" from the working directory.
        arguments: it is called with.
        output: "inverse_depth" in 1/m; "disparity": a share 0..1 of the range, as a sigmoid gives it (monodepth2's `disp`).
        depth_range: of a disparity.
    """

    reference: str
    arguments: Mapping[str, Any]
    output: Output = "inverse_depth"
    depth_range: DepthRange = field(default_factory=DepthRange)

    def make(self) -> nn.Module:
        """A module, its weights from torch's generator as it stands."""
        with told(f"model.network {self.reference} cannot be imported"):
            made_by = find(self.reference)
        with told(f"model.network {self.reference} cannot be made with {dict(self.arguments)}"):
            module = made_by(**self.arguments)
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
    """A tensor, a list or tuple of them, or a mapping with the keys ("disp", 0), ("disp", 1), ... as monodepth2 has it.

    Raises:
        NetworkError: none of these.
    """
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, Mapping):
        keys = sorted(key for key in output if isinstance(key, tuple) and len(key) == 2 and key[0] == "disp")
        output = [output[key] for key in keys]
    if isinstance(output, Sequence) and output and all(isinstance(scale, Tensor) for scale in output):
        return list(output)
    raise NetworkError(
        f"gives {type(output).__name__}; a tensor [B, 1, H, W], a list of them (finest first), "
        'or a mapping with keys ("disp", scale) is needed'
    )


def find(reference: str) -> Any:
    """The class. Raises NetworkError where there is none of that name."""
    place, _, name = reference.rpartition(":")
    module = load_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    if not callable(found := getattr(module, name, None)):
        raise NetworkError(f"model.network {reference}: {place} has no class {name!r}")
    return found


def load_file(path: Path) -> ModuleType:
    """The file as a module; files beside it can be imported from it, as from a script. An edited file is another module."""
    return module_of_text("network_", str(path), path.read_text(encoding="utf-8"))


@contextmanager
def told(what: str) -> Iterator[None]:
    """Errors of the user's code as one line that begins with `what`."""
    try:
        yield
    except NetworkError:
        raise
    except USER_ERRORS as error:
        raise NetworkError(f"{what}: {in_a_line(error)}") from error


def beside(model: Any, folder: Path) -> Any:
    """An experiment's `model`, its network's file as seen from the working directory, where it is given from `folder`."""
    if isinstance(model, str):
        model = {"network": model}
    reference = model.get("network") if isinstance(model, Mapping) else None
    if not isinstance(reference, str) or ".py:" not in reference:
        return model
    return {**model, "network": os.path.normpath(folder / reference)}
