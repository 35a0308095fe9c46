"""Which shots are trained on and which are held out: by lists, by folders on disk, or dealt out by a seed."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import torch

from runner.data.formats import READERS
from runner.data.formats.files import Shot, whole
from runner.data.frames import DataError
from runner.data.settings import Data
from runner.data.split_lists import listed

SHARE = 0.3
VALIDATION_FOLDERS = ("val", "validation", "test")

Split = tuple[list[Shot], list[Shot]]


def all_shots(data: Data) -> list[Shot]:
    """The shots of a folder, those that `frames` asks for; every file of them is there and lies in the folder."""
    folder, reader = home(data), READERS[data.format]
    if not folder.is_dir():
        what = "is a file; a folder" if folder.exists() else "no such folder; one"
        raise DataError(f"{folder}: {what} of format {data.format} is needed")
    shots = reader.find(folder)
    if not shots:
        raise DataError(f"{folder}: no frames of format {data.format} in it; expected is {reader.says('Layout')}")
    if data.frames is not None:
        count = len(shots)
        shots = [shot for shot in shots if fnmatchcase(shot.depth.relative_to(folder).as_posix(), data.frames)]
        if not shots:
            raise DataError(f"{folder}: frames={data.frames!r} fits the depth path of none of its {count} frames")
    if data.lists:
        chosen = {shot for listing in data.lists for shot in listed(folder, folder / listing, shots)}
        shots = [shot for shot in shots if shot in chosen]
    whole(folder, shots)
    return shots


def split(data: Data, shots: Sequence[Shot], seed: int) -> Split:
    """(training, held out), two or more of the latter: for probe and validation."""
    folder = home(data)
    parts = by_list(data, shots) if data.lists else by_folder(folder, shots) or by_seed(data, shots, seed)
    train, held_out = parts
    if not train or len(held_out) < 2:
        raise DataError(f"{folder}: {len(train)} frames to train on and {len(held_out)} held out; at least 1 and 2 are needed")
    return parts


def by_list(data: Data, shots: Sequence[Shot]) -> Split:
    folder = home(data)
    train, held_out = (listed(folder, folder / listing, shots) for listing in data.lists)
    if both := set(train) & set(held_out):
        name = min(shot.depth.relative_to(folder).as_posix() for shot in both)
        raise DataError(f"{folder}: {len(both)} frames are in both train_list and validation_list, {name} among them")
    return train, held_out


def by_folder(folder: Path, shots: Sequence[Shot]) -> Split | None:
    """train/ beside val/, validation/ or test/; None where there is no train/."""
    if not (folder / "train").is_dir():
        return None
    other = next((name for name in VALIDATION_FOLDERS if (folder / name).is_dir()), None)
    if other is None:
        raise DataError(f"{folder}: train/ has no val/, validation/ or test/ beside it; one of them is needed")
    return tuple([shot for shot in shots if shot.depth.is_relative_to(folder / part)] for part in ("train", other))  # type: ignore[return-value]


def by_seed(data: Data, shots: Sequence[Shot], seed: int) -> Split:
    """Whole scenes held out until they have SHARE of the frames, at least one and never all; or frames, where asked for."""
    scenes: dict[str, list[Shot]] = {}
    for number, shot in enumerate(shots):
        scenes.setdefault(shot.scene if data.dealt_by == "scene" else str(number), []).append(shot)
    if len(scenes) < 2:
        raise DataError(
            f"{home(data)}: {len(shots)} frames of one scene ({shots[0].scene}) cannot be split by scene; give train_list and "
            "validation_list, or split_by: frame (frames of one video are then on both sides)"
        )
    names = list(scenes)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    held_out: list[Shot] = []
    while len(order) > 1 and len(held_out) < SHARE * len(shots):
        held_out += scenes[names[order.pop()]]
    return [shot for place in order for shot in scenes[names[place]]], held_out


def home(data: Data) -> Path:
    assert data.folder is not None
    return Path(data.folder)
