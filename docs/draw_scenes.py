"""Draws docs/scenes.png: sixteen procedural scenes, colour above depth. Run from the repository: python docs/draw_scenes.py"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parents[1]))
from runner.data import render

SEED, ROWS, COLUMNS = 0, 2, 8
HEIGHT, WIDTH = 192, 288
SCALE = LogNorm(0.2, 40)
TICKS = (0.2, 0.5, 1, 2, 5, 10, 20, 40)
NEAR, LINE = 1.0, "#00a6ff"


def draw() -> Figure:
    """The first sixteen scenes of the seed, chosen by nothing but their index."""
    figure = plt.figure(figsize=(15.2, 5.1))
    pairs = figure.add_gridspec(ROWS, COLUMNS, left=0.003, right=0.945, bottom=0.008, top=0.935, wspace=0.025, hspace=0.035)
    colours = matplotlib.colormaps["magma_r"].with_extremes(bad="#d9dde2")
    for index in range(ROWS * COLUMNS):
        above, below = pairs[divmod(index, COLUMNS)].subgridspec(2, 1, hspace=0.015).subplots()
        picture = show_pair(above, below, *render(SEED, index, HEIGHT, WIDTH), colours)
    bar = figure.colorbar(picture, cax=figure.add_axes((0.951, 0.02, 0.011, 0.90)), ticks=TICKS, extend="both")
    bar.ax.set_yticklabels([f"{tick:g}" for tick in TICKS], fontsize=10)
    bar.ax.minorticks_off()
    bar.ax.invert_yaxis()
    bar.ax.axhline(NEAR, color=LINE, linewidth=2)
    bar.set_label("depth in metres (log scale)", fontsize=10)
    figure.suptitle(
        "Sixteen procedural scenes, colour above depth. Blue line: 1 m, nearer than which the loss weighs more. "
        "Grey: no depth (sky). Percentages: share of valid pixels nearer than 1 m.",
        fontsize=11,
        y=0.985,
    )
    return figure


def show_pair(above: Axes, below: Axes, rgb: np.ndarray, depth: np.ndarray, colours: matplotlib.colors.Colormap):
    """Draws one scene and returns the depth picture."""
    valid = depth > 0
    above.imshow(rgb)
    picture = below.imshow(np.where(valid, depth, np.nan), norm=SCALE, cmap=colours, interpolation="nearest")
    near = valid & (depth < NEAR)
    if near.any() and not near.all():
        below.contour(near, levels=[0.5], colors=LINE, linewidths=1.6)
    share = near.sum() / valid.sum()
    box = {"facecolor": "black", "alpha": 0.55, "edgecolor": "none", "pad": 1.5}
    below.text(0.02, 0.96, f"{share:.0%}", transform=below.transAxes, va="top", color="white", fontsize=9, bbox=box)
    for axes in (above, below):
        axes.set_axis_off()
        axes.set_aspect("auto")
    return picture


if __name__ == "__main__":
    target = Path(__file__).with_name("scenes.png")
    draw().savefig(target, dpi=90)
    print(f"{target}: {target.stat().st_size / 1000:.0f} kB")
