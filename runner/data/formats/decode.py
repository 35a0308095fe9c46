"""Files of numbers, each decoded or refused in one line; none is trusted: no pickles, no more pixels than a camera has."""

from __future__ import annotations

import lzma
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from runner.data.formats.files import Shot, shown
from runner.data.formats.pictures import png16
from runner.data.frames import DataError

MOST_PIXELS = 2**26
MOST_BYTES = 16 * MOST_PIXELS
# What numpy raises for a broken file, and the archive below it; MemoryError where a header claims more than there is.
BROKEN = (OSError, ValueError, TypeError, EOFError, KeyError, MemoryError, OverflowError, SyntaxError, tokenize.TokenError)
BROKEN_ARCHIVE = (*BROKEN, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def scaled(shot: Shot, scale: float) -> np.ndarray:
    """[H, W] float32 metres: 16-bit values over the scale, 0 invalid."""
    return (png16(shot.depth) / scale).astype(np.float32)


def npy(path: Path) -> np.ndarray:
    """The numbers of an npy file."""
    try:
        # Mapped: a header that claims more than the file holds is found before memory is asked for.
        array = np.lib.format.open_memmap(path, mode="r")
    except BROKEN as error:
        raise broken(path, "an npy array", error) from None
    return np.array(numbers(path, array))


def npz(path: Path, key: str) -> np.ndarray:
    """The numbers under a key of an npz file."""
    try:
        with zipfile.ZipFile(path) as archive:
            if (size := sum(entry.file_size for entry in archive.infolist())) > MOST_BYTES:
                raise DataError(f"{path}: {size:,} bytes when unpacked; at most {MOST_BYTES:,} are read")
        with np.load(path, allow_pickle=False) as arrays:
            if key not in arrays.files:
                raise DataError(f"{path}: no array {key!r} in it; there is {shown(map(repr, arrays.files)) or 'none'}")
            return numbers(path, arrays[key])
    except DataError:
        raise
    except BROKEN_ARCHIVE as error:
        raise broken(path, "an npz archive", error) from None


def pfm(path: Path) -> np.ndarray:
    """[H, W] float32 of a grey PFM, first row on top: the file has the last row first, and little-endian numbers where its
    scale is negative. http://www.pauldebevec.com/Research/HDR/PFM/"""
    content = path.read_bytes()
    head = content.split(b"\n", 3)
    try:
        kind, (width, height), scale = head[0].strip(), map(int, head[1].split()), float(head[2])
    except (ValueError, IndexError):
        raise DataError(f"{path}: not a PFM file (lines 'Pf', 'WIDTH HEIGHT', 'SCALE' begin one)") from None
    if kind != b"Pf" or width < 1 or height < 1 or not (scale < 0 or scale > 0):
        raise DataError(f"{path}: a PFM of kind {kind!r}, {width} x {height}, scale {scale:g}; a grey one ('Pf') is needed")
    if len(head) < 4 or len(head[3]) != 4 * width * height:
        have = len(head[3]) if len(head) > 3 else 0
        raise DataError(f"{path}: {have} bytes of pixels; {width} x {height} x 4 are {4 * width * height}: half written?")
    rows = np.frombuffer(head[3], "<f4" if scale < 0 else ">f4").reshape(height, width)
    return rows[::-1].astype(np.float32)


def hdf5(path: Path, key: str) -> np.ndarray:
    """The numbers of a data set of an HDF5 file."""
    try:
        import h5py
    except ImportError:
        raise DataError(f"{path}: HDF5 is read with h5py, which is not installed: pip install h5py") from None
    try:
        with h5py.File(path, "r") as file:
            # Links and outside storage would read other files.
            own = isinstance(file.get(key, getlink=True), h5py.HardLink)
            found = file[key] if own else None
            if not isinstance(found, h5py.Dataset):
                raise DataError(f"{path}: no data set {key!r} in it; there is {shown(map(repr, file)) or 'none'}")
            if not 0 < (found.size or 0) <= MOST_PIXELS or found.external or found.is_virtual:
                raise DataError(f"{path}: data set {key!r} of shape {found.shape}; 1 to {MOST_PIXELS} of its own are needed")
            return numbers(path, found[()])
    except DataError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise broken(path, "an HDF5 file", error) from None


def numbers(path: Path, array: np.ndarray) -> np.ndarray:
    """The array, if it is one of numbers and no larger than a picture."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" or not 0 < array.size <= MOST_PIXELS:
        what = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise DataError(f"{path}: {what}; an array of 1 to {MOST_PIXELS} numbers is needed")
    return array


def plane(path: Path, array: np.ndarray) -> np.ndarray:
    """[H, W] float32 of an array [H, W], [H, W, 1] or [1, H, W]; 0 where it is not a number above 0."""
    flat = array.squeeze(-1) if array.ndim == 3 and array.shape[-1] == 1 else array
    flat = flat.squeeze(0) if flat.ndim == 3 and flat.shape[0] == 1 else flat
    if flat.ndim != 2:
        raise DataError(f"{path}: shape {array.shape}; [H, W] is needed")
    with np.errstate(over="ignore"):
        small = flat.astype(np.float32)
    return np.where(np.isfinite(small) & (small > 0), small, np.float32(0))


def broken(path: Path, what: str, error: Exception) -> DataError:
    return DataError(f"{path}: cannot be read as {what} ({' '.join(str(error).split())[:200] or type(error).__name__})")
