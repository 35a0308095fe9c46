"""Curves over training: convergence on the fixed probe, and the document's expected curves beside the measured ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.comparisons import Rulers
from analysis.load import Study
from analysis.measures import baseline_target
from analysis.plots import BLACK, BLUE, GREEN, VERMILLION, canvas, change, headline, plain_log
from analysis.promises import full_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = {
    "baseline": (BLACK, "-"),
    "full": (BLUE, (0, (6, 2))),
    "best": (GREEN, (0, (4, 1, 1, 1))),
    "worst": (VERMILLION, (0, (1.5, 1.2))),
}
NEAR_ERROR = "near AbsRel on the fixed probe (log scale)"
BEFORE_RANGE, AFTER_PEAK, AFTER_END, EXPECTED_EPOCHS = (6e-4, 1e-3), 8e-4, 2e-4, 30


def convergence(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """Near error on the probe over training: baseline, recommendation, best and worst single fix."""
    figure, axes = canvas(9.6, 5.0)
    ax = axes[0][0]
    shown = _shown(study, judged)
    for role, (label, key) in shown.items():
        _banded(ax, study, key, label, *LINES[role])
    _target(ax, baseline_target(study))
    plain_log(ax)
    ax.set(xlabel="epoch", ylabel=NEAR_ERROR)
    ax.margins(x=0.01)
    figure.legend(loc="outside lower center", ncols=2)
    headline(
        figure, _convergence_message(judged, shown), f"geometric mean over {len(study.seeds)} seeds, band: 95 % t interval"
    )
    return figure, "Near error on probe scenes that no configuration can move; lower and earlier is better."


def _target(ax: Axes, error: float) -> None:
    ax.axhline(error, color="#777777", linewidth=1, linestyle=":")
    text = "target: 95 % of the baseline's improvement "
    ax.text(0.995, error, text, transform=ax.get_yaxis_transform(), ha="right", va="bottom", fontsize=8.5, color="#666666")


def _shown(study: Study, judged: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Role -> (label, key) of the curves that are worth a line."""
    shown = {"baseline": ("baseline", study.baseline)}
    whole = full_key(study)
    if whole:
        shown["full"] = ("the document's whole recommendation", whole)
    moving = sorted((fix for fix in judged["fixes"] if fix["key"] and not fix["same_as"]), key=lambda fix: fix["estimate"])
    if moving:
        best, worst = moving[-1], moving[0]
        shown["best"] = (f"lowest near error of one fix: {best['id']} {best['name']}", best["key"])
        shown["worst"] = (f"highest near error of one fix: {worst['id']} {worst['name']}", worst["key"])
    return shown


def _convergence_message(judged: dict[str, Any], shown: dict[str, tuple[str, str]]) -> str:
    near = next((entry for entry in judged["promises"] if entry["promise"] == "near field"), None)
    best = max((fix for fix in judged["fixes"] if fix["key"]), key=lambda fix: fix["estimate"], default=None)
    parts = [f"Final near error: recommendation {change(near['estimate'])}"] if near else []
    if best:
        parts.append(f"best single fix ({best['id']}) {change(best['estimate'])}")
    return ", ".join(parts) or "Near error over training"


def _banded(ax: Axes, study: Study, key: str, label: str, colour: str, dashes: Any) -> None:
    """Geometric mean over seeds with a t band; a single seed has no band."""
    epoch, y = _by_seed(study, key, "probe_near_abs_rel")
    mean = y.mean(axis=0)
    ax.plot(epoch, np.exp(mean), color=colour, linestyle=dashes, label=label)
    if len(y) > 1:
        from scipy.stats import t

        half = t.ppf(0.975, len(y) - 1) * y.std(axis=0, ddof=1) / math.sqrt(len(y))
        ax.fill_between(epoch, np.exp(mean - half), np.exp(mean + half), color=colour, alpha=0.15, linewidth=0)


def _by_seed(study: Study, key: str, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs [U] and ln of the column [seeds, U]; unknown values stay NaN."""
    own = study.curves[study.curves["key"] == key]
    wide = own.pivot(index="seed", columns="epoch", values=column)
    values = wide.to_numpy(float)
    return wide.columns.to_numpy(float), np.log(np.where(values > 0, values, np.nan))


def stability(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """Expected by the document, measured on the own loss, measured on the probe."""
    figure, axes = canvas(12.5, 4.5, columns=3)
    expected, own, probe = axes[0]
    arms = {"baseline": study.baseline, "full": full_key(study)}
    _expected(expected)
    for ax, column in ((own, "loss"), (probe, "probe_near_abs_rel")):
        for role, key in arms.items():
            _seeds(ax, study, str(key), column, *LINES[role])
        plain_log(ax)
        ax.set_xlabel("epoch")
    own.set(title="Measured: own training loss\n(two formulas: compare shapes, not levels)", ylabel="training loss (log scale)")
    probe.set(title="Measured: error on the fixed probe\n(one ruler: compare both)", ylabel="near AbsRel (log scale)")
    handles, labels = expected.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    found = next(entry for entry in judged["promises"] if entry["promise"] == "stability")
    headline(figure, _stability_message(found), "thin: every seed; thick: the seed whose wobble is the median")
    return (
        figure,
        "The document's sketch of before and after, and what was measured; only the right panel compares like with like.",
    )


def _stability_message(found: dict[str, Any]) -> str:
    times = math.exp(min(found["estimate"], 50.0))
    ends = " to ".join(f"{math.exp(min(end, 50.0)):.2g}" for end in found["interval"])
    return f"Promised 3 times steadier; measured {times:.2g} times ({ends})"


def _seeds(ax: Axes, study: Study, key: str, column: str, colour: str, dashes: Any) -> None:
    epoch, y = _by_seed(study, key, column)
    wobble = Rulers.of(study).values("wobble", key)
    middle = int(np.argsort(np.nan_to_num(wobble, nan=0.0))[len(wobble) // 2])
    ax.plot(epoch, np.exp(y).T, color=colour, linewidth=0.6, alpha=0.28)
    ax.plot(epoch, np.exp(y[middle]), color=colour, linewidth=1.5, linestyle=dashes)


def _expected(ax: Axes) -> None:
    """The document's two sketches: before swings between 0.0006 and 0.0010, after peaks at 0.0008 and falls to 0.0002."""
    epoch = np.linspace(0, EXPECTED_EPOCHS, 301)
    low, high = BEFORE_RANGE
    swing = np.abs((epoch / 5.0 + 1.0) % 2.0 - 1.0)
    fall = AFTER_END + (AFTER_PEAK - AFTER_END) * np.exp(-(((np.maximum(epoch, 4.0) - 4.0) / 10.0) ** 1.4))
    after = np.where(epoch < 4.0, 6e-4 + (AFTER_PEAK - 6e-4) * np.sin(epoch / 8.0 * np.pi), fall)
    ax.plot(epoch, low + (high - low) * swing, color=LINES["baseline"][0], label="before: the baseline")
    ax.plot(
        epoch, after, color=LINES["full"][0], linestyle=LINES["full"][1], label="after: the document's whole recommendation"
    )
    plain_log(ax)
    ax.set_yticks([2e-4, 4e-4, 6e-4, 8e-4, 1e-3], ["0.0002", "0.0004", "0.0006", "0.0008", "0.0010"])
    ax.set(title="As the document expects\n(its sketch, numbers from its text)", xlabel="epoch", ylabel="loss")
