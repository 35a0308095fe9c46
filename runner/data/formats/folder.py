"""Plain folders: colour and 16-bit depth of the same name.

Layout: rgb/NAME.png (or .jpg) with depth/NAME.png, or SCENE/rgb/ and SCENE/depth/ for several scenes
Scale: metres = value / depth_scale (16-bit PNG); depth_scale is yours to give, 1000 for millimetres
Invalid: 0
Scene: the folder that holds rgb and depth
Source: docs/data-formats.md
"""

from __future__ import annotations

from pathlib import Path

from runner.data.formats.decode import scaled_png
from runner.data.formats.files import PICTURE_ENDINGS, FrameFiles, Reader, first_few, matching_files
from runner.data.frames import DataError


def find_frames(folder: Path) -> list[FrameFiles]:
    folders = sorted({depth.parents[1] for depth, _ in matching_files(folder, r"depth/[^/]+\.(?i:png)")})
    return [FrameFiles(*pair, parent.relative_to(folder).as_posix()) for parent in folders for pair in matched(parent)]


def matched(folder: Path) -> list[tuple[Path, Path]]:
    """Colour and depth files of the same name, sorted."""
    if not (folder / "rgb").is_dir():
        raise DataError(f"{folder}: rgb/ is missing; colour is read from rgb/, 16-bit depth from depth/")
    colours, depths = by_stem(folder / "rgb", PICTURE_ENDINGS), by_stem(folder / "depth", (".png",))
    alone = [f"rgb/{stem}" for stem in colours if stem not in depths]
    alone += [f"depth/{stem}" for stem in depths if stem not in colours]
    if alone:
        raise DataError(f"{folder}: {len(alone)} pictures without one of the same name in rgb/ or depth/: {first_few(alone)}")
    return [(colours[stem], depths[stem]) for stem in colours]


def by_stem(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """The pictures of one folder by their name without ending, sorted."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: (path.stem, path.suffix)):
        if path.suffix.lower() not in endings or path.name.startswith("."):
            continue
        if path.stem in found:
            raise DataError(f"{folder}: both {found[path.stem].name} and {path.name}; one picture of a name is needed")
        found[path.stem] = path
    return found


READER = Reader(__doc__, find_frames, scaled_png, None)
