"""Near against far error: the fixes, and the curve that turning the near weight alone gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.comparisons import Rulers
from analysis.load import Study
from analysis.plots import BLACK, BLUE, ORANGE, VERDICT_COLOUR, canvas, headline, plain_log
from analysis.promises import full_key
from analysis.tradeoff import baseline_weight

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OFFSETS = (
    (6, 0),
    (6, 7),
    (6, -8),
    (-6, 7),
    (-6, -8),
    (-6, 0),
    (0, 9),
    (0, -11),
    (16, 12),
    (16, -13),
    (-16, 12),
    (-16, -13),
    (26, 4),
    (-26, 4),
)
WEIGHT_TEXT = "#9A6A00"  # orange, dark enough to read
ROOM = 2.2  # how many times the curve's own extent is shown; what lies further out is listed


def trade_off(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """Final far error across, final near error up; lower left is better."""
    rulers = Rulers.of(study)
    fixes = {
        fix["id"]: (fix["key"], VERDICT_COLOUR[fix["verdict"]]) for fix in judged["fixes"] if fix["key"] and not fix["same_as"]
    }
    whole = full_key(study)
    points = {name: (*_middle(rulers, key), colour) for name, (key, colour) in fixes.items()}
    if whole:
        points["full"] = (*_middle(rulers, whole), BLUE)
    curve = {weight: _middle(rulers, key) for weight, key in rulers.weights.items()}
    figure, axes = canvas(9.6, 6.2)
    ax = axes[0][0]
    (x0, x1), (y0, y1) = _window(points, curve)
    inside = {name: at for name, at in points.items() if x0 <= at[0] <= x1 and y0 <= at[1] <= y1}
    _draw(ax, inside, curve, baseline_weight(study))
    ax.set(xlim=(x0, x1), ylim=(y0, y1), xlabel="final far AbsRel (log scale)", ylabel="final near AbsRel (log scale)")
    _label(ax, inside, curve, baseline_weight(study))
    _legend(ax)
    outside = [f"{name} ({at[0]:.2g}, {at[1]:.2g})" for name, at in points.items() if name not in inside]
    if outside:
        figure.text(
            0.5, -0.01, "off the chart (far, near): " + ", ".join(outside), ha="center", va="top", fontsize=8.5, color="#555555"
        )
    headline(
        figure,
        _message(judged),
        f"geometric means over {len(study.seeds)} seeds; lower left is better; colours: verdicts of the fixes",
    )
    return (
        figure,
        "A fix on the orange curve is the near weight under another name; a fix below and left of it is an improvement.",
    )


def _middle(rulers: Rulers, key: str) -> tuple[float, float]:
    return tuple(float(np.exp(np.log(rulers.values(f"final_{side}_abs_rel", key)).mean())) for side in ("far", "near"))  # type: ignore[return-value]


def _message(judged: dict[str, Any]) -> str:
    known = [fix for fix in judged["fixes"] if fix["key"] and not fix["same_as"] and fix["beyond_near_weight_curve"]]
    if not known:
        return "Near error against far error, each fix alone"
    beyond = [fix["id"] for fix in known if fix["beyond_near_weight_curve"]["low"] > 0]
    return f"{len(beyond)} of {len(known)} fixes do better than turning the near weight" + (
        f": {', '.join(beyond)}" if 0 < len(beyond) < 9 else ""
    )


def _window(points: dict[str, Any], curve: dict[float, tuple[float, float]]) -> list[tuple[float, float]]:
    """Axis limits around the curve and the typical fix, in log space."""
    limits = []
    for axis in (0, 1):
        core = np.log([at[axis] for at in curve.values()])
        every = np.log([at[axis] for at in points.values()] + [at[axis] for at in curve.values()])
        reach = max(ROOM * np.ptp(core) / 2, 2.5 * np.median(np.abs(every - np.median(every))), 0.05)
        middle = (core.min() + core.max()) / 2
        near = every[np.abs(every - middle) <= reach + np.ptp(core) / 2]
        pad = 0.08 * max(np.ptp(near), 0.05)
        limits.append((float(np.exp(near.min() - pad)), float(np.exp(near.max() + pad))))
    return limits


def _draw(ax: Axes, points: dict[str, Any], curve: dict[float, tuple[float, float]], own: float) -> None:
    if len(curve) > 1:
        far, near = zip(*curve.values(), strict=True)
        ax.plot(far, near, color=ORANGE, marker="s", markersize=5, linestyle=(0, (5, 1.5)), zorder=2)
    for far, near, colour in points.values():
        ax.plot(far, near, "o", markersize=6.5, color=colour, markeredgecolor="white", markeredgewidth=0.6, zorder=3)
    far, near = curve[own]
    ax.plot(far, near, marker="*", markersize=15, color=BLACK, linestyle="none", zorder=4)
    for name, side in (("x", far), ("y", near)):
        (ax.axvline if name == "x" else ax.axhline)(side, color="#BBBBBB", linewidth=0.8, zorder=1)
        plain_log(ax, name)
        _fine_ticks(ax, name)


def _fine_ticks(ax: Axes, which: str) -> None:
    from matplotlib.ticker import MaxNLocator

    (ax.xaxis if which == "x" else ax.yaxis).set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))


def _label(ax: Axes, points: dict[str, Any], curve: dict[float, tuple[float, float]], own: float) -> None:
    """Names beside their points, each at the first of fourteen places where it hides nothing."""
    figure = ax.figure
    figure.canvas.draw()
    names = {
        **{name: (*at[:2], at[2]) for name, at in points.items()},
        **{_weight_name(w, own): (*at, WEIGHT_TEXT) for w, at in curve.items()},
    }
    taken = [_box(*ax.transData.transform(at[:2]), 5) for at in names.values()] + _along(ax, list(curve.values()))
    for name, (far, near, colour) in names.items():
        x, y = ax.transData.transform((far, near))
        width, height = 5.6 * len(name) * figure.dpi / 72, 10 * figure.dpi / 72
        best = min(
            OFFSETS,
            key=lambda offset: (_overlaps(_place(x, y, offset, width, height, figure.dpi), taken), OFFSETS.index(offset)),
        )
        taken.append(_place(x, y, best, width, height, figure.dpi))
        align = "left" if best[0] > 0 else "right" if best[0] < 0 else "center"
        ax.annotate(
            name, (far, near), best, textcoords="offset points", ha=align, va="center", fontsize=8.5, color=colour, zorder=5
        )


def _along(ax: Axes, corners: list[tuple[float, float]]) -> list[tuple[float, float, float, float]]:
    """Small boxes along the curve, so that no name lies on it."""
    places = [ax.transData.transform(corner) for corner in corners]
    steps = np.linspace(0, 1, 25)
    return [_box(*(a + (b - a) * s), 3) for a, b in zip(places[:-1], places[1:], strict=True) for s in steps]


def _box(x: float, y: float, half: float) -> tuple[float, float, float, float]:
    return x - half, y - half, x + half, y + half


def _weight_name(weight: float, own: float) -> str:
    return f"baseline, weight {weight:g}" if weight == own else f"weight {weight:g}"


def _legend(ax: Axes) -> None:
    for word, colour in VERDICT_COLOUR.items():
        ax.plot([], [], "o", color=colour, label=word)
    ax.plot([], [], "s", color=ORANGE, linestyle=(0, (5, 1.5)), label="baseline, near weight turned")
    ax.legend(loc="best", fontsize=8.5)


def _place(
    x: float, y: float, offset: tuple[int, int], width: float, height: float, dpi: float
) -> tuple[float, float, float, float]:
    left = x + offset[0] * dpi / 72 - (width if offset[0] < 0 else width / 2 if offset[0] == 0 else 0)
    middle = y + offset[1] * dpi / 72
    return left, middle - height / 2, left + width, middle + height / 2


def _overlaps(box: tuple[float, float, float, float], taken: list[tuple[float, float, float, float]]) -> float:
    return sum(
        max(0.0, min(box[2], b[2]) - max(box[0], b[0])) * max(0.0, min(box[3], b[3]) - max(box[1], b[1])) for b in taken
    )  # fmt: skip
