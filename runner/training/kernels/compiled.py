"""Compiling functions with numba; machine code is cached on disk for each version of the source files."""

from __future__ import annotations

import hashlib
import os
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


def cache_folder() -> Path:
    """The folder of numba's cache, one for each version of the source files and each register width.

    Numba recompiles a function when its own file has changed, but not when the file of a function inlined in it has."""
    version, here = hashlib.sha256(), Path(__file__).parent
    for path in sorted(path for pattern in FILES for path in here.glob(pattern)):
        version.update(path.read_bytes())
    home = Path(os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        (home / "nfloss").mkdir(parents=True, exist_ok=True)
        writable = os.access(home / "nfloss", os.W_OK)
    except OSError:
        writable = False
    registers = "wide" if WIDE else "narrow"
    return (home if writable else Path(tempfile.gettempdir())) / "nfloss" / f"kernels-{registers}-{version.hexdigest()[:12]}"


CACHE_FOLDER = cache_folder()


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """The function as machine code, compiled at its first call unless it is in the cache. Division by 0 raises nothing."""
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
