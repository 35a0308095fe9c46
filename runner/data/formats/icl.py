"""ICL-NUIM, its TUM-compatible PNGs: rendered depth of a living room and an office.

Layout: SEQUENCE/associations.txt with lines `N depth/N.png N rgb/N.png` (or colour first); where there is none,
    SEQUENCE/depth/N.png with SEQUENCE/rgb/N.png
Scale: metres = value / 5000 (16-bit PNG)
Invalid: 0
Scene: the sequence (name sequences of one room in lists: living_room_traj0 and traj1 show the same)
Source: https://www.doc.ic.ac.uk/~ahanda/VaFRIC/iclnuim.html (Handa et al. 2014)
"""

from __future__ import annotations

from pathlib import Path

from runner.data.formats.decode import scaled_png
from runner.data.formats.files import FrameFiles, Reader, colour_file, listed_file, matching_files
from runner.data.formats.text import lines_of
from runner.data.frames import DataError


def find_frames(folder: Path) -> list[FrameFiles]:
    lists = [path for path, _ in matching_files(folder, r"associations\.txt")]
    frames = [frame for path in lists for frame in associated(folder, path)]
    listed = {path.parent for path in lists}
    for depth, match in matching_files(folder, r"depth/(\d+)\.png"):
        sequence = depth.parents[1]
        if sequence not in listed:
            frames.append(FrameFiles(colour_file(sequence / "rgb" / match[1]), depth, sequence.relative_to(folder).as_posix()))
    return frames


def associated(folder: Path, listing: Path) -> list[FrameFiles]:
    """The frames that a list names."""
    frames = []
    for where, line in lines_of(listing):
        words = line.split()
        pair = {name.split("/")[0]: listed_file(folder, listing.parent, name, where) for name in words[1::2]}
        if len(words) != 4 or pair.keys() != {"depth", "rgb"}:
            raise DataError(f"{where}: {line[:80]!r}; 'N depth/N.png N rgb/N.png' is needed")
        frames.append(FrameFiles(pair["rgb"], pair["depth"], listing.parent.relative_to(folder).as_posix(), (listing,)))
    return frames


READER = Reader(__doc__, find_frames, scaled_png, 5000.0)
