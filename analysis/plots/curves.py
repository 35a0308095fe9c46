"""Curves over training: convergence on the fixed probe, and the document's expected curves with the measured ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.comparisons import MeasuredStudy
from analysis.formatting import ratio, times
from analysis.measures import baseline_target
from analysis.plots.representatives import representatives
from analysis.plots.style import BLACK, BLUE, GREEN, VERMILLION, canvas, headline, mean_with_band, plain_log
from analysis.promises import full_key
from analysis.rulers import ERROR, PROBE_NEAR
from analysis.rules import distinct_fixes
from analysis.statements import estimate, promised
from analysis.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = {
    "baseline": (BLACK, "-"),
    "full": (BLUE, (0, (6, 2))),
    "best": (GREEN, (0, (4, 1, 1, 1))),
    "worst": (VERMILLION, (0, (1.5, 1.2))),
}
NEAR_ERROR = f"near {ERROR} on the fixed probe (log scale)"
BEFORE_RANGE, AFTER_PEAK, AFTER_END, EXPECTED_EPOCHS = (6e-4, 1e-3), 8e-4, 2e-4, 30


def convergence(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """Near error on the probe over training: baseline, recommendation, best and worst single fix."""
    figure, axes = canvas(9.6, 5.0)
    ax = axes[0][0]
    for role, shown in representatives(study, judged).items():
        probe_curve(ax, study, shown.key, shown.label, *LINES[role])
    _target(ax, baseline_target(study))
    plain_log(ax)
    ax.set(ylabel=NEAR_ERROR)
    step_axis(ax, study)
    ax.margins(x=0.01)
    figure.legend(loc="outside lower center", ncols=2)
    headline(figure, _convergence_message(judged), f"geometric mean over {study.seeds_in_words}, band: 95 % t interval")
    return figure, "Near error on the probe, which is the same for all configurations; lower and earlier is better."


def _target(ax: Axes, error: float) -> None:
    text = "target: 95 % of the baseline's improvement"
    ax.axhline(error, color="#777777", linewidth=1, linestyle=":", label=text)


def _convergence_message(judged: dict[str, Any]) -> str:
    near = next((entry for entry in judged["promises"] if entry["promise"] == "near field"), None)
    lowest = max(distinct_fixes(judged), key=lambda fix: fix["estimate"], default=None)
    parts = [f"the whole recommendation {times(near['estimate'])}"] if near else []
    if lowest:
        parts.append(f"lowest of one fix {estimate(lowest, 'near')} ({lowest['id']}, {lowest['verdict']})")
    return f"Final near error: {', '.join(parts)}" if parts else "Near error over training"


def probe_curve(ax: Axes, study: Study, key: str, label: str, colour: str, dashes: Any) -> None:
    """Draw the near error on the probe: geometric mean over seeds with its 95 % t band."""
    steps, y = _by_seed(study, key, PROBE_NEAR)
    marker = "o" if len(steps) == 1 else ""
    mean_with_band(ax, steps, y, 0.15, color=colour, linestyle=dashes, label=label, marker=marker)


def step_axis(ax: Axes, study: Study) -> None:
    """Label x, in steps, and above it in passes over the training frames where their number is known."""
    if study.passes:
        scaled_axis(ax, study.passes / study.steps, "passes over the training frames")
    ax.set_xlabel("step")


def scaled_axis(ax: Axes, factor: float, label: str) -> None:
    """A second x axis, above, of `factor` times the steps."""
    above = ax.secondary_xaxis("top", functions=(partial(np.multiply, factor), partial(np.multiply, 1 / factor)))
    above.set_xlabel(label, fontsize=8.5, color="#555555")
    above.tick_params(labelsize=8.5, labelcolor="#555555")
    ax.set_xlabel("step")


def _by_seed(study: Study, key: str, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps [U], and ln of the column [seeds, U]; NaN where a value is unknown or not positive."""
    own = study.curves[study.curves["key"] == key]
    wide = own.pivot(index="seed", columns="step", values=column)
    values = wide.to_numpy(float)
    return wide.columns.to_numpy(float), np.log(np.where(values > 0, values, np.nan))


def stability(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """Expected and measured curves: left of each training's own loss, as in the document; right of the error on the probe.

    Every curve is divided by the mean of its baseline, since the levels cannot be compared.
    """
    figure, axes = canvas(11.5, 4.9, columns=2, sharey=True)
    arms = {"baseline": study.baseline, "full": str(full_key(study))}
    for ax, column in zip(axes[0], ("loss", PROBE_NEAR), strict=True):
        level = float(np.nanmean(_by_seed(study, study.baseline, column)[1]))
        _expected(ax, study)
        for role, key in arms.items():
            _seeds(ax, study, key, column, level, *LINES[role])
        plain_log(ax)
        scaled_axis(ax, EXPECTED_EPOCHS / study.steps, f"epoch of the document's {EXPECTED_EPOCHS}, for which the run stands")
    own, probe = axes[0]
    own.set(title="As in the document: training loss of each", ylabel="relative to the baseline's mean (log scale)")
    probe.set(title="For a fair comparison: near error on the fixed probe")
    handles, labels = own.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    found = next(entry for entry in judged["promises"] if entry["promise"] == "stability")
    headline(
        figure,
        _stability_message(found),
        "thin: every seed; thick: the seed with median wobble; pale: the document's sketch, with numbers from its text",
    )
    return (
        figure,
        "The document's sketch and the measured curves; a changed loss is no measure of its own effect, so only the right "
        "panel is a fair comparison.",
    )


def _stability_message(found: dict[str, Any]) -> str:
    return f"Wobble of the recommendation: promised {promised(found)} of the baseline's, measured {ratio(found)}"


def _seeds(ax: Axes, study: Study, key: str, column: str, level: float, colour: str, dashes: Any) -> None:
    """Draw every seed thin and the one with median wobble thick; `level` is subtracted from the logarithms."""
    steps, y = _by_seed(study, key, column)
    wobble = MeasuredStudy.of(study).values("wobble", key)
    middle = int(np.argsort(np.nan_to_num(wobble, nan=0.0))[len(wobble) // 2])
    label = "measured: the baseline" if key == study.baseline else "measured: the document's whole recommendation"
    ax.plot(steps, np.exp(y - level).T, color=colour, linewidth=0.6, alpha=0.28)
    ax.plot(steps, np.exp(y[middle] - level), color=colour, linewidth=1.5, linestyle=dashes, label=label)


def _expected(ax: Axes, study: Study) -> None:
    """Draw the document's sketch: before, 0.0006 to 0.0010 up and down; after, a peak of 0.0008, then a fall to 0.0002."""
    epoch = np.linspace(0, EXPECTED_EPOCHS, 301)
    low, high = BEFORE_RANGE
    swing = np.abs((epoch / 5.0 + 1.0) % 2.0 - 1.0)
    before = low + (high - low) * swing
    fall = AFTER_END + (AFTER_PEAK - AFTER_END) * np.exp(-(((np.maximum(epoch, 4.0) - 4.0) / 10.0) ** 1.4))
    after = np.where(epoch < 4.0, low + (AFTER_PEAK - low) * np.sin(epoch / 8.0 * np.pi), fall)
    level = np.exp(np.log(before).mean())
    steps = epoch * study.steps / EXPECTED_EPOCHS
    for role, curve, label in (("baseline", before, "expected: before"), ("full", after, "expected: after")):
        ax.plot(steps, curve / level, color=LINES[role][0], linewidth=4.5, alpha=0.22, label=f"{label} (the document's sketch)")
