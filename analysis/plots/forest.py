"""Gains of each fix with intervals: near, far, and beyond the near weight curve."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from analysis.deciding import MARGIN
from analysis.formatting import change, confidence, shared_level, signed
from analysis.plots.style import GREY, VERDICT_COLOUR, canvas, headline, percent_axis
from analysis.regime import said
from analysis.rulers import ERROR_EXPLAINED
from analysis.rules import ADOPT, ALPHA, HARMFUL, NO_EFFECT, OPEN, TRADE, counted_fixes, trained_alone
from analysis.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {"near": "Near field (under 1 m)", "far": "Far field", "beyond_near_weight_curve": "Near, beyond any near weight"}
WIDEST, NARROWEST = math.log(1.7), math.log(1.1)


def forest(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """Each fix alone against the baseline."""
    rows = [_row(judged, entry, f"{entry['id']}  {entry['name']}", entry["issue"]) for entry in trained_alone(judged)]
    count = Counter(entry["verdict"] for entry in counted_fixes(judged))
    words = {ADOPT: "to adopt", TRADE: "a trade", NO_EFFECT: "without effect", HARMFUL: "harmful", OPEN: "open"}
    message = f"{count.total()} fixes alone: " + ", ".join(f"{count[verdict]} {text}" for verdict, text in words.items())
    seeds = f"{study.seeds_in_words} paired, intervals of {shared_level(judged['levels'])}"
    below = f"validation error: {ERROR_EXPLAINED}; each against the baseline, {seeds}; right is better"
    sentence = (
        "Each fix alone against the baseline; hollow where the interval spans zero, the grey band is ±5 %, right is better."
    )
    return _forest(rows, message, below), sentence


def leave_one_out(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """The whole recommendation against the whole less one fix."""
    names = {entry["id"]: entry["name"] for entry in judged["fixes"]}
    entries = judged["leave_one_out"]
    rows = [_row(judged, entry, f"{entry['id']}  {names.get(entry['id'], '')}", at) for at, entry in enumerate(entries)]
    for row, entry in zip(rows, entries, strict=True):
        row["verdict"] = said(judged, {ADOPT: "helps", HARMFUL: "hurts"}.get(entry["verdict"], entry["verdict"]))
    moving = [entry for entry in entries if not entry["same_as"]]
    largest = max(moving, key=lambda entry: abs(entry["near"]["estimate"]), default=None)
    message = "No fix of the recommendation changes it"
    if largest:
        changed = change(largest["near"]["estimate"])
        message = f"Inside the recommendation {largest['id']} matters most: with it near error is {changed}"
    level = confidence(moving[0]["near"]["level"] if moving else 1 - ALPHA)
    seeds = f"{study.seeds_in_words} paired, intervals of {level}"
    below = f"what each fix adds to the other nine; error: {ERROR_EXPLAINED}; {seeds}; right: better with it"
    sentence = "Gain of each fix inside the whole recommendation; a difference from its gain alone is an interaction."
    return _forest(rows, message, below), sentence


def _row(judged: dict[str, Any], entry: dict[str, Any], label: str, issue: int) -> dict[str, Any]:
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


def _forest(rows: list[dict[str, Any]], message: str, below: str) -> Figure:
    panels = [name for name in PANELS if any(row["entry"][name] for row in rows)]
    figure, axes = canvas(4.6 + 2.75 * len(panels), 1.55 + 0.27 * len(rows), columns=len(panels), sharey=True)
    for ax, name in zip(axes[0], panels, strict=True):
        _panel(ax, rows, name)
    axes[0][0].set_yticks(range(len(rows)), [row["label"] for row in rows])
    axes[0][0].set_ylim(len(rows) - 0.4, -0.6)
    for place, row in enumerate(rows):
        axes[0][-1].text(1.02, place, row["verdict"], transform=axes[0][-1].get_yaxis_transform(), va="center", fontsize=9,
                         color=row["colour"], fontweight="bold")  # fmt: skip
    headline(figure, message, below)
    return figure


def _panel(ax: Axes, rows: list[dict[str, Any]], name: str) -> None:
    limit = axis_limit([row["entry"][name] for row in rows if not row["proved"] and row["entry"][name]])
    for place, row in enumerate(rows):
        if row["issue"] % 2 == 0:
            ax.axhspan(place - 0.5, place + 0.5, color="#F5F6F8", zorder=0, linewidth=0)
        if row["proved"]:
            ax.plot(0, place, marker="|", color=GREY, markersize=9, markeredgewidth=2)
            ax.text(
                0.03 * limit, place, "  same training" if name == "near" else "", va="center", fontsize=7.5, color="#777777"
            )
        elif row["entry"][name]:
            whisker(ax, place, row["entry"][name], row["colour"], limit)
    ax.axvspan(-MARGIN, MARGIN, color="#9AA5B1", alpha=0.25, zorder=0.5, linewidth=0)
    ax.axvline(0, color="#444444", linewidth=0.9, zorder=1)
    percent_axis(ax, -limit, limit, apart=0.14)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    ax.set_title(PANELS[name])
    ax.set_xlabel("error lower by (log scale)")


def axis_limit(entries: list[dict[str, Any]]) -> float:
    """Half width of the axis in log ratio: what most intervals need; the rest is drawn as arrows."""
    reaches = sorted(max(abs(entry["low"]), abs(entry["high"])) for entry in entries)
    typical = reaches[int(0.7 * (len(reaches) - 1))] if reaches else NARROWEST
    return 1.08 * min(max(typical if math.isfinite(typical) else WIDEST, NARROWEST), WIDEST)


def whisker(
    ax: Axes, place: float, entry: dict[str, Any], colour: str, limit: float, marker: str = "o", size: float = 5.5
) -> None:
    """Draw estimate and interval; an estimate outside the axis is an arrow with its value."""
    estimate, low, high = entry["estimate"], max(entry["low"], -limit), min(entry["high"], limit)
    if abs(estimate) > limit:
        side = math.copysign(1.0, estimate)
        ax.plot(
            side * limit * 0.965, place, marker="<" if side < 0 else ">", color=colour, markersize=size + 0.5, clip_on=False
        )
        text = signed(estimate)
        ax.text(side * limit * 0.92, place, text, va="center", ha="left" if side < 0 else "right", fontsize=size + 2.5,
                color=colour)  # fmt: skip
        return
    if low < high:
        ax.plot([low, high], [place, place], color=colour, linewidth=1.8, solid_capstyle="butt")
    spans = entry["low"] <= 0 <= entry["high"]
    ax.plot(
        estimate,
        place,
        marker=marker,
        markersize=size,
        color=colour,
        markerfacecolor="white" if spans else colour,
        markeredgewidth=1.4,
    )
