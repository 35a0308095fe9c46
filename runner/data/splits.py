"""Which frames are trained on and which are held out: by lists, by folders on disk, or at random from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import torch

from runner.data.data_settings import Data
from runner.data.formats import READERS
from runner.data.formats.files import FrameFiles, check_complete, listed_file
from runner.data.frames import DataError
from runner.data.split_lists import listed

SHARE = 0.3  # of the frames, held out
VALIDATION_FOLDERS = ("val", "validation", "test")

Split = tuple[list[FrameFiles], list[FrameFiles]]


def list_frames(data: Data) -> list[FrameFiles]:
    """The files of each frame in the folder that `frames` (the glob) and the lists select.

    Raises:
        DataError: no folder, no frames, or a file that is missing or outside the folder.
    """
    folder, reader = data_folder(data), READERS[data.format]
    if not folder.is_dir():
        what = "is a file; a folder" if folder.exists() else "no such folder; one"
        raise DataError(f"{folder}: {what} of format {data.format} is needed")
    frames = reader.find_frames(folder)
    if not frames:
        raise DataError(f"{folder}: no frames of format {data.format} in it; expected is {reader.says('Layout')}")
    if data.frames is not None:
        count = len(frames)
        frames = [frame for frame in frames if fnmatchcase(frame.depth.relative_to(folder).as_posix(), data.frames)]
        if not frames:
            raise DataError(f"{folder}: frames={data.frames!r} matches the depth path of none of its {count} frames")
    if data.lists:
        chosen = {frame for listing in list_files(data) for frame in listed(folder, listing, frames)}
        frames = [frame for frame in frames if frame in chosen]
    check_complete(folder, frames)
    return frames


def split(data: Data, frames: Sequence[FrameFiles], seed: int) -> Split:
    """(training, held out). Raises DataError unless two are held out, for probe and validation, and one is trained on."""
    folder = data_folder(data)
    parts = by_list(data, frames) if data.lists else by_folder(folder, frames) or by_seed(data, frames, seed)
    train, held_out = parts
    if not train or len(held_out) < 2:
        raise DataError(f"{folder}: {len(train)} frames to train on and {len(held_out)} held out; at least 1 and 2 are needed")
    return parts


def by_list(data: Data, frames: Sequence[FrameFiles]) -> Split:
    folder = data_folder(data)
    train, held_out = (listed(folder, listing, frames) for listing in list_files(data))
    if both := set(train) & set(held_out):
        name = min(frame.depth.relative_to(folder).as_posix() for frame in both)
        raise DataError(f"{folder}: {len(both)} frames are in both train_list and validation_list, {name} among them")
    return train, held_out


def list_files(data: Data) -> list[Path]:
    """The files of the lists. Raises DataError for one that is outside the data folder."""
    folder = data_folder(data)
    return [listed_file(folder, folder, listing, "data.train_list, validation_list") for listing in data.lists]


def by_folder(folder: Path, frames: Sequence[FrameFiles]) -> Split | None:
    """train/, and val/, validation/ or test/ beside it; None where there is no train/."""
    if not (folder / "train").is_dir():
        return None
    other = next((name for name in VALIDATION_FOLDERS if (folder / name).is_dir()), None)
    if other is None:
        raise DataError(f"{folder}: train/ has no val/, validation/ or test/ beside it; one of them is needed")
    return tuple([frame for frame in frames if frame.depth.is_relative_to(folder / part)] for part in ("train", other))  # type: ignore[return-value]


def by_seed(data: Data, frames: Sequence[FrameFiles], seed: int) -> Split:
    """Hold out random scenes (or frames, as `split_by` says) until they have SHARE of the frames: at least one, never all."""
    scenes: dict[str, list[FrameFiles]] = {}
    for number, frame in enumerate(frames):
        scenes.setdefault(frame.scene if data.split_unit == "scene" else str(number), []).append(frame)
    if len(scenes) < 2 and data.split_unit == "scene":
        raise DataError(
            f"{data_folder(data)}: {len(frames)} frames of one scene ({frames[0].scene}) cannot be split by scene; give "
            "train_list and validation_list, or split_by: frame (frames of one video are then on both sides)"
        )
    names = list(scenes)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    held_out: list[FrameFiles] = []
    while len(order) > 1 and len(held_out) < SHARE * len(frames):
        held_out += scenes[names[order.pop()]]
    return [frame for place in order for frame in scenes[names[place]]], held_out


def data_folder(data: Data) -> Path:
    assert data.folder is not None
    return Path(data.folder)
