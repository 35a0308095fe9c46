"""Checkpoint files: how a trained network is written, and how it is loaded again."""

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


def write_checkpoints(
    folder: Path, key: str, seed: int, checkpoints: Mapping[str, Checkpoint], metadata: Mapping[str, Any]
) -> None:
    """Write a trial's `key-seed-last.pt` and `key-seed-best.pt`; a file of an earlier training is replaced or deleted.

    `metadata` is plain data that each file holds beside the state.
    """
    for which in ("best", "last"):
        path = folder / f"{key}-{seed}-{which}.pt"
        if which not in checkpoints:
            path.unlink(missing_ok=True)
            continue
        c = checkpoints[which]
        content = {**metadata, "key": key, "seed": seed, "step": c.step, "probe_error": c.probe_error, "state": c.state}
        write_atomically(path, lambda temporary, content=content: torch.save(content, temporary))  # type: ignore[misc]


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """The content of a file that `write_checkpoints` has written.

    Raises CheckpointError: the file cannot be read, or is not a checkpoint."""
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

    A custom network's class must be importable as in training; the path of its file is relative to the working directory.

    Raises:
        CheckpointError: the file is not a checkpoint, or its state does not fit the network as it is now.
        NetworkError: the custom network cannot be made.
    """
    content = read_checkpoint(path)
    try:
        model = Model.model_validate(content["model"])
        load = load_built_in if model.custom is None else load_custom
        predict = load(content["state"], model)
    except (ValidationError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path}: does not fit the network: {' '.join(str(error).split())[:200]}") from None
    return predict


def load_built_in(state: Mapping[str, Tensor], model: Model) -> Callable[[Tensor], Tensor]:
    networks = StackedNetworks(1, 0, depth_range=model.depth_range)
    networks.load_state(state)
    return torch.no_grad()(lambda images: networks(images, training=False)[0][0])


def load_custom(state: Mapping[str, Tensor], model: Model) -> Callable[[Tensor], Tensor]:
    own = model.custom
    assert own is not None
    module = own.make().eval()
    module.load_state_dict(dict(state))
    return torch.no_grad()(lambda images: at_size(own.inverse_depths(module(images))[0].unsqueeze(0), images)[0])
