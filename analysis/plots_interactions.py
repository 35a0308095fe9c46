"""The interaction map: pairs of fixes, and what they do together beyond what each does alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.comparisons import Rulers
from analysis.effects import holm
from analysis.interactions import interaction, pairs
from analysis.load import Study
from analysis.plots import canvas, headline
from analysis.rules import ALPHA
from analysis.words import signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST_RANGE = math.log(1.1)


def interactions(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """A cell per pair: the gain in near error of both minus the two single gains."""
    rulers, planned = Rulers.of(study), pairs(study)
    found = {pair: interaction(rulers, pair, key) for pair, key in planned.items()}
    sure = {pair: p <= ALPHA for pair, p in zip(found, holm([e.p for e in found.values()]), strict=True)}
    fixes = list(dict.fromkeys(fix for at in (0, 1) for fix in (pair[at] for pair in found)))
    fixes.sort(key=lambda fix: (int(fix.split("-")[0]), fix))
    grid = np.full((len(fixes), len(fixes)), np.nan)
    for (a, b), e in found.items():
        grid[fixes.index(b), fixes.index(a)] = e.estimate
    size = max(4.5, 0.62 * len(fixes) + 2.6)
    figure, axes = canvas(size + 1.2, size)
    ax = axes[0][0]
    limit = max(float(np.nanmax(np.abs(np.where(np.isfinite(grid), grid, np.nan)))), LEAST_RANGE)
    image = ax.imshow(grid, cmap="PuOr", vmin=-limit, vmax=limit)
    for (a, b), e in found.items():
        text = signed(e.estimate).replace(" %", "").replace("error ", "")
        dark = abs(e.estimate) > 0.6 * limit
        ax.text(
            fixes.index(a),
            fixes.index(b),
            text,
            ha="center",
            va="center",
            fontsize=8.5,
            color="white" if dark else "black",
            fontweight="bold" if sure[a, b] else "normal",
        )
    ax.set_xticks(range(len(fixes)), fixes, rotation=90)
    ax.set_yticks(range(len(fixes)), fixes)
    ax.grid(False)
    figure.colorbar(image, ax=ax, shrink=0.7, label="ln near error: gain of both − sum of the single gains")
    count = sum(sure.values())
    headline(figure, f"{count} of {len(found)} pairs of fixes interact", "in percent of near error; bold: shown after Holm")
    return figure, "What two fixes do together beyond the sum of what each does alone; 0 where they add up."
