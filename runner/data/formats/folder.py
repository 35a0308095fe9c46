"""Plain folders: colour and 16-bit depth of the same name.

Layout: rgb/NAME.png (or .jpg) with depth/NAME.png, or SCENE/rgb/ and SCENE/depth/ for several scenes
Scale: metres = value / depth_scale (16-bit PNG); depth_scale is yours to give, 1000 for millimetres
Invalid: 0
Scene: the folder that holds rgb and depth
Source: docs/data-formats.md
"""

from __future__ import annotations

from pathlib import Path

from runner.data.folder import matched
from runner.data.formats.decode import scaled
from runner.data.formats.files import Reader, Shot, files


def find(folder: Path) -> list[Shot]:
    homes = sorted({depth.parents[1] for depth, _ in files(folder, r"depth/[^/]+\.png")})
    return [Shot(colour, depth, home.relative_to(folder).as_posix()) for home in homes for colour, depth in matched(home)]


READER = Reader(__doc__, find, scaled, None)
