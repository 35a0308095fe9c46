"""The files of each frame: found below a data folder, and never outside it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runner.data.frames import DataError

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg")
READER_TITLES = ("Layout", "Scale", "Invalid", "Scene", "Source")


@dataclass(frozen=True)
class FrameFiles:
    """The files of one frame.

    scene: frames of one scene stay on one side of a split by scene
    extra: what else is read: a mask, a calibration, the list that named the pair
    """

    colour: Path
    depth: Path
    scene: str
    extra: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Reader:
    """A format.

    about:       its module's docstring: a title and the paragraphs of READER_TITLES
    find_frames: the files of all frames below a folder
    metres:      (frame, scale) -> its depth at full size, [H, W] float32 along the optical axis, 0 = invalid
    scale:       the stored value of one metre; None where depth_scale gives it
    """

    about: str
    find_frames: Callable[[Path], list[FrameFiles]]
    metres: Callable[[FrameFiles, float], np.ndarray]
    scale: float | None

    def says(self, title: str) -> str:
        """A paragraph of `about` on one line."""
        after = r"(?=\n(?:" + "|".join(READER_TITLES) + r"): |\Z)"
        found = re.search(rf"^{title}: (.+?){after}", self.about.strip(), re.MULTILINE | re.DOTALL)
        if not found:
            raise LookupError(f"a reader's docstring has no {title}")
        return " ".join(found[1].split())

    @property
    def title(self) -> str:
        return self.about.strip().splitlines()[0].rstrip(".")


def matching_files(folder: Path, pattern: str) -> list[tuple[Path, re.Match[str]]]:
    """The files whose path below `folder` ends with the pattern, sorted, each with its match.

    Links to folders are not followed. Raises DataError where one leads out of `folder`, or a name cannot be printed.
    """
    wanted = re.compile(rf"(?:^|.*/){pattern}")
    found = []
    for top, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in inner:
            if os.path.islink(os.path.join(top, name)):
                check_inside(folder, Path(top, name))
        paths = [Path(top, name) for name in names if not name.startswith(".")]
        matches = [(path, wanted.fullmatch(path.relative_to(folder).as_posix())) for path in paths]
        found += [(check_printable(path), match) for path, match in matches if match]
    return sorted(found, key=lambda pair: str(pair[0]))


def check_printable(path: Path) -> Path:
    """The path. Raises DataError where its name would break a one-line message, as a line break does."""
    if not str(path).isprintable():
        raise DataError(f"{str(path)!r}: a name with characters that cannot be printed; rename it")
    return path


def check_inside(folder: Path, path: Path) -> Path:
    """The path. Raises DataError where it is, or links to, a place outside the folder."""
    try:
        real = path.resolve()
    except (OSError, RuntimeError, ValueError):  # a link to itself, a NUL in a name
        raise DataError(f"{folder}: {str(path)!r} leads nowhere") from None
    if not real.is_relative_to(folder.resolve()):
        raise DataError(f"{path}: leads out of the data folder {folder}; every file of a frame must lie in it")
    return path


def listed_file(folder: Path, base: Path, name: str, where: str) -> Path:
    """The file that a list names, relative to `base`; `where` is the list and line, for messages.

    Raises DataError unless it is a relative path in `folder`.
    """
    parts = re.split(r"[/\\]", name)
    if not name.strip() or name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise DataError(f"{where}: {name!r}; a path relative to {base} is needed, without '..' and not absolute")
    return check_inside(folder, base / name)


def colour_file(*stems: Path) -> Path:
    """The first stem for which there is a file with one of PICTURE_ENDINGS; else the first stem as .png, which is missing."""
    for stem in stems:
        for ending in PICTURE_ENDINGS:
            if (path := stem.with_name(stem.name + ending)).is_file():
                return path
    return stems[0].with_name(stems[0].name + PICTURE_ENDINGS[0])


def check_complete(folder: Path, frames: Sequence[FrameFiles]) -> None:
    """Raises DataError unless every file of every frame is there and lies in the folder."""
    paths = every_file(frames)
    missing = [path for path in paths if not path.is_file()]
    if missing:
        names = first_few(str(path.relative_to(folder)) for path in missing)
        raise DataError(f"{folder}: {len(missing)} files of {len(frames)} frames are missing: {names}")
    # Checks folders and links only: other files are where their folder is, and resolving each takes as long as all the rest.
    for path in {path.parent for path in paths} | {path for path in paths if path.is_symlink()}:
        check_inside(folder, path)


def every_file(frames: Iterable[FrameFiles]) -> list[Path]:
    """All files of the frames, each once, sorted."""
    return sorted({path for frame in frames for path in (frame.colour, frame.depth, *frame.extra)}, key=str)


def first_few(names: Iterable[str], most: int = 3) -> str:
    """The first names, separated by commas, for a message."""
    every = list(names)
    return ", ".join(every[:most]) + (", ..." if len(every) > most else "")
