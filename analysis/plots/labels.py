"""Labels for points, placed where they overlap least."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Box = tuple[float, float, float, float]  # left, bottom, right, top, in pixels
Point = tuple[float, float]
_CLOSE = ((6, 0), (6, 7), (6, -8), (-6, 7), (-6, -8), (-6, 0), (0, 9), (0, -11))
# Of labels, in points, nearest first.
OFFSETS = (*_CLOSE, (16, 12), (16, -13), (-16, 12), (-16, -13), (26, 4), (-26, 4), (0, 20), (0, -22))
# Letter width and line height in points; half the width of a dot and of a line in pixels.
LETTER, LINE, DOT, TRACK = 5.6, 10.0, 5.0, 3.0


def place_labels(ax: Axes, names: dict[str, tuple[float, float, str]], track: list[Point]) -> None:
    """Write each name at its point (x, y, colour), away from other points, names, the line through `track` and the edges."""
    ax.figure.canvas.draw()
    taken = _edges(ax) + [_around(_pixels(ax, (x, y)), DOT) for x, y, _ in names.values()] + _along(ax, track)
    for name, (x, y, colour) in sorted(names.items(), key=lambda item: -len(item[0])):  # long names first
        boxes = [_beside(_pixels(ax, (x, y)), offset, len(name), ax.figure.dpi) for offset in OFFSETS]
        best = min(range(len(OFFSETS)), key=lambda at: (_overlap(boxes[at], taken), at))
        taken.append(boxes[best])
        right = OFFSETS[best][0]
        align = "left" if right > 0 else "right" if right < 0 else "center"
        where: dict[str, Any] = {"textcoords": "offset points", "ha": align, "va": "center"}
        ax.annotate(name, (x, y), OFFSETS[best], fontsize=8.5, color=colour, zorder=5, **where)


def _edges(ax: Axes) -> list[Box]:
    """Two boxes that cover all space left and right of the axes."""
    frame, far = ax.get_window_extent(), 10_000.0
    return [(-far, -far, frame.x0, far), (frame.x1, -far, far, far)]


def _pixels(ax: Axes, point: Point) -> Point:
    x, y = ax.transData.transform(point)
    return float(x), float(y)


def _along(ax: Axes, track: list[Point]) -> list[Box]:
    places = [np.array(_pixels(ax, point)) for point in track]
    spots = [a + (b - a) * s for a, b in itertools.pairwise(places) for s in np.linspace(0, 1, 25)]
    return [_around((float(x), float(y)), TRACK) for x, y in spots]


def _around(place: Point, half: float) -> Box:
    return place[0] - half, place[1] - half, place[0] + half, place[1] + half


def _beside(place: Point, offset: tuple[int, int], letters: int, dpi: float) -> Box:
    unit = dpi / 72
    width = LETTER * letters * unit
    left = place[0] + offset[0] * unit - (width if offset[0] < 0 else width / 2 if offset[0] == 0 else 0)
    middle = place[1] + offset[1] * unit
    return left, middle - LINE * unit / 2, left + width, middle + LINE * unit / 2


def _overlap(box: Box, taken: list[Box]) -> float:
    """Hidden area in square pixels."""
    across = [max(0.0, min(box[2], b[2]) - max(box[0], b[0])) for b in taken]
    up = [max(0.0, min(box[3], b[3]) - max(box[1], b[1])) for b in taken]
    return sum(a * b for a, b in zip(across, up, strict=True))
