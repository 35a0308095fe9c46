"""Error by true depth: at which depths a configuration is better or worse than the baseline."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.near_weight_curve import baseline_weight, near_weight_keys
from analysis.plots.representatives import representatives
from analysis.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RATIO,
    VERMILLION,
    canvas,
    headline,
    mean_with_band,
    plain_log,
    ratio_ticks,
)
from analysis.study import Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LINES: dict[str, dict[str, Any]] = {
    "full": {"color": BLUE, "linestyle": (0, (6, 2)), "marker": "o"},
    "best": {"color": GREEN, "linestyle": (0, (4, 1, 1, 1)), "marker": "^"},
    "worst": {"color": VERMILLION, "linestyle": (0, (1.5, 1.2)), "marker": "v"},
    "weight": {"color": ORANGE, "linestyle": "-", "marker": "s"},
}
LEAST_SEEDS = 2


def error_by_depth(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """AbsRel of the final network in bins of true depth: of the baseline, and of other configurations relative to it."""
    figure, axes = canvas(11.5, 4.7, columns=2, gridspec_kw={"width_ratios": [1, 1.7]})
    own, ratio = axes[0]
    base = profile(study, study.baseline)
    depth, errors = _middles(study, base), base.to_numpy()
    trivial = profile(study, study.baseline, "trivial_abs_rel").to_numpy()
    mean_with_band(own, depth, np.log(errors), 0.14, color=BLACK, linestyle="-", marker="o", markersize=4, label="the baseline")
    mean_with_band(own, depth, np.log(trivial), 0.14, color=GREY, linestyle=(0, (5, 2)), label="one depth everywhere")
    shown = {role: (one.label, one.key) for role, one in representatives(study, judged).items() if role != "baseline"}
    weights = [(w, key) for w, key in near_weight_keys(study).items() if w != baseline_weight(study)]
    if weights:
        shown["weight"] = (f"the baseline at near weight {weights[0][0]:g}", weights[0][1])
    for role, (label, key) in shown.items():
        own_errors = profile(study, key)
        log_ratios = (np.log(own_errors) - np.log(base)).dropna(how="all").dropna(axis="columns")  # of the seeds that both have
        if len(log_ratios) >= LEAST_SEEDS:
            places = _middles(study, log_ratios)
            mean_with_band(ratio, places, log_ratios.to_numpy(), 0.14, **LINES[role], markersize=4, label=label)
    ratio.axhline(1.0, color=BLACK, linewidth=1.2)
    for ax in (own, ratio):
        plain_log(ax, "x")
        plain_log(ax)
        ax.axvline(1.0, color="#999999", linewidth=0.9, linestyle=":")
        ax.set_xlabel("true depth, metres (log scale)")
    own.set(title="Baseline and one depth everywhere", ylabel="AbsRel (log scale)")
    own.legend()
    ratio.set(title="Others (below ×1 is better)", ylabel=f"AbsRel, {RATIO}")
    low, high = np.log(ratio.get_ylim())
    ticks = [(place, label) for place, label in ratio_ticks(max(-low, high), 0.04) if low <= place <= high]
    ratio.set_yticks([math.exp(place) for place, _ in ticks], [label for _, label in ticks])
    figure.legend(*ratio.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    below = f"final network, validation frames, geometric mean over {study.seeds_in_words}, band: 95 % t interval; dotted: 1 m"
    headline(figure, _message(errors, trivial), below)
    return figure, (
        "AbsRel by true depth: left the baseline beside one depth everywhere, which is right at that depth alone; right the "
        "other configurations as a multiple of the baseline."
    )


def profile(study: Study, key: str, measure: str = "abs_rel") -> pd.DataFrame:
    """AbsRel, a row for each finished seed, a column for each bin (its lower end, metres) that all of them have."""
    own = study.profiles[study.profiles["key"] == key]
    return own.pivot(index="seed", columns="low", values=measure).dropna(axis="columns").astype(float)


def _middles(study: Study, table: pd.DataFrame) -> np.ndarray:
    """Middles of the bins in metres."""
    high = study.profiles.drop_duplicates("low").set_index("low")["high"]
    return np.array([_middle(float(low), float(high[low])) for low in table.columns])


def _middle(low: float, high: float) -> float:
    """Geometric middle of a bin, in metres; of the first bin its end / 1.4, of the open last bin 1.25 times its start."""
    return high / 1.4 if low == 0 else low * 1.25 if math.isinf(high) else math.sqrt(low * high)


def _message(errors: np.ndarray, trivial: np.ndarray) -> str:
    better = np.log(errors).mean(axis=0) < np.log(trivial).mean(axis=0)
    return f"The baseline beats one depth everywhere in {better.sum()} of {len(better)} bins of true depth"
