"""Designs made by libraries: fractions of a two-level product (pyDOE3) and covering arrays (covertable).

The resolution that a library states is not relied on: aliases are computed from the design itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

MAX_CELLS = 4096  # of a fraction
MAX_FIXES = 16  # with more, the library's search takes minutes
ALIASES_SHOWN = 3  # in an error


class DesignError(ValueError):
    """Why a design cannot be made, in one line."""


@dataclass(frozen=True)
class Fraction:
    """A two-level fraction: runs [cells, fixes] of booleans, and the terms that it cannot separate."""

    fixes: tuple[str, ...]
    runs: np.ndarray
    aliases: tuple[tuple[str, str], ...]  # pairs of terms, such as ("1-1", "2-1 x 3-1")

    @property
    def resolution(self) -> int:
        """3: some fix is aliased with a pair; 4: some pairs with each other; 5: neither (higher ones are not told apart)."""
        return 3 if any(" x " not in a for a, _ in self.aliases) else 4 if self.aliases else 5

    def cells(self) -> list[tuple[str, ...]]:
        """The fixes of each cell."""
        return [tuple(fix for fix, on in zip(self.fixes, run, strict=True) if on) for run in self.runs]


def smallest_fraction(fixes: Sequence[str], resolution: int) -> Fraction:
    """The smallest fraction that the library knows and that has this resolution.

    Raises DesignError: there is none with at most 4096 cells, there are more than 16 fixes, or pyDOE3 is not installed."""
    if len(fixes) > MAX_FIXES:
        raise DesignError(f"a fraction of {len(fixes)} fixes: at most {MAX_FIXES} are possible")
    doe, count, first = _library("pyDOE3", "pydoe3"), len(fixes), None
    for requested in range(resolution, count + 1):
        try:
            signs = doe.fracfact_by_res(count, requested)
        except ValueError:
            break
        made = Fraction(tuple(fixes), signs > 0, tuple(find_aliases(signs > 0, fixes)))
        if made.resolution >= resolution:
            return made
        first = first or made
    if 2**count <= MAX_CELLS:
        runs = np.array(list(itertools.product((False, True), repeat=count)))
        return Fraction(tuple(fixes), runs, ())
    shown = "" if first is None else "; ".join(" = ".join(pair) for pair in first.aliases[:ALIASES_SHOWN])
    raise DesignError(
        f"no fraction of resolution {resolution} with {count} fixes in at most {MAX_CELLS} cells is known"
        + (f" (the library's has aliases: {shown}, ...)" if shown else "")
        + "; choose a lower resolution or fewer fixes"
    )


def find_aliases(runs: np.ndarray, names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of terms (fixes, or pairs of fixes) that are equal or opposite in every cell of `runs`, [cells, fixes] booleans."""
    signs = np.where(runs, 1, -1)
    terms = {name: signs[:, i] for i, name in enumerate(names)}
    terms |= {f"{names[i]} x {names[j]}": signs[:, i] * signs[:, j] for i, j in itertools.combinations(range(len(names)), 2)}
    groups: dict[bytes, list[str]] = {}
    for name, column in terms.items():
        groups.setdefault((column * column[0]).astype(np.int8).tobytes(), []).append(name)
    return [pair for group in groups.values() for pair in itertools.combinations(group, 2)]


def covering_array(levels: Sequence[Sequence[str | None]], strength: int) -> list[tuple[str, ...]]:
    """Cells in which every combination of `strength` factors' levels appears at least once, the cell without fixes first.

    levels: of each factor; None stands for no fix. Raises DesignError where covertable is not installed.
    """
    rows = _library("covertable", "covertable").make([list(factor) for factor in levels], strength=strength)
    cells = [tuple(level for level in row if level is not None) for row in rows]
    return list(dict.fromkeys([(), *cells]))


def _library(name: str, package: str) -> ModuleType | Any:
    try:
        return import_module(name)
    except ImportError:
        raise DesignError(f"this design needs {package}: pip install {package}") from None
