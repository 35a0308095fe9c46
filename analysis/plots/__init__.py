"""Figures of a study, one module each; every figure's title states one finding, computed from the data."""

from analysis.plots.compare import draw_comparison
from analysis.plots.data import draw_data
from analysis.plots.figures import available, draw

__all__ = ["available", "draw", "draw_comparison", "draw_data"]
