"""Depth in a data set, in four panels: histogram, near share of images, mean weight of batches, near share of scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.files import write_whole
from analysis.plots.style import BLACK, BLUE, GREY, ORANGE, VERMILLION, canvas, headline, saved, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 20


def draw_data(path: Path, name: str, found: Mapping[str, Any], asked: Mapping[str, float], message: str) -> None:
    """Draw the figure and write it to `path` as PNG.

    Args:
        found: edges [n] in metres and histogram [n], the last bin open; per_image and per_batch near shares; per_scale, the
            near share by "HxW"; share, pooled; frames.
        asked: near_weight, threshold in metres, expected (the fixed mean weight), batch.
        message: what the figure says, its headline.
    """
    with style():
        figure, axes = canvas(11.0, 7.2, rows=2, columns=2)
        depth_panel(axes[0][0], found["edges"], found["histogram"], asked["threshold"])
        image_panel(axes[0][1], found["per_image"], found["share"], asked["threshold"])
        batch_panel(axes[1][0], found, asked)
        scale_panel(axes[1][1], found["per_scale"], found["share"])
        below = f"{name}: {found['frames']} frames, near is < {asked['threshold']:g} m, near weight {asked['near_weight']:g}"
        headline(figure, message, below)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, saved(figure, "png")["png"])


def depth_panel(ax: Axes, edges: Sequence[float], shares: Sequence[float], threshold: float) -> None:
    """Draw the share of the known pixels in each bin; near bins end at or before the threshold."""
    ends = [*edges[1:], float("inf")]
    colours = [ORANGE if end <= threshold else BLUE for end in ends]
    ax.bar(range(len(shares)), [100 * share for share in shares], width=1.0, align="edge", color=colours, edgecolor="white")
    ax.set_xlim(0, len(shares))
    ax.set_xticks(range(len(edges)), [f"{edge:g}" for edge in edges], rotation=45)
    ax.set(title="Depth: known pixels by bin (orange: near)", xlabel="metres, the last bin is open", ylabel="% of known pixels")
    ax.grid(visible=False, axis="x")


def image_panel(ax: Axes, shares: Sequence[float], pooled: float, threshold: float) -> None:
    ax.hist([100 * share for share in shares], bins=BINS, range=(0, 100), color=BLUE, edgecolor="white")
    ax.axvline(100 * pooled, color=BLACK, linewidth=1.4, label=f"all pixels pooled: {100 * pooled:.1f} %")
    count_axis(ax)
    ax.set(title="Near share of each image", xlabel=f"% of its known pixels nearer than {threshold:g} m", ylabel="images")
    ax.legend()


def batch_panel(ax: Axes, found: Mapping[str, Any], asked: Mapping[str, float]) -> None:
    """Draw the mean weight of each batch, and the fixed one."""
    gain, expected = asked["near_weight"] - 1.0, asked["expected"]
    mean = 1.0 + gain * found["share"]
    means = [1.0 + gain * share for share in found["per_batch"]]
    ends = (min(*means, mean, expected), max(*means, mean, expected))  # covers all values shown
    ax.hist(means, bins=BINS, range=ends, color=GREY, edgecolor="white", linewidth=0.5)
    ax.axvline(mean, color=BLACK, linewidth=1.4, label=f"the data's: {mean:.4g}")
    ax.axvline(expected, color=VERMILLION, linewidth=1.8, linestyle="--", label=f"expected_weight_mean: {expected:.4g}")
    count_axis(ax)
    ax.set(
        title=f"Mean weight of each batch of {asked['batch']:g}", xlabel="1 + (near weight - 1) x near share", ylabel="batches"
    )
    ax.legend()


def count_axis(ax: Axes) -> None:
    """Whole-number ticks on y, and space above the bars for a legend."""
    from matplotlib.ticker import MaxNLocator

    ax.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.set_ylim(top=1.3 * ax.get_ylim()[1])


def scale_panel(ax: Axes, shares: Mapping[str, float], pooled: float) -> None:
    values = [100 * share for share in shares.values()]
    bars = ax.bar(list(shares), values, width=0.55, color=BLUE)
    ax.bar_label(bars, labels=[f"{value:.1f} %" for value in values], label_type="center", color="white", fontweight="bold")
    ax.axhline(100 * pooled, color=BLACK, linewidth=1.0, linestyle=":")
    ax.set(title="Near share at each scale of the loss", xlabel="height x width", ylabel="% of known pixels")
    ax.set_ylim(0, 1.1 * max([*values, 1.0]))
    ax.grid(visible=False, axis="x")
