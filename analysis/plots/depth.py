"""Error against depth: where along the range a configuration helps, and where it pays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.plots.representatives import representatives
from analysis.plots.style import BLACK, BLUE, GREEN, ORANGE, VERMILLION, canvas, headline, plain_log
from analysis.study import Study
from analysis.tradeoff import baseline_weight, near_weight_keys

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = {
    "full": (BLUE, (0, (6, 2)), "o"),
    "best": (GREEN, (0, (4, 1, 1, 1)), "^"),
    "worst": (VERMILLION, (0, (1.5, 1.2)), "v"),
    "weight": (ORANGE, "-", "s"),
}
LEAST_SEEDS = 2


def error_by_depth(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """The final network's AbsRel in bins of true depth: the baseline's own, and the others' as ratios to it."""
    figure, axes = canvas(11.5, 4.7, columns=2, gridspec_kw={"width_ratios": [1, 1.7]})
    own, ratio = axes[0]
    depth, errors = profile(study, study.baseline)
    _banded(own, depth, np.log(errors), BLACK, "-", "o", "baseline")
    shown = {role: (one.label, one.key) for role, one in representatives(study, judged).items() if role != "baseline"}
    weights = [(w, key) for w, key in near_weight_keys(study).items() if w != baseline_weight(study)]
    if weights:
        shown["weight"] = (f"the baseline at near weight {weights[0][0]:g}", weights[0][1])
    for role, (label, key) in shown.items():
        places, other = profile(study, key)
        if len(other) >= LEAST_SEEDS and other.shape == errors.shape:
            _banded(ratio, places, np.log(other) - np.log(errors), *LINES[role], label)
    ratio.axhline(1.0, color=BLACK, linewidth=1.2)
    for ax in (own, ratio):
        plain_log(ax, "x")
        plain_log(ax)
        ax.axvline(1.0, color="#999999", linewidth=0.9, linestyle=":")
        ax.set_xlabel("true depth, metres (log scale)")
    own.set(title="The baseline", ylabel="AbsRel (log scale)")
    ratio.set(title="Others, relative to the baseline (below 1 is better)", ylabel="AbsRel / the baseline's (log scale)")
    figure.legend(*ratio.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    below = f"final network, validation frames, geometric mean over {study.seeds_in_words}, band: 95 % t interval; dotted: 1 m"
    headline(figure, _message(errors, depth), below)
    return figure, "Error by true depth: left the baseline, right each other training as a multiple of it."


def profile(study: Study, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Middles of the bins in metres [bins] and AbsRel [seeds, bins]; bins that every seed has, seeds that finished."""
    own = study.profiles[study.profiles["key"] == key]
    wide = own.pivot(index="seed", columns="low", values="abs_rel").dropna(axis="columns")
    high = own.drop_duplicates("low").set_index("low")["high"]
    middles = [_middle(float(low), float(high[low])) for low in wide.columns]
    return np.array(middles), wide.to_numpy(float)


def _middle(low: float, high: float) -> float:
    """Geometric; of the open bins, half or one and a half times their end."""
    return high / 1.4 if low == 0 else low * 1.25 if math.isinf(high) else math.sqrt(low * high)


def _banded(ax: Axes, x: np.ndarray, y: np.ndarray, colour: str, dashes: Any, marker: str, label: str) -> None:
    """Mean over seeds [seeds, bins] of logarithms, with its t band."""
    mean = y.mean(axis=0)
    ax.plot(x, np.exp(mean), color=colour, linestyle=dashes, marker=marker, markersize=4, label=label)
    if len(y) >= LEAST_SEEDS:
        from scipy.stats import t

        half = t.ppf(0.975, len(y) - 1) * y.std(axis=0, ddof=1) / math.sqrt(len(y))
        ax.fill_between(x, np.exp(mean - half), np.exp(mean + half), color=colour, alpha=0.14, linewidth=0)


def _message(errors: np.ndarray, depth: np.ndarray) -> str:
    mean = np.exp(np.log(errors).mean(axis=0))
    best = int(np.argmin(mean))
    return f"The baseline errs least around {depth[best]:.2g} m (AbsRel {mean[best]:.2g})"
