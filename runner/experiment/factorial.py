"""Designs from well-kept libraries: fractions of a two-level product (pyDOE3) and covering arrays (covertable).

What a library says about a design is checked here: its aliases are computed from its own columns.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

LARGEST = 4096  # cells of a fraction
MOST_FIXES = 16  # beyond, the library's search takes minutes; fewer fixes than that go together anyway
SHOWN = 3  # aliases in an error


class DesignError(ValueError):
    """A design that cannot be had; one line."""


@dataclass(frozen=True)
class Fraction:
    """A two-level fraction: runs [cells, fixes] of booleans, and what it cannot tell apart."""

    fixes: tuple[str, ...]
    runs: np.ndarray
    aliases: tuple[tuple[str, str], ...]  # pairs of terms, such as ("1-1", "2-1 x 3-1")

    @property
    def resolution(self) -> int:
        """3: fixes are aliased with pairs; 4: pairs with pairs; 5: neither (which is as far as is looked)."""
        return 3 if any(" x " not in a for a, _ in self.aliases) else 4 if self.aliases else 5

    def cells(self) -> list[tuple[str, ...]]:
        """The fixes of each cell."""
        return [tuple(fix for fix, on in zip(self.fixes, run, strict=True) if on) for run in self.runs]


def fraction(fixes: Sequence[str], resolution: int) -> Fraction:
    """The smallest fraction that the library knows and that keeps its word.

    Raises:
        DesignError: none does, or it would have over 4096 cells or 16 fixes.
    """
    if len(fixes) > MOST_FIXES:
        raise DesignError(f"a fraction of {len(fixes)} fixes: at most {MOST_FIXES} can be had")
    doe, count, first = _library("pyDOE3", "pydoe3"), len(fixes), None
    for asked in range(resolution, count + 1):
        try:
            signs = doe.fracfact_by_res(count, asked)
        except ValueError:
            break
        made = Fraction(tuple(fixes), signs > 0, tuple(aliases(signs > 0, fixes)))
        if made.resolution >= resolution:
            return made
        first = first or made
    if 2**count <= LARGEST:
        runs = np.array(list(itertools.product((False, True), repeat=count)))
        return Fraction(tuple(fixes), runs, ())
    said = "" if first is None else "; ".join(" = ".join(pair) for pair in first.aliases[:SHOWN])
    raise DesignError(
        f"no fraction of resolution {resolution} with {count} fixes in at most {LARGEST} cells is known"
        + (f" (the library's has aliases: {said}, ...)" if said else "")
        + "; ask for a lower resolution or fewer fixes"
    )


def aliases(runs: np.ndarray, names: Sequence[str]) -> list[tuple[str, str]]:
    """Terms (fixes, and pairs of them) that are equal, or opposite, in every cell: their effects cannot be told apart.

    runs: [cells, fixes] booleans.
    """
    signs = np.where(runs, 1, -1)
    terms = {name: signs[:, i] for i, name in enumerate(names)}
    terms |= {f"{names[i]} x {names[j]}": signs[:, i] * signs[:, j] for i, j in itertools.combinations(range(len(names)), 2)}
    groups: dict[bytes, list[str]] = {}
    for name, column in terms.items():
        groups.setdefault((column * column[0]).astype(np.int8).tobytes(), []).append(name)
    return [pair for group in groups.values() for pair in itertools.combinations(group, 2)]


def covering(levels: Sequence[Sequence[str | None]], strength: int) -> list[tuple[str, ...]]:
    """Cells in which every combination of `strength` factors' levels appears at least once; None is a factor left alone.

    The first cell is the one without fixes.
    """
    rows = _library("covertable", "covertable").make([list(factor) for factor in levels], strength=strength)
    cells = [tuple(level for level in row if level is not None) for row in rows]
    return list(dict.fromkeys([(), *cells]))


def _library(name: str, package: str) -> ModuleType | Any:
    try:
        return import_module(name)
    except ImportError:
        raise DesignError(f"this design needs {package}: pip install {package}") from None
