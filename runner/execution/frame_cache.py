"""The frames of each seed: made once in a process, and mapped by worker processes from a file."""

from __future__ import annotations

from pathlib import Path

import torch

from runner.data import START_SERIES, Data, Frames, SeedData, make_seed_data, make_start_data
from runner.records import write_atomically

CPU = torch.device("cpu")
KEPT = 2  # seeds whose frames stay in memory


class FrameCache:
    """The data of each seed of an experiment.

    Args:
        data: the experiment's.
        folder: where worker processes share a file per seed; whoever asks first for a seed writes it, all map it into their
            memory. None: the frames stay in this process.
    """

    def __init__(self, data: Data, folder: Path | None = None) -> None:
        self.data, self.folder = data, folder
        self._made: dict[tuple[int, torch.device], SeedData] = {}

    def seed_data(self, seed: int, device: torch.device = CPU) -> SeedData:
        """The frames of a seed on a device.

        Raises:
            DataError: frames that cannot be read or split.
        """
        if (seed, device) not in self._made:
            made = self._on_cpu(seed) if device == CPU else self.seed_data(seed).to(device)
            for old in [key for key in self._made if key[1] == device][: 1 - KEPT]:
                del self._made[old]
            self._made[seed, device] = made
        return self._made[seed, device]

    def start_data(self, seed: int, device: torch.device = CPU) -> SeedData:
        """The frames that a seed's start network is trained on: of a folder, those that the seed trains on; of scenes, a series
        of their own, which all seeds share.
        """
        return self.seed_data(START_SERIES if self.data.folder is None else seed, device)

    def share(self, seed: int, folder: Path) -> None:
        """Write a seed's frames where the caches of worker processes look for them."""
        if not (path := file_of(folder, seed)).exists():
            write_seed_data(path, self.seed_data(seed))

    def _on_cpu(self, seed: int) -> SeedData:
        if self.folder is None:
            return self._make(seed)
        path = file_of(self.folder, seed)
        if not path.exists():
            write_seed_data(path, self._make(seed))
        parts = torch.load(path, mmap=True, weights_only=True)
        return SeedData(seed, **{name: Frames(**tensors) for name, tensors in parts.items()})

    def _make(self, seed: int) -> SeedData:
        return make_start_data(self.data) if seed == START_SERIES else make_seed_data(self.data, seed)


def file_of(folder: Path, seed: int) -> Path:
    """The file of a seed's frames."""
    return folder / f"seed{seed}.pt"


def write_seed_data(path: Path, made: SeedData) -> None:
    """A seed's frames as a file that `torch.load` maps."""
    parts = {"train": made.train, "probe": made.probe, "validation": made.validation}
    tensors = {name: {"rgb": frames.rgb, "depth": frames.depth} for name, frames in parts.items()}

    def save(temporary: Path) -> None:
        try:
            torch.save(tensors, temporary)
        except RuntimeError as error:  # what torch makes of a disk that is full
            raise OSError(str(error)) from None

    write_atomically(path, save)
