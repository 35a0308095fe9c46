"""Checkpoint files: a trained network as it is written, and as it is loaded again."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from runner.networks import Model, StackedNetworks, at_size
from runner.records.files import write_atomically
from runner.training import Checkpoint


class CheckpointError(ValueError):
    """What is wrong with a checkpoint, in one line."""


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
        predict = house(content["state"], model) if model.custom is None else users(content["state"], model)
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
    own = model.custom
    assert own is not None
    module = own.make().eval()
    module.load_state_dict(dict(state))
    return torch.no_grad()(lambda images: at_size(own.inverse_depths(module(images))[0].unsqueeze(0), images)[0])
