"""The frames of one seed, from an experiment's `data:` section: training, probe and validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from runner.data.data_settings import Data
from runner.data.formats import READERS
from runner.data.formats.files import FrameFiles
from runner.data.formats.pictures import read_colour
from runner.data.frames import DataError, Frames
from runner.data.splits import data_folder, list_frames, split
from runner.data.synthetic.renderer import scenes

NEAREST_PLAUSIBLE, FARTHEST_PLAUSIBLE = 0.01, 1000.0  # metres
#: The series of scenes that all seeds train on, and that neutral training uses: seeds are below them, so that no seed is
#: evaluated on them.
TRAINING_SERIES, START_SERIES = 2**63, 2**63 + 1


@dataclass(frozen=True)
class SeedData:
    """What the trials of a seed share: training, probe and validation frames, the order of the batches, what is mirrored."""

    seed: int
    train: Frames
    probe: Frames
    validation: Frames

    def batches(self, steps: int, batch: int) -> np.ndarray:
        """[steps, batch] indices: pass after pass over all training images, each pass in a new random order."""
        rng, count = np.random.default_rng([self.seed, 0xB47C]), len(self.train)
        passes = [rng.permutation(count) for _ in range(-(-steps * batch // count))]
        return np.concatenate(passes)[: steps * batch].reshape(steps, batch)

    def mirrored(self, steps: int, batch: int) -> np.ndarray:
        """[steps, batch] bool: which images of each batch are mirrored left to right, each with probability 1/2."""
        return np.random.default_rng([self.seed, 0xF11B]).random((steps, batch)) < 0.5

    def to(self, device: torch.device) -> SeedData:
        """The same frames on `device`."""
        return SeedData(self.seed, *(part.to(device) for part in (self.train, self.probe, self.validation)))


def make_seed_data(data: Data, seed: int) -> SeedData:
    """The frames of a seed, on the CPU: scenes, of which all seeds train on the same, or pictures of a folder.

    Raises:
        DataError: frames that cannot be found, split or read.
    """
    if data.folder is not None:
        return SeedData(seed, *split_folder(data, seed))
    return SeedData(seed, make_series(data, TRAINING_SERIES), *held_out_scenes(data, seed))


def make_series(data: Data, series: int, places: range | None = None) -> Frames:
    """The scenes that training or neutral training uses, or those at some places of them."""
    places = range(data.train) if places is None else places
    return scenes(series, len(places), data.height, data.width, start=places.start, lidar=data.lidar)


def held_out_scenes(data: Data, seed: int) -> tuple[Frames, Frames]:
    """A seed's own scenes: probe and validation."""
    both = scenes(seed, data.probe + data.validation, data.height, data.width, lidar=data.lidar)
    return both.select(slice(data.probe)), both.select(slice(data.probe, None))


def split_folder(data: Data, seed: int) -> tuple[Frames, Frames, Frames]:
    """Training, probe and validation frames of a folder.

    A folder is split by lists, by its subfolders or by the seed (`runner.data.splits`). The seed then divides the held-out
    frames into probe and validation. Only frames that are used are read.
    """
    train, held_out = split(data, list_frames(data), seed)
    order = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(seed)).tolist()
    probe = min(data.probe, len(held_out) // 2)
    parts = (train, [held_out[i] for i in order[:probe]], [held_out[i] for i in order[probe : probe + data.validation]])
    first, second, third = (read_frames(data, part) for part in parts)
    return first, second, third


def read_frames(data: Data, frames: Sequence[FrameFiles]) -> Frames:
    """The frames at data.height x data.width: colour by area average, depth by nearest neighbour.

    Raises:
        DataError: a file cannot be read, or the depth is implausible.
    """
    reader = READERS[data.format]
    scale = reader.scale if reader.scale is not None else data.depth_scale
    assert scale is not None
    rgb = np.stack([read_colour(frame.colour, data.height, data.width) for frame in frames])
    depth = np.stack([resize_nearest(reader.metres(frame, scale), data.height, data.width) for frame in frames])
    check_plausible(data, depth, scale)
    return Frames(torch.from_numpy(rgb).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(depth)[:, None])


def resize_nearest(depth: np.ndarray, height: int, width: int) -> np.ndarray:
    """[height, width]: for each new pixel the one at its centre."""
    rows = (np.arange(height) + 0.5) * depth.shape[0] / height
    columns = (np.arange(width) + 0.5) * depth.shape[1] / width
    return depth[np.ix_(rows.astype(int), columns.astype(int))]


def check_plausible(data: Data, depth: np.ndarray, scale: float) -> None:
    """Raises DataError where no depth is valid, or all is nearer than 1 cm or beyond 1 km; the message has the arithmetic."""
    valid = depth[depth > 0]
    if not valid.size:
        raise DataError(f"{data_folder(data)}: no valid depth in {len(depth)} frames of format {data.format}")
    near, far = float(valid.min()), float(valid.max())
    if far < NEAREST_PLAUSIBLE or near > FARTHEST_PLAUSIBLE:
        arithmetic = f"values {near * scale:g} to {far * scale:g} / {scale:g} = {near:.3g} to {far:.3g} m"
        doubt = "depth_scale" if READERS[data.format].scale is None else f"format {data.format} with {scale:g} to a metre"
        raise DataError(f"{data_folder(data)}: {arithmetic}; no scene is like that, is {doubt} right?")
