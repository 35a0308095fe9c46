"""Virtual KITTI 2: rendered depth of five drives.

Layout: SceneNN/VARIANT/frames/depth/Camera_0/depth_N.png with .../frames/rgb/Camera_0/rgb_N.jpg
Scale: metres = value / 100 (16-bit PNG, centimetres)
Invalid: 65535, which is the sky and all that is farther than 655.34 m; and 0
Scene: SceneNN, with all its weathers and cameras
Source: https://europe.naverlabs.com/proxy-virtual-worlds-vkitti-2/ (Cabon et al. 2020, arXiv:2001.10773)
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from runner.data.formats.decode import scaled_png
from runner.data.formats.files import FrameFiles, Reader, colour_file, matching_files

SKY = 65535


def find_frames(folder: Path) -> list[FrameFiles]:
    return [
        FrameFiles(colour_file(depth.parents[2] / "rgb" / match[2] / f"rgb_{match[3]}"), depth, match[1])
        for depth, match in matching_files(folder, r"(Scene\d+)/[^/]+/frames/depth/(Camera_\d)/depth_(\d+)\.png")
    ]


READER = Reader(__doc__, find_frames, partial(scaled_png, invalid=SKY), 100.0)
