"""Lists of frames: a text or JSON file chooses among the frames that were found in the folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from runner.data.formats.files import FrameFiles, listed_file
from runner.data.formats.ncdb import DEPTH
from runner.data.formats.text import entries_of, lines_of
from runner.data.frames import DataError

KEYS = ("depth", "image", "rgb")


def listed(folder: Path, listing: Path, frames: Sequence[FrameFiles]) -> list[FrameFiles]:
    """The frames that a list names by the path of colour or depth, relative to the folder, with or without the ending.

    Text: a frame a line, the path alone or followed by other words. JSON: a list of paths, or of objects with a path under
    `depth`, `image` or `rgb`, or with `dataset_root` and `new_filename`.

    Raises:
        DataError: the list is empty, cannot be read, or names something else than one of `frames`.
    """
    known = frames_by_name(folder, frames)
    chosen: dict[FrameFiles, None] = {}
    for where, candidates in names_in(folder, listing):
        frame = next((known[name] for name in candidates if name in known), None)
        if frame is None:
            listed_file(folder, folder, candidates[-1], where)
            raise DataError(
                f"{where}: {candidates[-1][:120]!r} is none of the {len(frames)} frames in {folder}; a path of colour or "
                "depth, relative to it, is needed"
            )
        chosen[frame] = None
    if not chosen:
        raise DataError(f"{listing}: an empty list; at least one frame is needed")
    return list(chosen)


def frames_by_name(folder: Path, frames: Sequence[FrameFiles]) -> dict[str, FrameFiles]:
    """Each frame under all names that a list may use for it."""
    names: dict[str, FrameFiles] = {}
    for frame in frames:
        for path in (frame.depth, frame.colour):
            name = path.relative_to(folder)
            names.setdefault(name.as_posix(), frame)
            names.setdefault(name.with_suffix("").as_posix(), frame)
    return names


def names_in(folder: Path, listing: Path) -> Iterator[tuple[str, list[str]]]:
    """(where, names that it may mean) of each entry."""
    if listing.suffix.lower() == ".json":
        for where, entry in entries_of(listing):
            yield where, [posix(path_in(folder, entry, where))]
        return
    for where, line in lines_of(listing):
        yield where, list(dict.fromkeys([posix(line), posix(line.split()[0])]))


def path_in(folder: Path, entry: Any, where: str) -> str:
    if isinstance(entry, str):
        return entry
    if isinstance(entry, dict):
        root, name = entry.get("dataset_root"), entry.get("new_filename")
        if isinstance(root, str) and isinstance(name, str):
            return f"{relative_root(folder, root)}/{DEPTH}/{name}"
        for key in KEYS:
            if isinstance(entry.get(key), str):
                return str(entry[key])
    raise DataError(f"{where}: a path, or an object with {', '.join(KEYS)} or dataset_root and new_filename, is needed")


def relative_root(folder: Path, root: str) -> str:
    """`dataset_root` relative to the data folder, where it is an absolute path in it; else unchanged."""
    absolute = PurePosixPath(root)
    here = folder.resolve().as_posix()
    return absolute.relative_to(here).as_posix() if absolute.is_absolute() and absolute.is_relative_to(here) else root


def posix(name: str) -> str:
    """Without './' and doubled slashes; '..' stays, for `listed_file` to refuse."""
    return PurePosixPath(name).as_posix()
