"""Kernels as machine code, kept on disk: compiled once for a machine and a version of this folder's files."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from runner.lanes.width import LANES


def cache_folder() -> Path:
    """numba looks at a kernel's own file alone to see whether it has changed, and not at those whose code becomes part of it:
    so each version of the folder, and each number of lanes, has a place of its own."""
    version = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        version.update(path.read_bytes())
    home = Path(os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        (home / "nfloss").mkdir(parents=True, exist_ok=True)
        writable = os.access(home / "nfloss", os.W_OK)
    except OSError:
        writable = False
    return (home if writable else Path(tempfile.gettempdir())) / "nfloss" / f"kernels-{LANES}-{version.hexdigest()[:12]}"


FOLDER = cache_folder()


def compiled(function: Callable[..., Any]) -> Any:
    """A function of numbers, arrays and vectors as machine code, made when first called."""
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(FOLDER)  # read as a function is prepared
    try:
        return numba.njit(cache=True)(function)
    finally:
        numba.config.CACHE_DIR = before
