"""RGB-D pictures from a folder: 8-bit colour beside 16-bit depth, the scale always given, never guessed."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch

from runner.data.frames import DataError, Frames

if TYPE_CHECKING:
    from PIL import Image

COLOUR_ENDINGS, DEPTH_ENDINGS = (".png", ".jpg", ".jpeg"), (".png",)
DEPTH_MODES = ("I;16", "I;16B", "I;16L", "I;16N")  # Pillow's names of 16-bit grey
VALIDATION_FOLDERS = ("val", "validation", "test")
NEAREST_SENSIBLE, FARTHEST_SENSIBLE = 0.01, 1000.0  # metres


def read_splits(
    folder: Path, depth_scale: float | None, height: int, width: int, validation_share: float = 0.3, seed: int = 0
) -> tuple[Frames, Frames]:
    """Training and validation frames: `train/` beside `val/`, `validation/` or `test/`; or one folder, dealt out by the seed.

    Raises:
        DataError: one line saying what was given, what is allowed, where.
    """
    existing(folder)
    other = next((folder / name for name in VALIDATION_FOLDERS if (folder / name).is_dir()), None)
    if (folder / "train").is_dir():
        if other is None:
            raise DataError(f"{folder}: train/ has no val/, validation/ or test/ beside it; one of them is needed")
        return read_folder(folder / "train", depth_scale, height, width), read_folder(other, depth_scale, height, width)
    if not 0 < validation_share < 1:
        raise DataError(f"{folder}: validation_share={validation_share}; a share between 0 and 1 is needed to split it")
    frames = read_folder(folder, depth_scale, height, width)
    if len(frames) < 2:
        raise DataError(f"{folder}: one picture cannot be split into training and validation; at least 2 are needed")
    order = torch.randperm(len(frames), generator=torch.Generator().manual_seed(seed))
    count = min(max(round(validation_share * len(frames)), 1), len(frames) - 1)
    return frames.select(order[count:]), frames.select(order[:count])


def read_folder(folder: Path, depth_scale: float | None, height: int, width: int) -> Frames:
    """The pictures of folder/rgb with the depth of folder/depth, matched by name, at one size.

    Metres = value / depth_scale; 0 is invalid. Colour is resized by area average, depth by nearest neighbour.
    """
    scale = checked_scale(depth_scale, folder)
    pairs = matched(existing(folder))
    rgb = np.stack([read_colour(colour, height, width) for colour, _ in pairs])
    depth = np.stack([read_depth(path, scale, height, width) for _, path in pairs])
    check_sense(folder, depth, scale)
    return Frames(torch.from_numpy(rgb).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(depth)[:, None])


def checked_scale(depth_scale: float | None, folder: Path) -> float:
    needed = "the 16-bit value of one metre (1000 for millimetres)"
    if depth_scale is None:
        raise DataError(f"{folder}: depth_scale is missing: {needed} is never guessed")
    # A bool is an int to Python; as a scale it is a slip.
    is_number = isinstance(depth_scale, int | float) and not isinstance(depth_scale, bool)
    if not (is_number and math.isfinite(depth_scale) and depth_scale > 0):
        raise DataError(f"{folder}: depth_scale={depth_scale!r}; a finite number greater than 0 is needed, {needed}")
    return float(depth_scale)


def existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise DataError(
            f"{folder}: {'is a file; a folder' if folder.exists() else 'no such folder; one'} with rgb/ and depth/ is needed"
        )
    return folder


def matched(folder: Path) -> list[tuple[Path, Path]]:
    """Colour and depth files of the same name, sorted."""
    for name in ("rgb", "depth"):
        if not (folder / name).is_dir():
            raise DataError(f"{folder}: {name}/ is missing; colour is read from rgb/, 16-bit depth from depth/")
    colours, depths = by_stem(folder / "rgb", COLOUR_ENDINGS), by_stem(folder / "depth", DEPTH_ENDINGS)
    if not colours and not depths:
        raise DataError(f"{folder}: rgb/ and depth/ are empty; PNG or JPEG colour and 16-bit PNG depth are needed")
    alone = [f"rgb/{stem}" for stem in colours if stem not in depths]
    alone += [f"depth/{stem}" for stem in depths if stem not in colours]
    if alone:
        shown = ", ".join(alone[:3]) + (", ..." if len(alone) > 3 else "")
        raise DataError(f"{folder}: {len(alone)} pictures have no partner of the same name in rgb/ and depth/: {shown}")
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


def pillow() -> ModuleType:
    """Pillow's module of pictures, loaded here alone: without a folder nothing needs it."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError("a folder of pictures is read with Pillow, which is not installed: pip install pillow") from None
    return Image


def open_image(path: Path) -> Image.Image:
    reader = pillow()
    try:
        with reader.open(path) as image:
            image.load()
            return image
    # Pillow has no one error for a broken file: a bad PNG chunk is a SyntaxError, a bad header at times a ValueError.
    except (OSError, SyntaxError, ValueError, reader.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as a picture ({' '.join(str(error).split())})") from None


def read_colour(path: Path, height: int, width: int) -> np.ndarray:
    """[height, width, 3] float32 in 0..1."""
    image = open_image(path)
    if image.mode.startswith(("I", "F")):
        raise DataError(f"{path}: more than 8 bits a channel (mode {image.mode}); 8-bit colour is needed in rgb/")
    small = image.convert("RGB").resize((width, height), pillow().Resampling.BOX)
    return np.asarray(small, np.float32) / np.float32(255)


def read_depth(path: Path, scale: float, height: int, width: int) -> np.ndarray:
    """[height, width] float32 metres."""
    image = open_image(path)
    if image.mode not in DEPTH_MODES:
        kind = "an 8-bit" if image.mode in ("1", "L", "P") else "a 32-bit" if image.mode in ("I", "F") else "a colour"
        raise DataError(
            f"{path}: {kind} picture (mode {image.mode}); depth_scale belongs to 16-bit PNG: 16-bit grey is needed in depth/"
        )
    values = np.asarray(image, np.uint16)
    rows = (np.arange(height) + 0.5) * values.shape[0] / height
    columns = (np.arange(width) + 0.5) * values.shape[1] / width
    return (values[np.ix_(rows.astype(int), columns.astype(int))] / scale).astype(np.float32)


def check_sense(folder: Path, depth: np.ndarray, scale: float) -> None:
    """Refuse what no camera sees, with the arithmetic."""
    valid = depth[depth > 0]
    if not valid.size:
        raise DataError(f"{folder}: no valid depth in {len(depth)} pictures (every value is 0)")
    near, far = float(valid.min()), float(valid.max())
    if far < NEAREST_SENSIBLE or near > FARTHEST_SENSIBLE:
        sum_ = f"values {near * scale:.0f} to {far * scale:.0f} / depth_scale {scale:g} = {near:.3g} to {far:.3g} m"
        raise DataError(f"{folder}: {sum_}; that is no scene, is depth_scale right?")
