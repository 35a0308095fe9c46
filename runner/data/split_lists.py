"""Lists of frames: which of the shots that were found a text or JSON file names, and none beyond them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from runner.data.formats.files import Shot, named_in
from runner.data.formats.ncdb import DEPTH
from runner.data.formats.text import entries_of, lines_of
from runner.data.frames import DataError

KEYS = ("depth", "image", "rgb")


def listed(folder: Path, listing: Path, shots: Sequence[Shot]) -> list[Shot]:
    """The shots that a list names, by path of colour or depth from the folder on, with or without the ending.

    Text: a frame a line, the path alone or followed by other words. JSON: a list of paths, or of objects with a path under
    `depth`, `image` or `rgb`, or with `dataset_root` and `new_filename`.
    """
    known = names_of(folder, shots)
    chosen: dict[Shot, None] = {}
    for where, candidates in named(folder, listing):
        shot = next((known[name] for name in candidates if name in known), None)
        if shot is None:
            named_in(folder, folder, candidates[-1], where)
            raise DataError(
                f"{where}: {candidates[-1][:120]!r} is none of the {len(shots)} frames in {folder}; a path of colour or depth, "
                "from there on, is needed"
            )
        chosen[shot] = None
    if not chosen:
        raise DataError(f"{listing}: an empty list; at least one frame is needed")
    return list(chosen)


def names_of(folder: Path, shots: Sequence[Shot]) -> dict[str, Shot]:
    """Every name that a shot goes by."""
    names: dict[str, Shot] = {}
    for shot in shots:
        for path in (shot.depth, shot.colour):
            name = path.relative_to(folder)
            names.setdefault(name.as_posix(), shot)
            names.setdefault(name.with_suffix("").as_posix(), shot)
    return names


def named(folder: Path, listing: Path) -> Iterator[tuple[str, list[str]]]:
    """(where, candidates) of each entry."""
    if listing.suffix.lower() == ".json":
        for where, entry in entries_of(listing):
            yield where, [posix(name_in(folder, entry, where))]
        return
    for where, line in lines_of(listing):
        yield where, list(dict.fromkeys([posix(line), posix(line.split()[0])]))


def name_in(folder: Path, entry: Any, where: str) -> str:
    """The path in a JSON entry."""
    if isinstance(entry, str):
        return entry
    if isinstance(entry, dict):
        root, name = entry.get("dataset_root"), entry.get("new_filename")
        if isinstance(root, str) and isinstance(name, str):
            return f"{from_folder(folder, root)}/{DEPTH}/{name}"
        for key in KEYS:
            if isinstance(entry.get(key), str):
                return str(entry[key])
    raise DataError(f"{where}: a path, or an object with {', '.join(KEYS)} or dataset_root and new_filename, is needed")


def from_folder(folder: Path, root: str) -> str:
    """An absolute dataset_root that lies in the data folder, from there on; any other as it is."""
    absolute = PurePosixPath(root)
    here = folder.resolve().as_posix()
    return absolute.relative_to(here).as_posix() if absolute.is_absolute() and absolute.is_relative_to(here) else root


def posix(name: str) -> str:
    """Without './' and doubled slashes; '..' stays, for `named_in` to refuse."""
    return PurePosixPath(name).as_posix()
