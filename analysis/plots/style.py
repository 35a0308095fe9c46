"""The style of all figures: colours, axes, headline, and saving."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.regime import early_sentence
from analysis.rules import ADOPT, HARMFUL, NO_EFFECT, OPEN, TRADE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#8A8A8A"  # Okabe-Ito and a grey
VERDICT_COLOUR = {ADOPT: GREEN, TRADE: ORANGE, NO_EFFECT: GREY, HARMFUL: VERMILLION, OPEN: BLUE}
STYLE: Any = {
    "font.family": ["DejaVu Sans"], "font.size": 9.5,
    "axes.titlesize": 10.5, "axes.titlelocation": "left", "axes.labelsize": 9.5,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#555555",
    "axes.grid": True, "axes.axisbelow": True,
    "grid.color": "#E4E4E4", "grid.linewidth": 0.7, "xtick.color": "#333333", "ytick.color": "#333333", "legend.frameon": False,
    "lines.linewidth": 1.8, "figure.facecolor": "white", "figure.dpi": 130,
    "axes.formatter.use_mathtext": False, "text.parse_math": False,
    "svg.hashsalt": "nfloss",
}  # fmt: skip


HEADLINE = "headline"  # marks a headline's message among a figure's texts
MARGIN = 0.12  # inches
NO_DATES: Any = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
RATIO_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
RATIO = "ratio to the baseline's (log scale)"


def saved(figure: Figure, *endings: str) -> dict[str, bytes]:
    """Ending ("png", "svg") -> content; equal figures give equal bytes. The slow layout is done once for all endings."""
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
    figure.set_layout_engine(None)
    whole = figure.get_tightbbox().padded(MARGIN)
    return {ending: written(figure, format=ending, metadata=NO_DATES[ending], bbox_inches=whole) for ending in endings}


def written(figure: Figure, **options: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, **options)
    return buffer.getvalue()


@contextmanager
def style() -> Iterator[None]:
    """The shared style, for one figure."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def canvas(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure with this size in inches and its axes [rows, columns], without pyplot's global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def headline(figure: Figure, message: str, below: str = "") -> None:
    """Write the message at the top left, and a smaller line below it."""
    height = figure.get_size_inches()[1]
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0, 0, 1, 1 - 0.66 / height))  # type: ignore[call-arg]
    figure.text(0.008, 1 - 0.08 / height, message, ha="left", va="top", fontsize=12.5, fontweight="bold", gid=HEADLINE)
    figure.text(0.008, 1 - 0.34 / height, below, ha="left", va="top", fontsize=9.5, color="#555555")


def mark_early(figure: Figure) -> None:
    """Write "Early: " before the message of a figure that has a headline."""
    for text in figure.texts:
        if text.get_gid() == HEADLINE:
            text.set_text(early_sentence(text.get_text()))


def ratio_ticks(limit: float, apart: float) -> list[tuple[float, str]]:
    """Places in ln ratio, within +-limit, and labels of an axis of ratios: from 1 outwards, each at least `apart`, a share of
    the axis, from the others."""
    kept: list[tuple[float, str]] = []
    for value in sorted(RATIO_TICKS, key=lambda value: abs(math.log(value))):
        place = math.log(value)
        if abs(place) <= limit and all(abs(place - other) > apart * 2 * limit for other, _ in kept):
            kept.append((place, f"×{value:g}"))
    return sorted(kept)


def ratio_axis(axes: Axes, limit: float, apart: float = 0.115) -> None:
    """Label the x axis, of ln ratios within +-limit, in ratios (left is better)."""
    ticks = ratio_ticks(limit, apart)
    axes.set(xlim=(-limit, limit))
    axes.xaxis.set_ticks([place for place, _ in ticks], [label for _, label in ticks])
    axes.tick_params(axis="x", pad=5)
    axes.axvline(0, color="#444444", linewidth=0.9, zorder=1)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


def mean_with_band(axes: Axes, x: np.ndarray, y: np.ndarray, alpha: float, **line: Any) -> None:
    """Draw the geometric mean over seeds of logarithms y [seeds, x] with its 95 % t band; a single seed has no band."""
    mean = y.mean(axis=0)
    axes.plot(x, np.exp(mean), **line)
    if len(y) > 1:
        from scipy.stats import t

        half = t.ppf(0.975, len(y) - 1) * y.std(axis=0, ddof=1) / math.sqrt(len(y))
        axes.fill_between(x, np.exp(mean - half), np.exp(mean + half), color=line["color"], alpha=alpha, linewidth=0)


def plain_log(axes: Axes, which: str = "y") -> None:
    """Make an axis logarithmic, with plain numbers at 1, 2, 5 of each decade."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axis = axes.yaxis if which == "y" else axes.xaxis
    (axes.set_yscale if which == "y" else axes.set_xscale)("log")
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())
    axis.set_minor_locator(LogLocator(subs=()))
