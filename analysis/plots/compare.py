"""Gains in two studies against each other: equal on the diagonal, of the same sign in the shaded quarters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis.plots.style import BLUE, GREY, VERMILLION, canvas, headline, mark_early, percent_axis, saved, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from analysis.two_studies import SharedFix

TITLES = {"near": "Near field (under 1 m)", "far": "Far field"}
WIDEST = math.log(2.5)


def draw_comparison(first: str, second: str, found: list[SharedFix], early: bool) -> bytes:
    """A PNG of near and far gains with their intervals; vermillion if both are sure and the signs differ.

    `early`: whether one of the studies is, which the headline then says.
    """
    with style():
        figure, axes = canvas(11.0, 5.8, columns=2)
        for ax, side in zip(axes[0], TITLES, strict=True):
            _panel(ax, found, side)
            ax.set(title=TITLES[side], xlabel=f"AbsRel lower by, {first}", ylabel=f"AbsRel lower by, {second}")
        sure = [(pair, side) for pair in found for side in TITLES if pair.sure(side)]
        same = sum(pair.same_sign(side) for pair, side in sure)
        below = "95 % intervals; blue: sure in both and alike, vermillion: sure in both and opposite, grey: not sure in both"
        headline(figure, f"{same} of {len(sure)} gains that are sure in both studies have the same sign", below)
        if early:
            mark_early(figure)
        return saved(figure, "png")["png"]


def _panel(ax: Axes, found: list[SharedFix], side: str) -> None:
    ends = [abs(entry[side]["estimate"]) for pair in found for entry in (pair.first, pair.second)]
    limit = 1.1 * min(max([end for end in ends if math.isfinite(end)], default=0.1), WIDEST)
    for quarter in (-limit, limit):
        ax.fill_between([0, quarter], 0, quarter, color="#EEF2F6", zorder=0, linewidth=0)
    ax.plot([-limit, limit], [-limit, limit], color="#999999", linewidth=0.9, linestyle=":")
    for pair in found:
        x, y = pair.first[side], pair.second[side]
        colour = (BLUE if pair.same_sign(side) else VERMILLION) if pair.sure(side) else GREY
        at = [min(max(entry["estimate"], -limit), limit) for entry in (x, y)]
        for entry, other, across in ((x, at[1], True), (y, at[0], False)):
            low, high = (min(max(entry[end], -limit), limit) for end in ("low", "high"))
            ax.plot(
                *(((low, high), (other, other)) if across else ((other, other), (low, high))),
                color=colour,
                linewidth=1,
                alpha=0.6,
            )
        ax.plot(*at, "o", color=colour, markersize=5)
        ax.annotate(pair.id, (at[0], at[1]), (4, 4), textcoords="offset points", fontsize=8, color=colour)
    percent_axis(ax, -limit, limit)
    percent_axis(ax, -limit, limit, "y")
