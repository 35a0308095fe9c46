"""Compiling functions with numba; machine code is cached on disk for each version of the source files."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from runner.training.kernels.width import WIDE

#: The source files of all machine code.
FILES = ("compiled.py", "width.py", "lanes/*.py", "sums/*.py")
#: Arithmetic may be reordered, to process several pixels at once. NaN and infinities stay allowed. Divisions do not become
#: products with reciprocals: x / x is 1, and its logarithm 0.
FAST = {"reassoc", "contract", "nsz"}


def cache_folder() -> Path | None:
    """The folder of numba's cache, one for each version of the source files and each register width; None where there is no
    place that is this user's alone.

    Numba recompiles a function when its own file has changed, but not when the file of a function inlined in it has."""
    version, here = hashlib.sha256(), Path(__file__).parent
    for path in sorted(path for pattern in FILES for path in here.glob(pattern)):
        version.update(path.read_bytes())
    home = Path(os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    registers = "wide" if WIDE else "narrow"
    places = (home / "nfloss", Path(tempfile.gettempdir()) / f"nfloss-{os.getuid()}" if hasattr(os, "getuid") else None)
    own = next((place for place in places if place and private(place)), None)
    return own / f"kernels-{registers}-{version.hexdigest()[:12]}" if own else None


def private(folder: Path) -> bool:
    """Whether a folder is this user's, and nobody else can write to it; made where it is missing.

    Numba unpickles what is in its cache: what another user had put there would run.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.lstat()
    except OSError:
        return False
    others = stat.S_IWGRP | stat.S_IWOTH
    ours = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return stat.S_ISDIR(found.st_mode) and ours and not found.st_mode & others and os.access(folder, os.W_OK)


CACHE_FOLDER = cache_folder()


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """The function as machine code, compiled at its first call unless it is in the cache. Division by 0 raises nothing."""
    if CACHE_FOLDER is None:
        return numba.njit(error_model="numpy", **options)(function)
    config: Any = numba.config
    before, config.CACHE_DIR = config.CACHE_DIR, str(CACHE_FOLDER)  # numba reads it when a function is decorated
    try:
        return numba.njit(cache=True, error_model="numpy", **options)(function)
    except RuntimeError:  # no writable cache
        return numba.njit(error_model="numpy", **options)(function)
    finally:
        config.CACHE_DIR = before


def compiled_fastmath(function: Callable[..., Any]) -> Any:
    """`compiled`, with sums in whatever order is fastest."""
    return compiled(function, fastmath=FAST)
