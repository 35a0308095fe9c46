"""Functions as machine code by numba, kept on disk: compiled once for a machine and a version of the files they come from."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from runner.training.kernels.width import WIDE

#: Everything that becomes machine code.
FILES = ("compiled.py", "width.py", "lanes/*.py", "sums/*.py")
#: Arithmetic may be reordered, so that it is done for several pixels at once; that there are no NaN and no infinities is never
#: assumed. No reciprocals in place of divisions: x / x is 1, and its logarithm 0.
FAST = {"reassoc", "contract", "nsz"}


def folder() -> Path:
    """Where machine code is kept. Numba looks at a function's own file alone to see whether it has changed, and not at those
    whose code becomes part of it: so each version of the files, and each width of the registers, has a place of its own."""
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


FOLDER = folder()


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """A function of numbers, arrays and vectors, compiled when first called unless it is on disk. Division by 0 is
    no error in it."""
    config: Any = numba.config
    before, config.CACHE_DIR = config.CACHE_DIR, str(FOLDER)  # read as a function is prepared
    try:
        return numba.njit(cache=True, error_model="numpy", **options)(function)
    except RuntimeError:  # nowhere to keep it
        return numba.njit(error_model="numpy", **options)(function)
    finally:
        config.CACHE_DIR = before


def reordered(function: Callable[..., Any]) -> Any:
    """The same, its sums in whatever order is fastest."""
    return compiled(function, fastmath=FAST)
