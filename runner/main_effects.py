"""What all cells of a search say together: one effect for each fix. The cell that looks best was also the luckiest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RIDGE = 1.0  # in cells: a fix that few cells have is believed less


def main_effects(cells: Sequence[Sequence[str]], errors: Sequence[float]) -> dict[str, float]:
    """Fix -> what it adds to the ln error, by ridge regression on which fixes each cell has."""
    names = sorted({fix for fixes in cells for fix in fixes})
    if not names:
        return {}
    present = np.array([[float(name in fixes) for name in names] for fixes in cells])
    x, y = present - present.mean(0), np.log(np.asarray(errors, dtype=float))
    solved = np.linalg.solve(x.T @ x + RIDGE * np.eye(len(names)), x.T @ (y - y.mean()))
    return dict(zip(names, solved.tolist(), strict=True))


def steadiest(cells: Sequence[Sequence[str]], errors: Sequence[float]) -> int:
    """Place of the cell whose fixes' effects add up to the smallest error.

    >>> steadiest([[], ["a"], ["b"], ["a", "b"]], [1.0, 0.8, 1.1, 0.9])
    1
    """
    effects = main_effects(cells, errors)
    return int(np.argmin([sum(effects[fix] for fix in fixes) for fixes in cells]))
