"""Near against far error: the fixes and the near weight curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.comparisons import MeasuredStudy
from analysis.near_weight_curve import baseline_weight
from analysis.plots.labels import place_labels
from analysis.plots.style import BLACK, ORANGE, PURPLE, VERDICT_COLOUR, canvas, headline, plain_log
from analysis.promises import full_key
from analysis.regime import said
from analysis.rulers import ERROR, ERROR_EXPLAINED
from analysis.rules import distinct_fixes
from analysis.statements import beyond_sentence
from analysis.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WEIGHT_TEXT = "#9A6A00"  # orange, dark enough to read
EXTENT = 2.2  # shown range, as a multiple of the curve's range; points further out are listed


def trade_off(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """Final far (x) and near (y) error; lower left is better."""
    measured, own = MeasuredStudy.of(study), baseline_weight(study)
    points = _points(measured, judged)
    curve = {weight: _middle(measured, key) for weight, key in measured.weights.items()}
    figure, axes = canvas(9.6, 6.2)
    ax = axes[0][0]
    (x0, x1), (y0, y1) = _window(points, curve)
    inside = {name: at for name, at in points.items() if x0 <= at[0] <= x1 and y0 <= at[1] <= y1}
    _draw(ax, inside, curve, own)
    ax.set(xlim=(x0, x1), ylim=(y0, y1), xlabel=f"final far {ERROR} (log scale)", ylabel=f"final near {ERROR} (log scale)")
    weights = {_weight_name(w, own): (*at, WEIGHT_TEXT) for w, at in curve.items()}
    place_labels(ax, {**inside, **weights}, list(curve.values()))
    _legend(ax, judged, with_curve=len(curve) > 1)
    _outside(figure, {name: at for name, at in points.items() if name not in inside})
    below = f"error: {ERROR_EXPLAINED}; geometric means over {study.seeds_in_words}; lower left is better; colours: verdicts"
    headline(figure, beyond_sentence(judged), below)
    if len(curve) < 2:
        return figure, "A higher near weight trades far error for near; a fix below and left of the star is better on both."
    return (
        figure,
        "A fix on the orange curve does what another near weight does; one below and left of the curve is better than that.",
    )


def _points(measured: MeasuredStudy, judged: dict[str, Any]) -> dict[str, tuple[float, float, str]]:
    """Name -> far error, near error, colour; of every distinct fix and the whole recommendation."""
    fixes = distinct_fixes(judged)
    points = {fix["id"]: (*_middle(measured, fix["key"]), VERDICT_COLOUR[fix["verdict"]]) for fix in fixes}
    whole = full_key(measured.study)
    return {**points, "full": (*_middle(measured, whole), PURPLE)} if whole else points


def _outside(figure: Figure, points: dict[str, tuple[float, float, str]]) -> None:
    """List the points outside the axes in a line below them."""
    if points:
        text = "off the chart (far, near): " + ", ".join(f"{name} ({at[0]:.2g}, {at[1]:.2g})" for name, at in points.items())
        figure.text(0.5, -0.01, text, ha="center", va="top", fontsize=8.5, color="#555555")


def _middle(measured: MeasuredStudy, key: str) -> tuple[float, float]:
    """Geometric means over seeds of the final far and near error."""
    far, near = np.exp(measured.log_errors(key))
    return float(far), float(near)


def _window(points: dict[str, Any], curve: dict[float, tuple[float, float]]) -> list[tuple[float, float]]:
    """Axis limits around the curve and most fixes."""
    limits = []
    for axis in (0, 1):
        core = np.log([at[axis] for at in curve.values()])
        every = np.log([at[axis] for at in points.values()] + [at[axis] for at in curve.values()])
        reach = max(EXTENT * np.ptp(core) / 2, 2.5 * np.median(np.abs(every - np.median(every))), 0.05)
        middle = (core.min() + core.max()) / 2
        near = every[np.abs(every - middle) <= reach + np.ptp(core) / 2]
        pad = 0.08 * max(np.ptp(near), 0.05)
        limits.append((float(np.exp(near.min() - pad)), float(np.exp(near.max() + pad))))
    return limits


def _draw(ax: Axes, points: dict[str, Any], curve: dict[float, tuple[float, float]], own: float) -> None:
    if len(curve) > 1:
        ax.plot(*zip(*curve.values(), strict=True), color=ORANGE, marker="s", markersize=5, linestyle=(0, (5, 1.5)), zorder=2)
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


def _weight_name(weight: float, own: float) -> str:
    return f"baseline, weight {weight:g}" if weight == own else f"weight {weight:g}"


def _legend(ax: Axes, judged: dict[str, Any], with_curve: bool) -> None:
    for verdict, colour in VERDICT_COLOUR.items():
        ax.plot([], [], "o", color=colour, label=said(judged, verdict))
    if with_curve:
        ax.plot([], [], "s", color=ORANGE, linestyle=(0, (5, 1.5)), label="baseline at other near weights")
    ax.legend(loc="best", fontsize=8.5)
