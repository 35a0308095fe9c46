"""Figures of a study, one module each; every figure's title states one finding, computed from the data."""

from analysis.plots.compare import draw_comparison as draw_comparison
from analysis.plots.data import draw_data as draw_data
from analysis.plots.figures import available as available
from analysis.plots.figures import draw as draw
