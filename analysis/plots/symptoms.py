"""Symptoms: one small panel per issue, with the baseline and each fix."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from analysis.formatting import three_digits
from analysis.plots.style import BLACK, GREEN, GREY, VERMILLION, canvas, headline, plain_log
from analysis.rules import ADOPT
from analysis.study import Study
from analysis.symptom_changes import symptom_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 5
COLOUR = {"start": BLACK, "eases": GREEN, "worsens": VERMILLION}
WIDE = 30.0  # ratio of largest to smallest value; above it a panel has a log scale


def symptoms(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """Symptom of each issue for the baseline and for each fix."""
    table = symptom_table(study)
    numbers = sorted(table["issue"].unique())
    figure, axes = canvas(
        13.5, 2.95 * math.ceil(len(numbers) / COLUMNS) + 1.1, rows=math.ceil(len(numbers) / COLUMNS), columns=COLUMNS
    )
    for ax in axes.flat[len(numbers) :]:
        ax.set_visible(False)
    for ax, number in zip(axes.flat, numbers, strict=False):
        _panel(ax, int(number), table[table["issue"] == number])
    cured = [row["fix"] for row in table.to_dict("records") if row["change"] == "eases"]
    adopted = {fix["id"] for fix in judged["fixes"] if fix["verdict"] == ADOPT}
    both, fixes = len(adopted & set(cured)), int((table["fix"] != "").sum())
    message = f"{len(cured)} of {fixes} fixes ease their own symptom; {both} of them have the verdict adopt"
    headline(
        figure,
        message,
        "black: baseline; green: closer to cured; vermillion: further from cured; grey: no change, or no direction given",
    )
    return figure, "The symptom of each issue, without and with each fix; an eased symptom does not mean a lower error."


def _panel(ax: Axes, number: int, rows: pd.DataFrame) -> None:
    entries = [row for row in rows.to_dict("records") if math.isfinite(row["value"])]
    before = next((row["value"] for row in entries if row["fix"] == ""), math.nan)
    for place, row in enumerate(entries):
        colour = COLOUR.get(row["change"], GREY)
        ax.plot(place, row["value"], "o", markersize=7.5, color=colour, zorder=3)
        where: Any = {"textcoords": "offset points", "ha": "center"}
        ax.annotate(three_digits(row["value"]), (place, row["value"]), (0, 7), fontsize=8.5, color=colour, **where)
    if entries:
        ax.axhline(before, color="#999999", linewidth=0.9, linestyle=":")
        _scale(ax, [row["value"] for row in entries])
    ax.set_xticks(range(len(entries)), [row["fix"] or "none" for row in entries])
    ax.set_xlim(-0.6, max(len(entries), 2) - 0.4)
    ax.grid(axis="x", visible=False)
    first = rows.iloc[0]
    ax.set_title(_wrapped(f"{number}  {first['name']}", 31), fontsize=9)
    ax.set_ylabel(first["unit"], fontsize=8.5)
    ax.set_xlabel(f"cured: {first['cured']}", fontsize=8.5, color="#555555")


def _scale(ax: Axes, values: list[float]) -> None:
    if min(values) > 0 and max(values) / min(values) > WIDE:
        plain_log(ax)
        ax.set_ylim(min(values) / 2.2, max(values) * 3.5)
        return
    span = max(max(values) - min(values), 0.1 * max(map(abs, values)), 1e-9)
    ax.set_ylim(min(values) - 0.25 * span, max(values) + 0.45 * span)


def _wrapped(text: str, width: int) -> str:
    import textwrap

    return textwrap.fill(text, width)
