"""All configurations: the Pareto front of near and far error, and the fixes of the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.comparisons import MeasuredStudy
from analysis.plots.style import BLACK, GREY, ORANGE, VERMILLION, canvas, headline, plain_log
from analysis.promises import full_key
from analysis.rulers import ERROR
from analysis.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEST = 0.1  # share of the cells in colour in the parallel coordinates
NAMED = 9  # cells of the front with a label
REACH = 2.0  # end of an axis, as a multiple of the largest error of the front, the baseline and the recommendation


def trained_cells(study: Study) -> dict[str, str]:
    """Key -> cell name of every trained configuration."""
    rows = study.plan[study.plan["status"] == "trained"]
    return dict(zip(rows["key"], rows["cell"], strict=True))


def front(errors: np.ndarray) -> np.ndarray:
    """Which of the points [n, 2] are on the Pareto front: no other is as low or lower in both coordinates. Booleans [n]."""
    order = np.lexsort((errors[:, 1], errors[:, 0]))
    best, on = np.inf, np.zeros(len(errors), dtype=bool)
    for at in order:
        if errors[at, 1] < best:
            best, on[at] = errors[at, 1], True
    return on


def pareto(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """Far (x) and near (y) error of every configuration, and the Pareto front."""
    measured, cells = MeasuredStudy.of(study), trained_cells(study)
    points = np.exp(np.array([measured.log_errors(key) for key in cells]))
    on = front(points)
    figure, axes = canvas(9.6, 6.2)
    ax = axes[0][0]
    ax.plot(*points[~on].T, "o", color=GREY, markersize=3.5, alpha=0.5, markeredgewidth=0, label="configurations")
    order = np.flatnonzero(on)[np.argsort(points[on][:, 0])]
    line = points[order]
    ax.step(*line.T, where="post", color=ORANGE, linewidth=1.2)
    ax.plot(*line.T, "o", color=ORANGE, markersize=6, label="Pareto front: none is better on both")
    marks = {"baseline": (study.baseline, "*", BLACK), "the document's recommendation": (full_key(study), "X", VERMILLION)}
    keys, names, looked_at = list(cells), list(cells.values()), list(order)
    for label, (key, marker, colour) in marks.items():
        if key in cells:
            looked_at.append(keys.index(key))
            ax.plot(*points[looked_at[-1]], marker, color=colour, markersize=12, linestyle="none", label=label)
    outside = _frame(ax, points, points[looked_at])
    for number, at in enumerate(np.unique(np.linspace(0, len(order) - 1, min(NAMED, len(order))).round().astype(int)), 1):
        ax.annotate(str(number), tuple(line[at]), (-4, -4), textcoords="offset points", fontsize=9, ha="right", va="top")
        ax.plot([], [], linestyle="none", label=f"{number}: {names[order[at]]}")
    plain_log(ax)
    plain_log(ax, "x")
    ax.set(xlabel=f"final far {ERROR} (log scale)", ylabel=f"final near {ERROR} (log scale)")
    figure.legend(loc="outside lower center", ncols=3, fontsize=8.5)
    beaten = "is beaten on both errors" if not on[keys.index(study.baseline)] else "is on the front"
    below = f"geometric means over {study.seeds_in_words}; the best of many means are partly the best by chance{outside}"
    headline(figure, f"{int(on.sum())} of {len(cells)} configurations are on the front; the baseline {beaten}", below)
    return figure, "Near against far error of every configuration; lower left is better."


def _frame(ax: Axes, points: np.ndarray, looked_at: np.ndarray) -> str:
    """Set axis limits around the points `looked_at`; return a remark with the number of points outside them."""
    ends = looked_at.max(axis=0) * REACH
    low, high = points.min(axis=0), np.minimum(points.max(axis=0), ends)
    (left, bottom), (right, top) = low * (low / high) ** 0.06, high * (high / low) ** 0.06
    ax.set(xlim=(left, right), ylim=(bottom, top))
    outside = int((points > ends).any(axis=1).sum())
    return f"; {outside} with larger errors lie outside" if outside else ""


def coordinates(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """Parallel coordinates: for each configuration a line through its fix of each issue to its near error; best in colour."""
    measured, cells = MeasuredStudy.of(study), trained_cells(study)
    trained = study.plan[study.plan["status"] == "trained"]
    fixes = dict(zip(trained["key"], trained["fixes"], strict=True))
    used = {fix for key in cells for fix in fixes[key].split()}
    levels = {
        issue["number"]: ["none", *(f["id"] for f in issue["fixes"] if f["id"] in used)]
        for issue in study.issues
        if any(fix["id"] in used for fix in issue["fixes"])
    }
    near = np.array([measured.log_errors(key)[1] for key in cells])
    best = near <= np.quantile(near, BEST)
    figure, axes = canvas(11.5, 5.4)
    ax = axes[0][0]
    shake = np.random.default_rng(0).uniform(-0.018, 0.018, (len(cells), len(levels)))
    scale = (near - near.min()) / max(float(np.ptp(near)), 1e-9)
    for row, key in enumerate(cells):
        own = set(fixes[key].split())
        heights = [_height(level, own) + shake[row, at] for at, level in enumerate(levels.values())]
        colour, width, order = (ORANGE, 1.1, 3) if best[row] else (GREY, 0.4, 2)
        ax.plot(range(len(levels) + 1), [*heights, scale[row]], color=colour, linewidth=width, alpha=0.55, zorder=order)
    for at, level in enumerate(levels.values()):
        for place, name in enumerate(level):
            text = ax.text(at, place / max(len(level) - 1, 1), f" {name}", fontsize=8.5, va="center", zorder=5)
            text.set_bbox({"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.6})
    ends = [f"{np.exp(near.min() + s * np.ptp(near)):.2g}" for s in (0, 0.5, 1)]
    for s, end in zip((0, 0.5, 1), ends, strict=True):
        ax.text(len(levels) + 0.04, s, end, fontsize=8.5, va="center")
    ax.set_xticks(range(len(levels) + 1), [*(f"issue {number}" for number in levels), "near error"])
    ax.set(yticks=[], xlim=(-0.2, len(levels) + 0.4))
    ax.spines[:].set_visible(False)
    ax.grid(axis="y", visible=False)
    headline(
        figure,
        _common(fixes, list(cells), best),
        f"orange: the {BEST:.0%} of {len(cells)} configurations with the lowest near error",
    )
    return figure, "Which fixes the best configurations have; a line per configuration, read from issue to issue."


def _height(levels: list[str], own: set[str]) -> float:
    place = next((at for at, name in enumerate(levels) if name in own), 0)
    return place / max(len(levels) - 1, 1)


def _common(fixes: dict[str, str], keys: list[str], best: np.ndarray) -> str:
    """A message: up to three fixes that the best configurations have more often than all."""

    def share(chosen: list[str], fix: str) -> float:
        return sum(fix in fixes[key].split() for key in chosen) / max(len(chosen), 1)

    top = [key for key, is_best in zip(keys, best, strict=True) if is_best]
    every = sorted({fix for key in keys for fix in fixes[key].split()})
    lift = {fix: share(top, fix) - share(keys, fix) for fix in every}
    strong = [fix for fix in sorted(every, key=lambda fix: -lift[fix]) if lift[fix] > 0.15][:3]
    return (
        f"The best configurations have {', '.join(strong)} more often than the rest"
        if strong
        else "No fix stands out among the best configurations"
    )
