"""The study on one printed page, for a memo: what to take home, how good the networks are, every fix with its errors."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from analysis import statements
from analysis.formatting import label_of, share
from analysis.plots.forest import draw_panel, forest_row
from analysis.plots.style import style, written
from analysis.regime import is_early, why_early
from analysis.report import networks, sentences
from analysis.report.glance import question
from analysis.rulers import ERROR_EXPLAINED
from analysis.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

A4 = 8.27, 11.69  # inches
LEFT, LINE, ROW = 0.65, 0.165, 0.2  # inches: margin, line of text, row of the forest
LETTERS = 108  # in a line of 8.5 points
PANELS = {"near": 2.75, "far": 5.25}  # left ends, inches
PANEL_WIDTH, NUMBERS = 1.2, 0.06
QUIET = "#667080"


def memo(study: Study, judged: dict[str, Any]) -> bytes:
    """The page as PDF; equal studies give equal bytes."""
    with style():
        return written(_page(study, judged), format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})


class Writer:
    """Writes lines on a page from top to bottom; places are inches from its left and upper ends."""

    def __init__(self, figure: Figure) -> None:
        self.figure, self.y = figure, LEFT

    def line(self, text: str, x: float = LEFT, size: float = 8.5, down: float = LINE, **how: Any) -> None:
        self.figure.text(x / A4[0], 1 - self.y / A4[1], text, fontsize=size, va="top", **how)
        self.y += down

    def paragraph(self, text: str, x: float = LEFT, letters: int = LETTERS, **how: Any) -> None:
        for line in textwrap.wrap(text, letters, break_on_hyphens=False):
            self.line(line, x, **how)


def _page(study: Study, judged: dict[str, Any]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=A4)
    page = Writer(figure)
    page.line(textwrap.shorten(f"Which fixes help? {study.name}", 60), size=14, down=0.3, fontweight="bold")
    page.paragraph(question(judged), color=QUIET)
    if is_early(judged):
        page.y += 0.08
        page.paragraph(
            f"Early: nothing is to be concluded from this study. {why_early(judged)}.", fontweight="bold", letters=95
        )
    page.y += 0.12
    for label, text in statements.take_home(study, judged):
        page.line(label, down=0, fontweight="bold")
        page.paragraph(text, LEFT + 0.8, 93)
        page.y += 0.05
    page.y += 0.1
    _levels(page, judged)
    page.y += 0.2
    _forest(page, judged)
    page.y = max(page.y, A4[1] - 1.35)
    notes = (
        f"Error: {ERROR_EXPLAINED}, near (under 1 m) and far, as a ratio to the baseline's, with the interval that decides: "
        "left, below ×1, is better. Grey: within 5 %; hollow: may be ×1."
    )
    for text in (notes, sentences.certainty_sentence(study, judged), sentences.measured_on(study)):
        page.paragraph(text, letters=125, size=7, down=0.13, color=QUIET)
    return figure


def _levels(page: Writer, judged: dict[str, Any]) -> None:
    """The share of pixels within 25 % of the true depth."""
    places = {"near_delta1": 5.8, "far_delta1": 6.6, "delta1": 7.4}
    page.line("How good the networks are: pixels within 25 % of the true depth", fontweight="bold", down=0)
    for measure, where in zip(places, ("near", "far", "all"), strict=True):
        page.line(where, places[measure], down=0, ha="right", color=QUIET)
    page.y += LINE
    for name, values in networks.levels(judged):
        for measure, x in places.items():
            page.line(share(values[measure]), x, down=0, ha="right")
        page.line(textwrap.shorten(name, 55))


def _forest(page: Writer, judged: dict[str, Any]) -> None:
    """Every fix that counts by word, near and far; nothing where no fix was trained alone."""
    fixes = [fix for own in statements.by_word(judged).values() for fix in own]
    if not fixes:
        return
    groups = {word: at for at, word in enumerate(dict.fromkeys(fix["verdict"] for fix in fixes))}
    rows = [forest_row(judged, fix, label_of(fix), groups[fix["verdict"]]) for fix in fixes]
    page.line(f"Each of {len(fixes)} fixes alone: {statements.counts(judged)}", fontweight="bold", down=0.32)
    room = A4[1] - 1.85 - page.y
    height = min(ROW, room / len(rows)) * len(rows)
    for measure, x in PANELS.items():
        place = (x / A4[0], 1 - (page.y + height) / A4[1], PANEL_WIDTH / A4[0], height / A4[1])
        axes = page.figure.add_axes(place)
        draw_panel(axes, rows, measure, small=True)
        axes.set_yticks([])
        for at, (fix, row) in enumerate(zip(fixes, rows, strict=True)):
            where: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 7}
            axes.text(1 + NUMBERS, at, statements.error(fix, measure), **where)
            if measure == "near":
                axes.text((LEFT - x) / PANEL_WIDTH, at, textwrap.shorten(row["label"], 34), **where)
                axes.text(-0.06, at, row["verdict"], color=row["colour"], fontweight="bold", ha="right", **where)
    page.y += height + 0.45
