"""One issue: curves, near and far error and stability of its fixes, and what they change in the loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.comparisons import MeasuredStudy
from analysis.deciding import MARGIN
from analysis.effects import Effect
from analysis.formatting import confidence, label_of
from analysis.plots.curves import probe_curve
from analysis.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, canvas, headline, plain_log, ratio_axis
from analysis.rulers import ERROR
from analysis.statements import estimate
from analysis.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
DASHES = ((0, (6, 2)), (0, (1.5, 1.2)), (0, (4, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)), "--", ":")
GAINS = {"near": ("near error", "o"), "far": ("far error", "s")}
STABILITY = {"wobble": ("wobble", "o"), "grad_norm_log_sd": ("gradient spread", "D")}
WIDEST, NARROWEST = math.log(4), math.log(1.1)
DEFINED = {
    "weight": ("Weight of a pixel", "true depth, metres (log scale)", "weight, middle of the run"),
    "threshold": ("What counts as near", "step", "threshold, metres"),
}


def styles(count: int) -> list[tuple[str, Any]]:
    """A colour and dashes for each of so many lines; where colours come again, with other dashes."""
    return [(COLOURS[i % len(COLOURS)], DASHES[(i + i // len(COLOURS)) % len(DASHES)]) for i in range(count)]


def own_fixes(judged: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """The issue's fixes that change the training."""
    return [fix for fix in judged["fixes"] if fix["issue"] == number and fix["key"] and fix["same_as"] != "baseline"]


def redefined(study: Study, number: int) -> list[str]:
    """Which of "weight" (over depth) and "threshold" (over the run) the issue's fixes change."""
    own = {fix["id"] for issue in study.issues if issue["number"] == number for fix in issue["fixes"]}
    table = study.definitions
    found = []
    for what in DEFINED:
        curves = {fix: rows["y"].to_numpy() for fix, rows in table[table["what"] == what].groupby("fix")}
        if "" in curves and any(fix in curves and not np.allclose(curves[fix], curves[""]) for fix in own):
            found.append(what)
    return found


def issue(study: Study, judged: dict[str, Any], number: int) -> tuple[Figure, str]:
    """Each fix of the issue alone, and the baseline."""
    fixes, drawn = own_fixes(judged, number), redefined(study, number)
    figure, axes = canvas(12.5, 4.3, columns=3 + len(drawn), gridspec_kw={"width_ratios": [1.6, 1, 1, *[1.2] * len(drawn)]})
    curves, gains, steady, *defined = axes[0]
    probe_curve(curves, study, study.baseline, "baseline", BLACK, "-")
    for fix, (colour, dashes) in zip(fixes, styles(len(fixes)), strict=True):
        probe_curve(curves, study, fix["key"], label_of(fix), colour, dashes)
    plain_log(curves)
    curves.set(title="Near error on the probe", xlabel="step", ylabel=f"{ERROR} (log scale)")
    measured = MeasuredStudy.of(study)
    _whiskers(gains, fixes, {name: [Effect.of(fix[name]) for fix in fixes] for name in GAINS}, GAINS)
    gains.axvspan(-MARGIN, MARGIN, color="#9AA5B1", alpha=0.25, zorder=0.5, linewidth=0)
    gains.set(title="Final error", xlabel="ratio to the baseline's")
    columns = [name for name in STABILITY if name in measured.table]
    found = {name: [measured.gain(name, study.baseline, fix["key"]) for fix in fixes] for name in columns}
    _whiskers(steady, fixes, found, STABILITY)
    steady.set(title="Stability", xlabel="ratio to the baseline's")
    steady.set_yticklabels([])
    for ax, what in zip(defined, drawn, strict=True):
        _definition(ax, study, what, fixes)
    handles, labels = curves.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    levels = f"intervals of errors {confidence(judged['levels']['side'])}, of stability 95 %"
    below = f"{study.seeds_in_words} paired, {levels}; left is better; each fix alone"
    headline(figure, f"{f'Issue {number}' if number else 'Other losses'}: {_message(fixes)}", below)
    return figure, "Curves over training, final errors and stability of each fix against the baseline."


def _whiskers(ax: Axes, fixes: list[dict[str, Any]], found: dict[str, list[Effect]], marks: dict[str, tuple[str, str]]) -> None:
    """Draw estimate and interval of each measure, a row per fix; an estimate outside the axis is an arrow at its edge."""
    reaches = [max(abs(e.low), abs(e.high)) for effects in found.values() for e in effects if math.isfinite(e.estimate)]
    limit = 1.1 * min(max([r for r in reaches if math.isfinite(r)], default=NARROWEST), WIDEST)
    limit = max(limit, NARROWEST)
    for place, (name, effects) in enumerate(found.items()):
        label, marker = marks[name]
        for row, (e, (colour, _)) in enumerate(zip(effects, styles(len(effects)), strict=True)):
            y, low, high = row + (place - 0.5) * 0.3, max(-e.high, -limit), min(-e.low, limit)
            if low < high:
                ax.plot([low, high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
            if abs(e.estimate) <= limit:
                face = "white" if e.low <= 0 <= e.high else colour
                ax.plot(-e.estimate, y, marker, color=colour, markerfacecolor=face, markersize=5.5, markeredgewidth=1.3)
            elif not math.isnan(e.estimate):
                side = math.copysign(1.0, -e.estimate)
                ax.plot(side * limit * 0.96, y, "<" if side < 0 else ">", color=colour, markersize=6, clip_on=False)
        ax.plot([], [], marker, color="#555555", linestyle="none", markersize=5.5, label=label)
    ratio_axis(ax, limit, apart=0.2)
    ax.set_yticks(range(len(fixes)), [fix["id"] for fix in fixes])
    ax.set_ylim(len(fixes) - 0.35, -max(1.0, len(fixes) / 6))  # room for the legend
    ax.legend(loc="upper center", ncols=2, fontsize=8.5, handletextpad=0.2, columnspacing=1.0)


def _definition(ax: Axes, study: Study, what: str, fixes: list[dict[str, Any]]) -> None:
    table = study.definitions[study.definitions["what"] == what]
    lines = [("", BLACK, "-"), *((fix["id"], *style) for fix, style in zip(fixes, styles(len(fixes)), strict=True))]
    for fix, colour, dashes in lines:
        rows = table[table["fix"] == fix]
        x = rows["x"] if what == "weight" else rows["x"] * study.steps / study.meta["experiment"]["training"]["epochs"]
        ax.plot(x, rows["y"], color=colour, linestyle=dashes)
    if what == "weight":
        plain_log(ax, "x")
    title, xlabel, ylabel = DEFINED[what]
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)


def _message(fixes: list[dict[str, Any]]) -> str:
    said = [f"{fix['id']} {fix['verdict']} (near {estimate(fix, 'near')})" for fix in fixes]
    return "; ".join(said[:3]) + ("; ..." if len(said) > 3 else "")
