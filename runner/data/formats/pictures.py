"""Pictures, decoded by Pillow: 8-bit colour and 16-bit depth. DataError, in one line, for anything else."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from runner.data.frames import DataError

if TYPE_CHECKING:
    from PIL import Image

DEPTH_MODES = ("I;16", "I;16B", "I;16L", "I;16N")  # Pillow's names of 16-bit grey


def pillow() -> ModuleType:
    """Pillow's Image module, imported only when pictures are read."""
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
    # Pillow has several errors for a broken file: a bad PNG chunk is a SyntaxError, a bad header sometimes a ValueError.
    except (OSError, SyntaxError, ValueError, reader.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as a picture ({' '.join(str(error).split())})") from None


def read_colour(path: Path, height: int, width: int) -> np.ndarray:
    """[height, width, 3] float32 in 0..1."""
    image = open_image(path)
    if image.mode.startswith(("I", "F")):
        raise DataError(f"{path}: more than 8 bits a channel (mode {image.mode}); 8-bit colour is needed in rgb/")
    small = image.convert("RGB").resize((width, height), pillow().Resampling.BOX)
    return np.asarray(small, np.float32) / np.float32(255)


def png16(path: Path) -> np.ndarray:
    """[H, W] uint16 of a 16-bit grey PNG."""
    image = open_image(path)
    if image.mode not in DEPTH_MODES:
        kind = "an 8-bit" if image.mode in ("1", "L", "P", "LA") else "a 32-bit" if image.mode in ("I", "F") else "a colour"
        raise DataError(f"{path}: {kind} picture (mode {image.mode}); depth in 16-bit grey is needed")
    return np.asarray(image, np.uint16)
