"""Factorial designs: main effects, interactions, and the importance of each issue."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.comparisons import MeasuredStudy
from analysis.factorial import Term, averaged, factorial
from analysis.formatting import times
from analysis.importance import ped_anova
from analysis.plots.style import BLUE, GREY, RATIO, VERMILLION, canvas, headline, ratio_axis
from analysis.rulers import ERROR_EXPLAINED, FAR, NEAR
from analysis.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST_RANGE = math.log(1.1)
MEASURES = {NEAR: "Near error (under 1 m)", FAR: "Far error"}


def effects(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """Near and far main effects with intervals, and the importance of each issue."""
    found = {measure: factorial(MeasuredStudy.of(study), measure) for measure in MEASURES}
    near = found[NEAR]
    assert near is not None
    names, how = [term.name for term in near.mains], "averaged over the others" if averaged(study) else "each alone"
    height = 1.9 + 0.27 * len(names)
    figure, axes = canvas(11.5, height, columns=3, gridspec_kw={"width_ratios": [1.3, 1.3, 1]})
    for ax, (measure, analysis) in zip(axes[0], found.items(), strict=False):
        assert analysis is not None
        _mains(ax, analysis.mains)
        ax.set(title=MEASURES[measure], xlabel=RATIO)
    axes[0][0].set_yticks(range(len(names)), names)
    axes[0][1].set_yticklabels([])
    _shares(axes[0][2], near.shares, ped_anova(MeasuredStudy.of(study)))
    sure = [term.name for term in near.mains if term.sure]
    message = f"{len(sure)} of {len(names)} fixes change the near error, {how}"
    seeds = f"{study.seeds_in_words} as blocks, 95 % t intervals over seeds"
    below = f"error: {ERROR_EXPLAINED}; {near.cells} cells, {seeds}; filled: shown after Holm"
    headline(figure, message, below)
    return figure, f"The effect of each fix, {how}, as a ratio to the error without it; left is better."


def _mains(ax: Axes, terms: tuple[Term, ...]) -> None:
    ends = [abs(end) for term in terms for end in (term.gain.low, term.gain.high) if math.isfinite(end)]
    limit = 1.08 * max([*ends, LEAST_RANGE])
    for place, term in enumerate(terms):
        colour = (BLUE if term.gain.estimate > 0 else VERMILLION) if term.sure else GREY
        ax.plot([max(-term.gain.high, -limit), min(-term.gain.low, limit)], [place] * 2, color=colour, linewidth=1.7)
        ax.plot(-term.gain.estimate, place, "o", color=colour, markerfacecolor=colour if term.sure else "white", markersize=5.5)
    ratio_axis(ax, limit, apart=0.16)
    ax.set_yticks(range(len(terms)))
    ax.set_ylim(len(terms) - 0.4, -0.6)


def _shares(ax: Axes, shares: dict[str, float], ranks: dict[str, float]) -> None:
    """Draw two bars per issue: share of the variance, and PED-ANOVA importance, which considers only the best tenth."""
    issues = list(shares or ranks)
    bars = [("share of the variance", shares, "#9AB8D1", -0.19), ("PED-ANOVA: what the best have", ranks, "#E3B35B", 0.19)]
    for label, values, colour, shift in bars:
        if values:
            places = [place + shift for place in range(len(issues))]
            ax.barh(places, [100 * values.get(i, 0.0) for i in issues], height=0.36, color=colour, label=label)
    ax.set_yticks(range(len(issues)), [f"issue {issue}" for issue in issues])
    ax.set_ylim(len(issues) - 0.4, -0.6)
    ax.set(title="Importance for the near error", xlabel="%")
    ax.grid(axis="y", visible=False)
    ax.legend(loc="best", fontsize=8)


def importance(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """PED-ANOVA importance of each issue in a search."""
    ranks = ped_anova(MeasuredStudy.of(study))
    figure, axes = canvas(8.0, 1.9 + 0.4 * max(len(ranks), 1))
    _shares(axes[0][0], {}, ranks)
    first = max(ranks, key=lambda issue: ranks[issue], default="")
    headline(figure, f"Issue {first} distinguishes the best configurations most" if ranks else "No issue stands out")
    return figure, "How much the fixes of each issue differ between the best tenth of the configurations and all of them."


def interactions(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """One square per pair of fixes: the near error of both together as a ratio to what the two alone would give."""
    analysis = factorial(MeasuredStudy.of(study))
    assert analysis is not None
    terms = {term.fixes: term for term in analysis.pairs}
    fixes = [term.name for term in analysis.mains]
    size = max(5.0, 0.6 * len(fixes) + 2.6)
    figure, axes = canvas(size + 1.4, size)
    ax = axes[0][0]
    grid = np.full((len(fixes), len(fixes)), np.nan)
    for (a, b), term in terms.items():
        grid[fixes.index(b), fixes.index(a)] = -term.gain.estimate
    limit = max(float(np.nanmax(np.abs(grid))), LEAST_RANGE)
    image = ax.imshow(grid, cmap="PuOr_r", vmin=-limit, vmax=limit)
    for (a, b), term in terms.items():
        _write_ratio(ax, fixes.index(a), fixes.index(b), term, limit)
    ax.set_xticks(range(len(fixes)), fixes, rotation=90)
    ax.set_yticks(range(len(fixes)), fixes)
    ax.grid(False)
    figure.colorbar(image, ax=ax, shrink=0.7, label="ln ratio of the near error of both to the product of both alone")
    sure = sum(term.sure for term in terms.values())
    below = "below ×1: better together than each alone promises; bold: shown after Holm; *: with an alias, see the table"
    headline(figure, f"{sure} of {len(terms)} pairs of fixes are shown to interact", below)
    return figure, "Near error of two fixes together as a ratio to the product of both alone, averaged over the others."


def _write_ratio(ax: Axes, x: int, y: int, term: Term, limit: float) -> None:
    text = times(term.gain.estimate) + ("*" if term.carries else "")
    dark = abs(term.gain.estimate) > 0.6 * limit
    weight = "bold" if term.sure else "normal"
    ax.text(x, y, text, ha="center", va="center", fontsize=8, color="white" if dark else "black", fontweight=weight)
