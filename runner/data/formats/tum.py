"""TUM RGB-D: Kinect depth of sequences, colour and depth taken at different times.

Layout: SEQUENCE/rgb.txt and SEQUENCE/depth.txt, a line `TIMESTAMP PATH` each, # for comments; colour and depth are paired
    by nearest timestamp, the closest pairs first, each picture once, none further apart than 0.02 s
Scale: metres = value / 5000 (16-bit PNG)
Invalid: 0
Scene: the sequence
Source: https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats and its associate.py (Sturm et al. 2012)
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

from runner.data.formats.decode import scaled_png
from runner.data.formats.files import FrameFiles, Reader, listed_file, matching_files
from runner.data.formats.text import lines_of
from runner.data.frames import DataError

MOST_SECONDS = 0.02


def find_frames(folder: Path) -> list[FrameFiles]:
    frames = []
    for listing, _ in matching_files(folder, r"rgb\.txt"):
        sequence, depths = listing.parent, listing.with_name("depth.txt")
        if not depths.is_file():
            raise DataError(f"{listing}: depth.txt is missing beside it")
        colour, depth = stamped(folder, listing), stamped(folder, depths)
        for at_colour, at_depth in associate([at for at, _ in colour], [at for at, _ in depth]):
            pair = (colour[at_colour][1], depth[at_depth][1])
            frames.append(FrameFiles(*pair, sequence.relative_to(folder).as_posix(), (listing, depths)))
    return frames


def stamped(folder: Path, listing: Path) -> list[tuple[float, Path]]:
    """(seconds, file) of a list, sorted by time."""
    found = []
    for where, line in lines_of(listing):
        try:
            stamp, name = line.split(maxsplit=1)
            seconds = float(stamp)
        except ValueError:
            seconds = math.nan
        if not math.isfinite(seconds):
            raise DataError(f"{where}: {line[:80]!r}; 'TIMESTAMP PATH' is needed")
        found.append((seconds, listed_file(folder, listing.parent, name, where)))
    return sorted(found)


def associate(one: Sequence[float], other: Sequence[float]) -> list[tuple[int, int]]:
    """Pairs of indices into two ascending series of seconds, the closest pairs first; each is used once. Sorted.

    >>> associate([1.00, 1.03], [1.01, 1.02, 9.0])
    [(0, 0), (1, 1)]
    """
    near = [
        (abs(seconds - other[place]), at, place)
        for at, seconds in enumerate(one)
        for place in range(bisect_left(other, seconds - MOST_SECONDS), bisect_left(other, seconds + MOST_SECONDS))
    ]
    ones, others, pairs = set[int](), set[int](), []
    for _, at, place in sorted(near):
        if at not in ones and place not in others:
            ones.add(at)
            others.add(place)
            pairs.append((at, place))
    return sorted(pairs)


READER = Reader(__doc__, find_frames, scaled_png, 5000.0)
