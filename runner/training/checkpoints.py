"""Trained networks on disk: a file for each trial's last state, and for its best where that is asked for."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from runner.files import write_atomically
from runner.networks.protocol import Networks, at_size
from runner.networks.settings import Model
from runner.networks.stacked import StackedNetworks


class CheckpointError(ValueError):
    """What is wrong with a checkpoint, in one line."""


@dataclass(frozen=True)
class Checkpoint:
    """A network after so many steps, and the probe's AbsRel then: of near pixels, or of all where the probe has none near."""

    step: int
    probe_abs_rel: float
    state: dict[str, Tensor]


class Keeper:
    """What is kept of M networks as they are trained: nothing, the last state, or the best (the first of equals) and the last.

    A diverged network is never the best any more.
    """

    def __init__(self, networks: Networks, which: str, count: int) -> None:
        self.networks, self.which = networks, which
        self.best: list[Checkpoint | None] = [None] * count
        self.last = np.full(count, np.nan)
        self.step = 0

    def look(self, probe: Mapping[str, np.ndarray], diverged: Tensor) -> None:
        """Take note of a probe."""
        near, everywhere = probe["probe_near_abs_rel"], probe["probe_all_abs_rel"]
        self.last, self.step = np.where(np.isfinite(near), near, everywhere), int(probe["step"])
        if self.which != "best_and_last":
            return
        errors = np.where(diverged.cpu().numpy(), np.inf, np.nan_to_num(self.last, nan=np.inf))
        for m, (error, best) in enumerate(zip(errors, self.best, strict=True)):
            if error < (np.inf if best is None else best.probe_abs_rel):
                self.best[m] = Checkpoint(self.step, float(error), self.networks.state(m))

    def kept(self) -> list[dict[str, Checkpoint]]:
        """Of each network, by "best" and "last"; nothing where nothing is to be kept."""
        if self.which == "none":
            return []
        last = [Checkpoint(self.step, float(error), self.networks.state(m)) for m, error in enumerate(self.last)]
        pairs = zip(self.best, last, strict=True)
        return [{**({"best": best} if best is not None else {}), "last": final} for best, final in pairs]


def write_checkpoints(folder: Path, key: str, seed: int, kept: Mapping[str, Checkpoint], facts: Mapping[str, Any]) -> None:
    """A trial's files, `key-seed-last.pt` and `key-seed-best.pt`; `facts` are plain data that each holds beside the state.

    A best of an earlier training of the trial does not stay beside a last of this one.
    """
    for which in ("best", "last"):
        path = folder / f"{key}-{seed}-{which}.pt"
        if which not in kept:
            path.unlink(missing_ok=True)
            continue
        c = kept[which]
        content = {**facts, "key": key, "seed": seed, "step": c.step, "probe_abs_rel": c.probe_abs_rel, "state": c.state}
        write_atomically(path, lambda temporary, content=content: torch.save(content, temporary))  # type: ignore[misc]


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """What `write_checkpoints` wrote.

    Raises:
        CheckpointError: not there, or not a checkpoint.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
        content = None
    if not isinstance(content, dict) or not {"state", "model", "key", "seed", "step"} <= content.keys():
        raise CheckpointError(f"{path}: not a checkpoint of a trial")
    return content


def load_network(path: Path | str) -> Callable[[Tensor], Tensor]:
    """A trained network as a function: images [B, 3, H, W], values 0..1 -> inverse depth [B, 1, H, W] in 1/m.

    The user's class must be importable as it was in training; a file is looked for from the working directory.

    Raises:
        CheckpointError: not a checkpoint, or not of this network as it is now.
        NetworkError: the user's class cannot be made.
    """
    content = read_checkpoint(path)
    try:
        model = Model.model_validate(content["model"])
        predict = house(content["state"], model) if model.own is None else users(content["state"], model)
    except (ValidationError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path}: does not fit the network: {' '.join(str(error).split())[:200]}") from None
    return predict


def house(state: Mapping[str, Tensor], model: Model) -> Callable[[Tensor], Tensor]:
    """The small network with this state."""
    networks = StackedNetworks(1, 0, depth_range=model.depth_range)
    networks.load_state(state)
    return torch.no_grad()(lambda images: networks(images, training=False)[0][0])


def users(state: Mapping[str, Tensor], model: Model) -> Callable[[Tensor], Tensor]:
    """The user's module with this state."""
    own = model.own
    assert own is not None
    module = own.make().eval()
    module.load_state_dict(dict(state))
    return torch.no_grad()(lambda images: at_size(own.inverse_depths(module(images))[0].unsqueeze(0), images)[0])
