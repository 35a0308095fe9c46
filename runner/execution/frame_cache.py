"""The frames of each seed: made once in a process, and mapped by worker processes from a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import torch

from runner.data import START_SERIES, TRAINING_SERIES, Data, Frames, SeedData, held_out_scenes, make_series, split_folder
from runner.execution.fork_server import context, terminate, worker_environment
from runner.records import write_atomically

CPU = torch.device("cpu")
KEPT = 2  # seeds whose own frames stay in memory
#: Pixels that one process draws in about a second; more are drawn by all cores, a piece each.
PIECE = 500 * 32 * 48

Parts = tuple[Frames, ...]


class FrameCache:
    """The data of each seed of an experiment. Scenes to train on are the same for all seeds, and are drawn once.

    Args:
        data: the experiment's.
        folder: where worker processes share files; whoever asks first for frames writes them, all map them into their memory.
            None: the frames stay in this process.
    """

    def __init__(self, data: Data, folder: Path | None = None) -> None:
        self.data, self.folder = data, folder
        self._made: dict[tuple[int, torch.device], Parts] = {}

    def seed_data(self, seed: int, device: torch.device = CPU) -> SeedData:
        """The frames of a seed on a device. Raises DataError: frames that cannot be read or split."""
        shared = () if self.data.folder is not None else self._parts(TRAINING_SERIES, device)
        return SeedData(seed, *shared, *self._parts(seed, device))

    def start_data(self, seed: int, device: torch.device = CPU) -> SeedData:
        """The frames that a seed's start network is trained on: of a folder, those that the seed trains on; of scenes, a series
        of their own, which all seeds share.
        """
        if self.data.folder is not None:
            return self.seed_data(seed, device)
        (train,) = self._parts(START_SERIES, device)
        none = train.select(slice(0, 0))
        return SeedData(START_SERIES, train, none, none)

    def share(self, folder: Path) -> None:
        """Write the frames that this process has made where the caches of worker processes look for them."""
        for (name, device), parts in self._made.items():
            if device == CPU and not (path := file_of(folder, name)).exists():
                write_parts(path, parts)

    def _parts(self, name: int, device: torch.device) -> Parts:
        """Of a series its scenes; of a seed what is its own: training frames of a folder, probe and validation."""
        if (name, device) not in self._made:
            made = self._on_cpu(name) if device == CPU else tuple(part.to(device) for part in self._parts(name, CPU))
            seeds = [key for key in self._made if key[1] == device and key[0] not in (TRAINING_SERIES, START_SERIES)]
            for old in seeds[: 1 - KEPT]:
                del self._made[old]
            self._made[name, device] = made
        return self._made[name, device]

    def _on_cpu(self, name: int) -> Parts:
        make = self._maker(name)
        if self.folder is None:
            return make()
        path = file_of(self.folder, name)
        if not path.exists():
            write_parts(path, make())
        return tuple(Frames(**tensors) for tensors in torch.load(path, mmap=True, weights_only=True))

    def _maker(self, name: int) -> Callable[[], Parts]:
        if name in (TRAINING_SERIES, START_SERIES):
            return partial(draw_series, self.data, name, 1 if self.folder is not None else len(os.sched_getaffinity(0)))
        return partial(split_folder if self.data.folder is not None else held_out_scenes, self.data, name)


def draw_series(data: Data, series: int, processes: int) -> Parts:
    """The scenes of a series, drawn by several processes where they are many."""
    each = max(1, PIECE // (data.height * data.width))
    pieces = [range(start, min(start + each, data.train)) for start in range(0, data.train, each)]
    if processes == 1 or len(pieces) == 1:
        return (make_series(data, series),)
    pool = ProcessPoolExecutor(min(processes, len(pieces)), context())
    try:
        with worker_environment():
            drawn = list(pool.map(partial(make_series, data, series), pieces))
    finally:
        terminate(pool)
    return (Frames(torch.cat([part.rgb for part in drawn]), torch.cat([part.depth for part in drawn])),)


def file_of(folder: Path, name: int) -> Path:
    return folder / f"{name}.pt"


def write_parts(path: Path, parts: Parts) -> None:
    """Frames as a file that `torch.load` maps."""
    tensors = [{"rgb": frames.rgb, "depth": frames.depth} for frames in parts]

    def save(temporary: Path) -> None:
        try:
            torch.save(tensors, temporary)
        except RuntimeError as error:  # what torch makes of a disk that is full
            raise OSError(str(error)) from None

    write_atomically(path, save)
