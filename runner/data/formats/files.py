"""Shots: which files make a frame, found below a data folder and never outside it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runner.data.frames import DataError

PICTURES = (".png", ".jpg", ".jpeg")
TITLES = ("Layout", "Scale", "Invalid", "Scene", "Source")


@dataclass(frozen=True)
class Shot:
    """The files of one frame.

    scene:  what may not be on both sides of a split by scene
    beside: what else is read: a mask, a calibration, the list that named the pair
    """

    colour: Path
    depth: Path
    scene: str
    beside: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Reader:
    """A format.

    about:  its module's docstring: a title and the paragraphs of TITLES
    find:   all shots below a folder
    metres: the depth of a shot in its own size, [H, W] float32 along the optical axis, 0 = invalid; given the scale
    scale:  the stored value of one metre; None where depth_scale gives it
    """

    about: str
    find: Callable[[Path], list[Shot]]
    metres: Callable[[Shot, float], np.ndarray]
    scale: float | None

    def says(self, title: str) -> str:
        """A paragraph of `about` on one line."""
        after = r"(?=\n(?:" + "|".join(TITLES) + r"): |\Z)"
        found = re.search(rf"^{title}: (.+?){after}", self.about.strip(), re.MULTILINE | re.DOTALL)
        if not found:
            raise LookupError(f"a reader's docstring has no {title}")
        return " ".join(found[1].split())

    @property
    def title(self) -> str:
        return self.about.strip().splitlines()[0].rstrip(".")


def files(folder: Path, pattern: str) -> list[tuple[Path, re.Match[str]]]:
    """The files below a folder whose path from it ends as the pattern says, sorted; with the match.

    Links to folders are not followed; one that leads out of the folder is refused.
    """
    wanted = re.compile(rf"(?:^|.*/){pattern}")
    found = []
    for top, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in inner:
            if os.path.islink(os.path.join(top, name)):
                inside(folder, Path(top, name))
        paths = [Path(top, name) for name in names if not name.startswith(".")]
        matches = [(path, wanted.fullmatch(path.relative_to(folder).as_posix())) for path in paths]
        found += [(printable(path), match) for path, match in matches if match]
    return sorted(found, key=lambda pair: str(pair[0]))


def printable(path: Path) -> Path:
    """The path, if a message can show it: a name with a line break in it would make two lines of one."""
    if not str(path).isprintable():
        raise DataError(f"{str(path)!r}: a name with signs that cannot be shown; rename it")
    return path


def inside(folder: Path, path: Path) -> Path:
    """The path, if what it leads to lies in the folder."""
    try:
        real = path.resolve()
    except (OSError, RuntimeError, ValueError):  # a link to itself, a NUL in a name
        raise DataError(f"{folder}: {str(path)!r} leads nowhere") from None
    if not real.is_relative_to(folder.resolve()):
        raise DataError(f"{path}: leads out of the data folder {folder}; every file of a frame must lie in it")
    return path


def named_in(folder: Path, base: Path, name: str, where: str) -> Path:
    """The file that a list names, from `base` on; `where` says which list and line."""
    parts = re.split(r"[/\\]", name)
    if not name.strip() or name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise DataError(f"{where}: {name!r}; a path from {base} on is needed, without '..' and not absolute")
    return inside(folder, base / name)


def partner(*stems: Path) -> Path:
    """The colour picture: the first stem that exists with an ending of PICTURES, else the first of them."""
    for stem in stems:
        for ending in PICTURES:
            if (path := stem.with_name(stem.name + ending)).is_file():
                return path
    return stems[0].with_name(stems[0].name + PICTURES[0])


def whole(folder: Path, shots: Sequence[Shot]) -> None:
    """Every file of every shot is there and lies in the folder."""
    paths = every_file(shots)
    missing = [path for path in paths if not path.is_file()]
    if missing:
        names = shown(str(path.relative_to(folder)) for path in missing)
        raise DataError(f"{folder}: {len(missing)} files of {len(shots)} frames are missing: {names}")
    # Where the home is real only a link can lead elsewhere; to resolve every file takes as long as all the rest.
    for path in {path.parent for path in paths} | {path for path in paths if path.is_symlink()}:
        inside(folder, path)


def every_file(shots: Iterable[Shot]) -> list[Path]:
    """All files of the shots, each once, sorted."""
    return sorted({path for shot in shots for path in (shot.colour, shot.depth, *shot.beside)}, key=str)


def shown(names: Iterable[str], most: int = 3) -> str:
    """The first few names, for a message."""
    every = list(names)
    return ", ".join(every[:most]) + (", ..." if len(every) > most else "")
