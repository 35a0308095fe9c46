"""Errors of each fix with intervals, as ratios: near, far, and beside the near-weight curve."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from analysis import statements
from analysis.deciding import MARGIN
from analysis.formatting import confidence, label_of, shared_level, times
from analysis.plots.style import GREY, RATIO, VERDICT_COLOUR, canvas, headline, ratio_axis
from analysis.regime import said
from analysis.rulers import ERROR_EXPLAINED
from analysis.rules import ADOPT, ALPHA, HARMFUL, counted_fixes, trained_alone
from analysis.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {
    "near": ("Near error (under 1 m)", RATIO),
    "far": ("Far error", RATIO),
    "beyond_near_weight_curve": ("Near error beside the near weights", "ratio to the curve's at this far error"),
}
WIDEST, NARROWEST = math.log(1.7), math.log(1.1)


def forest(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """Each fix alone against the baseline."""
    rows = [forest_row(judged, entry, label_of(entry, "  "), entry["issue"]) for entry in trained_alone(judged)]
    message = f"{len(counted_fixes(judged))} fixes, each alone: {statements.counts(judged)}"
    seeds = f"{study.seeds_in_words} paired, intervals of {shared_level(judged['levels'])}"
    below = f"validation error: {ERROR_EXPLAINED}; {seeds}; left is better"
    sentence = (
        "Each fix alone, its errors as ratios to the baseline's: left of ×1 is better. Hollow: the interval includes ×1. Grey: "
        "within 5 %."
    )
    return _forest(rows, message, below), sentence


def leave_one_out(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """The whole recommendation against the whole less one fix."""
    names = {entry["id"]: entry["name"] for entry in judged["fixes"]}
    entries = judged["leave_one_out"]
    rows = [forest_row(judged, entry, f"{entry['id']}  {names.get(entry['id'], '')}", at) for at, entry in enumerate(entries)]
    for row, entry in zip(rows, entries, strict=True):
        row["verdict"] = said(judged, {ADOPT: "helps", HARMFUL: "hurts"}.get(entry["verdict"], entry["verdict"]))
    moving = [entry for entry in entries if not entry["same_as"]]
    single = [entry for entry in moving if entry["id"] in names]
    largest = max(single, key=lambda entry: abs(entry["near"]["estimate"]), default=None)
    message = "No fix of the recommendation changes it"
    if largest:
        changed = statements.error(largest, "near")
        message = f"Inside the recommendation {largest['id']} matters most: near error {changed} with it"
    level = confidence(moving[0]["near"]["level"] if moving else 1 - ALPHA)
    seeds = f"{study.seeds_in_words} paired, intervals of {level}"
    below = f"what each fix adds to the other nine; error: {ERROR_EXPLAINED}; {seeds}; left: better with it"
    sentence = "The whole recommendation as a ratio to the whole without one fix; the fix alone may differ: fixes interact."
    return _forest(rows, message, below, "ratio to the whole without it (log scale)"), sentence


def forest_row(judged: dict[str, Any], entry: dict[str, Any], label: str, issue: int) -> dict[str, Any]:
    proved = entry["same_as"] in ("baseline", "full")
    note = "same training" if proved else f"same training as {entry['same_as']}" if entry["same_as"] else ""
    verdict, colour = said(judged, entry["verdict"]), VERDICT_COLOUR[entry["verdict"]]
    return {
        "label": label,
        "issue": issue,
        "proved": proved,
        "note": note,
        "verdict": verdict,
        "entry": entry,
        "colour": colour,
    }


def _forest(rows: list[dict[str, Any]], message: str, below: str, against: str = "") -> Figure:
    panels = [panel for panel in PANELS if any(row["entry"][panel] for row in rows)]
    figure, axes = canvas(4.6 + 2.75 * len(panels), 1.55 + 0.27 * len(rows), columns=len(panels), sharey=True)
    for ax, measure in zip(axes[0], panels, strict=True):
        draw_panel(ax, rows, measure, against)
    axes[0][0].set_yticks(range(len(rows)), [row["label"] for row in rows])
    for place, row in enumerate(rows):
        axes[0][-1].text(1.02, place, row["verdict"], transform=axes[0][-1].get_yaxis_transform(), va="center", fontsize=9,
                         color=row["colour"], fontweight="bold")  # fmt: skip
    headline(figure, message, below)
    return figure


def draw_panel(ax: Axes, rows: list[dict[str, Any]], measure: str, against: str = "", small: bool = False) -> None:
    """Draw one measure, a row for each entry; the ratio is to `against`, else to the baseline's or the curve's."""
    limit = axis_limit([row["entry"][measure] for row in rows if not row["proved"] and row["entry"][measure]])
    for place, row in enumerate(rows):
        if row["issue"] % 2 == 0:
            ax.axhspan(place - 0.5, place + 0.5, color="#F5F6F8", zorder=0, linewidth=0)
        if row["proved"]:
            ax.plot(0, place, marker="|", color=GREY, markersize=9, markeredgewidth=2)
            note = "  same training" if measure == "near" and not small else ""
            ax.text(0.03 * limit, place, note, va="center", fontsize=7.5, color="#777777")
        elif row["entry"][measure]:
            whisker(ax, place, row["entry"][measure], row["colour"], limit, size=3.5 if small else 5.5, valued=not small)
    ax.axvspan(-MARGIN, MARGIN, color="#9AA5B1", alpha=0.25, zorder=0.5, linewidth=0)
    ratio_axis(ax, limit, apart=0.26 if small else 0.14)
    title, xlabel = PANELS[measure]
    ax.set(title=title, xlabel=against or xlabel, ylim=(len(rows) - 0.4, -0.6))
    if small:
        ax.set_xlabel("")
        ax.set_title(title, fontsize=8)
        ax.tick_params(labelsize=7)


def axis_limit(entries: list[dict[str, Any]]) -> float:
    """Half width of the axis in log ratio: what most intervals need; the rest is drawn as arrows."""
    reaches = sorted(max(abs(entry["low"]), abs(entry["high"])) for entry in entries)
    typical = reaches[int(0.7 * (len(reaches) - 1))] if reaches else NARROWEST
    return 1.08 * min(max(typical if math.isfinite(typical) else WIDEST, NARROWEST), WIDEST)


def whisker(
    ax: Axes,
    place: float,
    entry: dict[str, Any],
    colour: str,
    limit: float,
    marker: str = "o",
    size: float = 5.5,
    valued: bool = True,
) -> None:
    """Draw ln ratio and interval of a gain; a ratio outside the axis is an arrow, with its value if `valued`."""
    at, low, high = -entry["estimate"], max(-entry["high"], -limit), min(-entry["low"], limit)
    if abs(at) > limit:
        side = math.copysign(1.0, at)
        ax.plot(
            side * limit * 0.965, place, marker="<" if side < 0 else ">", color=colour, markersize=size + 0.5, clip_on=False
        )
        text = times(entry["estimate"]) if valued else ""
        ax.text(side * limit * 0.92, place, text, va="center", ha="left" if side < 0 else "right",
                fontsize=size + 2.5, color=colour)  # fmt: skip
        return
    if low < high:
        ax.plot([low, high], [place, place], color=colour, linewidth=1.8, solid_capstyle="butt")
    face = "white" if entry["low"] <= 0 <= entry["high"] else colour
    ax.plot(at, place, marker=marker, markersize=size, color=colour, markerfacecolor=face, markeredgewidth=1.4)
