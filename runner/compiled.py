"""Functions compiled by numba, kept on disk until one of the files that their machine code comes from changes.

Numba looks at the file of the function alone: of an edit to what it calls in another file it would notice nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit

FILES = ("compiled", "logarithm", "sums_kernels", "sums_loops")
#: Arithmetic may be reordered; that there are no NaN and no infinities is never assumed. No reciprocals in place of divisions:
#: x / x is 1, and its logarithm 0.
FAST = {"reassoc", "contract", "nsz"}
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": FAST}


@cache
def stamp() -> str:
    """A hash of the files."""
    return hashlib.sha256(b"".join(Path(__file__).with_name(f"{name}.py").read_bytes() for name in FILES)).hexdigest()


def compiled(function: Callable[..., Any]) -> Any:
    """The function as machine code, compiled when first called unless it is on disk."""
    try:
        made: Any = njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # nowhere to keep it
        return njit(**OPTIONS)(function)
    made._cache._cache_file._source_stamp = stamp()
    return made
