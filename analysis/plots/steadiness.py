"""Stability of training with each fix: wobble of the probe error and spread of the gradient norm."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.comparisons import MeasuredStudy
from analysis.formatting import label_of, ratio
from analysis.plots.style import BLACK, BLUE, VERMILLION, canvas, headline, plain_log
from analysis.rules import distinct_fixes
from analysis.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {
    "wobble": ("Wobble of the error", "SD of ln near error around its trend (log scale)"),
    "grad_norm_log_sd": ("Spread of the gradient", "SD of ln gradient norm between batches (log scale)"),
}


def steadiness(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """Wobble and gradient spread of each fix and seed; the line is the baseline's median."""
    measured = MeasuredStudy.of(study)
    rows = [(label_of(fix, "  "), fix["key"]) for fix in distinct_fixes(judged)]
    rows.insert(0, ("baseline", study.baseline))
    panels = [name for name in PANELS if name in measured.table]
    figure, axes = canvas(10.2, 1.7 + 0.25 * len(rows), columns=len(panels), sharey=True)
    for ax, name in zip(axes[0], panels, strict=True):
        _panel(ax, measured, rows, name)
    axes[0][0].set_yticks(range(len(rows)), [label for label, _ in rows])
    axes[0][0].set_ylim(len(rows) - 0.4, -0.6)
    headline(
        figure,
        message(judged),
        "small dots: seeds; large: median; dotted: the baseline; x at the edge: diverged seeds; left is more stable",
    )
    return figure, "Stability of training with each fix alone; a more stable curve is no improvement if the error is higher."


def message(judged: dict[str, Any]) -> str:
    """The fix with the least wobble, with its interval: described, not tested."""
    known = [fix for fix in distinct_fixes(judged) if math.isfinite(fix["stability"]["estimate"])]
    if not known:
        return "Wobble of the probe error with each fix alone"
    least = max(known, key=lambda fix: fix["stability"]["estimate"])
    return f"Least wobble with {least['id']}: {ratio(least['stability'])} of the baseline's (95 %, not tested)"


def _panel(ax: Axes, measured: MeasuredStudy, rows: list[tuple[str, str]], name: str) -> None:
    middle = float(np.median(measured.values(name, rows[0][1])))
    for place, (_, key) in enumerate(rows):
        values, lost = measured.values(name, key), measured.values("diverged", key) > 0
        _seeds(ax, place, values[np.isfinite(values) & ~lost])
        if lost.any():
            where: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "ha": "right", "va": "center"}
            ax.text(1.0, place, f"× {lost.sum()} of {len(lost)} ", fontsize=8.5, color=VERMILLION, **where)
    if np.isfinite(middle):
        ax.axvline(middle, color="#444444", linestyle=":", linewidth=1.1, zorder=1)
    plain_log(ax, "x")
    ax.margins(x=0.16)
    ax.grid(axis="y", color="#F0F0F0")
    ax.tick_params(axis="y", length=0)
    ax.set(title=PANELS[name][0], xlabel=PANELS[name][1])


def _seeds(ax: Axes, place: int, values: np.ndarray) -> None:
    """Draw every seed small and their median large; the baseline (place 0) in black."""
    if len(values):
        colour = BLUE if place else BLACK
        ax.plot(values, np.full(len(values), place), "o", markersize=3, color=colour, alpha=0.35, markeredgewidth=0)
        ax.plot(np.median(values), place, "o", markersize=6.5, color=colour)
