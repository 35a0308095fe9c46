"""Decoders of number files. None is trusted: no pickles, no more pixels than a camera has; DataError in one line otherwise."""

from __future__ import annotations

import lzma
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from runner.data.formats.files import FrameFiles, first_few
from runner.data.formats.pictures import png16
from runner.data.frames import DataError

MOST_PIXELS = 2**26
MOST_BYTES = 16 * MOST_PIXELS
# What numpy raises for a broken file or archive; MemoryError where a header claims more than the file holds.
BROKEN = (OSError, ValueError, TypeError, EOFError, KeyError, MemoryError, OverflowError, SyntaxError, tokenize.TokenError)
BROKEN_ARCHIVE = (*BROKEN, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def scaled_png(frame: FrameFiles, scale: float, invalid: int = 0) -> np.ndarray:
    """[H, W] float32 metres of a 16-bit PNG: its values divided by the scale; 0 where they are `invalid`, or 0."""
    values = png16(frame.depth)
    return np.where(values == invalid, 0, values / scale).astype(np.float32)


def npy(path: Path) -> np.ndarray:
    """The array in an npy file."""
    try:
        # Mapped, so that a header that claims more than the file holds fails before memory is allocated.
        array = np.lib.format.open_memmap(path, mode="r")
    except BROKEN as error:
        raise unreadable(path, "an npy array", error) from None
    return np.array(checked_numbers(path, array))


def npz(path: Path, key: str) -> np.ndarray:
    """The array under a key of an npz file."""
    try:
        with zipfile.ZipFile(path) as archive:
            if (size := sum(entry.file_size for entry in archive.infolist())) > MOST_BYTES:
                raise DataError(f"{path}: {size:,} bytes when unpacked; at most {MOST_BYTES:,} are read")
        with np.load(path, allow_pickle=False) as arrays:
            if key not in arrays.files:
                raise DataError(f"{path}: no array {key!r} in it; there is {first_few(map(repr, arrays.files)) or 'none'}")
            return checked_numbers(path, arrays[key])
    except DataError:
        raise
    except BROKEN_ARCHIVE as error:
        raise unreadable(path, "an npz archive", error) from None


def pfm(path: Path) -> np.ndarray:
    """[H, W] float32 of a grey PFM, the top row first. The file has the bottom row first, and little-endian numbers where its
    scale is negative: http://www.pauldebevec.com/Research/HDR/PFM/"""
    if (size := path.stat().st_size) > MOST_BYTES:
        raise DataError(f"{path}: {size:,} bytes; at most {MOST_BYTES:,} are read")
    content = path.read_bytes()
    head = content.split(b"\n", 3)
    try:
        kind, (width, height), scale = head[0].strip(), map(int, head[1].split()), float(head[2])
    except (ValueError, IndexError):
        raise DataError(f"{path}: not a PFM file (it begins with the lines 'Pf', 'WIDTH HEIGHT', 'SCALE')") from None
    if kind != b"Pf" or width < 1 or height < 1 or not (scale < 0 or scale > 0):
        raise DataError(f"{path}: a PFM of kind {kind!r}, {width} x {height}, scale {scale:g}; a grey one ('Pf') is needed")
    if len(head) < 4 or len(head[3]) != 4 * width * height:
        have = len(head[3]) if len(head) > 3 else 0
        raise DataError(f"{path}: {have} bytes of pixels; {4 * width * height} (4 x {width} x {height}) are needed")
    rows = np.frombuffer(head[3], "<f4" if scale < 0 else ">f4").reshape(height, width)
    return rows[::-1].astype(np.float32)


def hdf5(path: Path, key: str) -> np.ndarray:
    """The array of a data set in an HDF5 file."""
    try:
        import h5py
    except ImportError:
        raise DataError(f"{path}: HDF5 is read with h5py, which is not installed: pip install h5py") from None
    try:
        with h5py.File(path, "r") as file:
            # Links and external storage would read other files.
            is_own = isinstance(file.get(key, getlink=True), h5py.HardLink)
            found = file[key] if is_own else None
            if not isinstance(found, h5py.Dataset):
                raise DataError(f"{path}: no data set {key!r} in it; there is {first_few(map(repr, file)) or 'none'}")
            if not 0 < (found.size or 0) <= MOST_PIXELS or found.external or found.is_virtual:
                raise DataError(f"{path}: data set {key!r} of shape {found.shape}; 1 to {MOST_PIXELS} numbers are needed")
            return checked_numbers(path, found[()])
    except DataError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise unreadable(path, "an HDF5 file", error) from None


def checked_numbers(path: Path, array: np.ndarray) -> np.ndarray:
    """The array. Raises DataError unless it has numbers, and no more than MOST_PIXELS."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" or not 0 < array.size <= MOST_PIXELS:
        what = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise DataError(f"{path}: {what}; an array of 1 to {MOST_PIXELS} numbers is needed")
    return array


def depth_map(path: Path, array: np.ndarray) -> np.ndarray:
    """[H, W] float32 of an array [H, W], [H, W, 1] or [1, H, W]; 0 where the value is not finite and positive."""
    flat = array.squeeze(-1) if array.ndim == 3 and array.shape[-1] == 1 else array
    flat = flat.squeeze(0) if flat.ndim == 3 and flat.shape[0] == 1 else flat
    if flat.ndim != 2:
        raise DataError(f"{path}: shape {array.shape}; [H, W] is needed")
    with np.errstate(over="ignore"):
        small = flat.astype(np.float32)
    return np.where(np.isfinite(small) & (small > 0), small, np.float32(0))


def unreadable(path: Path, what: str, error: Exception) -> DataError:
    return DataError(f"{path}: cannot be read as {what} ({' '.join(str(error).split())[:200] or type(error).__name__})")
