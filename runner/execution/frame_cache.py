"""The frames of each seed: made once, and mapped by worker processes from a file."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

from runner.data import Frames
from runner.data.dataset import SeedData, make_seed_data
from runner.data.settings import Data
from runner.execution.run_group import _shelf
from runner.readers.frames import read_seed_data
from runner.records.files import write_atomically


def keep(shelf: Path, made: SeedData) -> None:
    """Put a seed's frames into a file, for other processes to map into their memory."""
    parts = {"train": made.train, "probe": made.probe, "validation": made.validation}
    tensors = {name: {"rgb": frames.rgb, "depth": frames.depth} for name, frames in parts.items()}

    def save(temporary: Path) -> None:
        try:
            torch.save(tensors, temporary)
        except RuntimeError as error:  # what torch makes of a disk that is full
            raise OSError(str(error)) from None

    write_atomically(shelf / kept_name(made.seed), save)


def kept_name(seed: int) -> str:
    """The file of a seed's frames."""
    return f"seed{seed}.pt"


def kept_seed_data(shelf: Path, data: Data, seed: int) -> SeedData:
    """As `make_seed_data` on the CPU; made by whoever asks first, mapped from its file by all others."""
    path = shelf / kept_name(seed)
    if not path.exists():
        keep(shelf, make_seed_data(data, seed, torch.device("cpu")))
    parts = torch.load(path, mmap=True, weights_only=True)
    return SeedData(seed, **{name: Frames(**tensors) for name, tensors in parts.items()})


def use_shelf(shelf: Path) -> None:
    """From now on in this process, frames are mapped from files that several processes share."""
    global _shelf
    _shelf = shelf


@lru_cache(maxsize=2)
def seed_data(data: Data, seed: int, device: torch.device) -> SeedData:
    """A seed's data, made once for all of its groups; in a worker, mapped from what one of them made for all."""
    if _shelf is None:
        # Plain folders and scenes keep to the code that their records' fingerprints are of.
        return (make_seed_data if data.plain else read_seed_data)(data, seed, device)
    if not data.plain and not (_shelf / kept_name(seed)).exists():
        keep(_shelf, read_seed_data(data, seed, torch.device("cpu")))
    return kept_seed_data(_shelf, data, seed)
