"""The errors of each fix in several studies, as ratios: a row for each fix, a mark for each study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis.agreement import OPPOSITE, SAME, SharedFix
from analysis.plots.forest import axis_limit, whisker
from analysis.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    RATIO,
    SKY,
    VERDICT_COLOUR,
    VERMILLION,
    canvas,
    headline,
    ratio_axis,
    saved,
    style,
)
from analysis.rulers import ERROR_EXPLAINED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from analysis.pooling import Pooled

TITLES = {"near": "Near error (under 1 m)", "far": "Far error"}
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
MARKERS = "osD^vP"
STEP, GAP = 0.135, 0.11  # inches from mark to mark, and between two fixes
SIZE = 4.5


def draw_comparison(names: Sequence[str], found: Sequence[SharedFix], pooled: Sequence[dict[str, Pooled | None]]) -> bytes:
    """A PNG of near and far errors with their intervals, the words beside them, and below each fix its pooled gain."""
    lines = len(names) + any(gain and not gain.differs for own in pooled for gain in own.values())
    row = lines * STEP + GAP
    with style():
        figure, axes = canvas(10.5, 1.75 + row * len(found), columns=2, sharey=True)
        places = [[at * row + (line + 0.5) * STEP for line in range(lines)] for at in range(len(found))]
        for ax, side in zip(axes[0], TITLES, strict=True):
            _panel(ax, found, pooled, places, side)
        middles = [(own[0] + own[-1]) / 2 for own in places]
        axes[0][0].set_yticks(middles, [f"{fix.id}  {fix.name}" for fix in found])
        axes[0][0].set_ylim(row * len(found) - GAP / 2, -GAP / 2)
        _words(axes[0][1], found, places)
        for at, name in enumerate(names):
            axes[0][0].plot(
                [], [], MARKERS[at % len(MARKERS)], color=COLOURS[at % len(COLOURS)], markersize=SIZE + 1, label=name
            )
        if lines > len(names):
            axes[0][0].plot([], [], "d", color=BLACK, markersize=SIZE + 1, label="pooled")
        figure.legend(loc="outside lower center", ncols=min(lines, 4))
        below = (
            f"error: {ERROR_EXPLAINED}, as a ratio to the baseline's; left is better; hollow: the interval includes ×1; "
            "pooled: 95 %"
        )
        headline(figure, _message(found), below)
        return saved(figure, "png")["png"]


def _message(found: Sequence[SharedFix]) -> str:
    count = Counter(fix.together for fix in found)
    message = f"{count[SAME]} of {len(found)} fixes have the same verdict in every study"
    return f"{message}, {count[OPPOSITE]} have opposite ones" if count[OPPOSITE] else message


def _panel(
    ax: Axes,
    found: Sequence[SharedFix],
    pooled: Sequence[dict[str, Pooled | None]],
    places: Sequence[Sequence[float]],
    side: str,
) -> None:
    limit = axis_limit([entry[side] for fix in found for entry in fix.entries if entry])
    for fix, together, lines in zip(found, pooled, places, strict=True):
        for at, entry in enumerate(fix.entries):
            if entry:
                colour, marker = COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)]
                whisker(ax, lines[at], entry[side], colour, limit, marker, SIZE)
        gain = together[side]
        if gain and not gain.differs:
            whisker(ax, lines[-1], gain.as_dict(), BLACK, limit, "d", SIZE)
    for at in range(0, len(found), 2):
        ax.axhspan(places[at][0] - (STEP + GAP) / 2, places[at][-1] + (STEP + GAP) / 2, color="#F5F6F8", zorder=0, linewidth=0)
    ratio_axis(ax, limit)
    ax.set(title=TITLES[side], xlabel=RATIO)


def _words(ax: Axes, found: Sequence[SharedFix], places: Sequence[Sequence[float]]) -> None:
    """The verdict of each study at the height of its mark, right of the axes."""
    where: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "va": "center", "fontsize": 7.5}
    for fix, lines in zip(found, places, strict=True):
        for entry, place in zip(fix.entries, lines, strict=False):
            if entry:
                ax.text(1.02, place, entry["verdict"], color=VERDICT_COLOUR[entry["verdict"]], **where)
