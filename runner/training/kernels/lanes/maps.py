"""Memory layout: the lanes innermost, maps with a border of zeros, everything aligned to cache lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from runner.training.kernels.width import LANES

LINE = 64  # bytes of a cache line: a vector that crosses two is loaded at half the speed


def aligned(count: int, dtype: np.dtype, make: Callable[..., np.ndarray] = np.zeros) -> np.ndarray:
    """An array [count] that starts at a cache line; `make` is np.zeros or np.empty."""
    size = np.dtype(dtype).itemsize
    memory = make(count + LINE // size, dtype)
    start = -(memory.ctypes.data // size) % (LINE // size)
    return memory[start : start + count]


class Map(NamedTuple):
    """Feature maps [B, height + 2, width + 2, channels, LANES], flat; the border, one pixel wide, stays zero.

    Images have no lanes: [B, height + 2, width + 2, 3].
    """

    values: np.ndarray
    height: int
    width: int
    channels: int
    pixel: int  # elements from one pixel to the next; `row` and `image` likewise
    row: int
    image: int
    inside: int  # offset of the first pixel inside the border

    @classmethod
    def empty(cls, images: int, height: int, width: int, channels: int, dtype: np.dtype, lanes: int = LANES) -> Map:
        pixel = channels * lanes
        row = (width + 2) * pixel
        image = (height + 2) * row
        return cls(aligned(images * image, dtype), height, width, channels, pixel, row, image, row + pixel)

    @classmethod
    def of_one(cls, height: int, width: int, channels: int, dtype: np.dtype) -> Map:
        """A map with memory for one image, which all images use in turn: it stays in a near cache."""
        return cls.empty(1, height, width, channels, dtype)._replace(image=0)
