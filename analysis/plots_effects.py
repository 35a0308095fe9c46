"""Products of fixes at a glance: main effects, the map of interactions, and each issue's share of the variance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.comparisons import Rulers
from analysis.factorial import Factorial, Term, factorial
from analysis.load import Study
from analysis.plots import BLUE, GREY, VERMILLION, canvas, headline, percent_axis
from analysis.rules import ALPHA
from analysis.words import signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST_RANGE = math.log(1.1)
MEASURES = {"final_near_abs_rel": "Near field (under 1 m)", "final_far_abs_rel": "Far field"}


def effects(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """Main effects near and far with intervals, and shares of the variance."""
    found = {measure: factorial(Rulers.of(study), measure) for measure in MEASURES}
    near = found["final_near_abs_rel"]
    assert near is not None
    names = [term.name for term in near.mains]
    height = 1.9 + 0.27 * len(names)
    figure, axes = canvas(11.5, height, columns=3, gridspec_kw={"width_ratios": [1.3, 1.3, 1]})
    for ax, (measure, analysis) in zip(axes[0], found.items(), strict=False):
        assert analysis is not None
        _mains(ax, analysis.mains)
        ax.set(title=MEASURES[measure], xlabel="AbsRel lower by, averaged over the others")
    axes[0][0].set_yticks(range(len(names)), names)
    axes[0][1].set_yticklabels([])
    _shares(axes[0][2], near)
    sure = [term.name for term in near.mains if term.p_holm <= ALPHA]
    message = f"{len(sure)} of {len(names)} fixes move the near error, averaged over the others"
    below = f"{near.cells} cells, {len(study.seeds)} seeds as blocks, 95 % t intervals over seeds; filled: shown after Holm"
    headline(figure, message, below)
    return figure, "The effect of each fix averaged over the presence of the others; right is better."


def _mains(ax: Axes, terms: tuple[Term, ...]) -> None:
    ends = [abs(end) for term in terms for end in (term.gain.low, term.gain.high) if math.isfinite(end)]
    limit = 1.08 * max([*ends, LEAST_RANGE])
    for place, term in enumerate(terms):
        sure = term.p_holm <= ALPHA
        colour = (BLUE if term.gain.estimate > 0 else VERMILLION) if sure else GREY
        ax.plot([max(term.gain.low, -limit), min(term.gain.high, limit)], [place] * 2, color=colour, linewidth=1.7)
        ax.plot(term.gain.estimate, place, "o", color=colour, markerfacecolor=colour if sure else "white", markersize=5.5)
    ax.axvline(0, color="#444444", linewidth=0.9, zorder=1)
    percent_axis(ax, -limit, limit, apart=0.16)
    ax.set_yticks(range(len(terms)))
    ax.set_ylim(len(terms) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)


def _shares(ax: Axes, analysis: Factorial) -> None:
    issues = list(analysis.shares)
    ax.barh(range(len(issues)), [100 * analysis.shares[issue] for issue in issues], color="#9AB8D1", height=0.65)
    ax.set_yticks(range(len(issues)), [f"issue {issue}" for issue in issues])
    ax.set_ylim(len(issues) - 0.4, -0.6)
    ax.set(title="Importance", xlabel="share of the variance of ln near error, %")
    ax.grid(axis="y", visible=False)


def interactions(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """A cell per pair: the gain in near error of both beyond the sum of the single gains."""
    analysis = factorial(Rulers.of(study))
    assert analysis is not None
    terms = {term.fixes: term for term in analysis.pairs}
    fixes = [term.name for term in analysis.mains]
    size = max(5.0, 0.6 * len(fixes) + 2.6)
    figure, axes = canvas(size + 1.4, size)
    ax = axes[0][0]
    grid = np.full((len(fixes), len(fixes)), np.nan)
    for (a, b), term in terms.items():
        grid[fixes.index(b), fixes.index(a)] = term.gain.estimate
    limit = max(float(np.nanmax(np.abs(grid))), LEAST_RANGE)
    image = ax.imshow(grid, cmap="PuOr", vmin=-limit, vmax=limit)
    for (a, b), term in terms.items():
        _label(ax, fixes.index(a), fixes.index(b), term, limit)
    ax.set_xticks(range(len(fixes)), fixes, rotation=90)
    ax.set_yticks(range(len(fixes)), fixes)
    ax.grid(False)
    figure.colorbar(image, ax=ax, shrink=0.7, label="ln near error: gain of both beyond the sum")
    sure = sum(term.p_holm <= ALPHA for term in terms.values())
    below = "percent of near error; bold: shown after Holm; *: with an alias, see the table"
    headline(figure, f"{sure} of {len(terms)} pairs of fixes are shown to interact", below)
    return figure, "What two fixes do together beyond the sum of what each does, averaged over the others; 0 where they add up."


def _label(ax: Axes, x: int, y: int, term: Term, limit: float) -> None:
    text = signed(term.gain.estimate).replace(" %", "").replace("error ", "") + ("*" if term.carries else "")
    dark = abs(term.gain.estimate) > 0.6 * limit
    weight = "bold" if term.p_holm <= ALPHA else "normal"
    ax.text(x, y, text, ha="center", va="center", fontsize=8, color="white" if dark else "black", fontweight=weight)
