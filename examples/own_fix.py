"""Two fixes of one's own: a weight that falls with depth as 1/d from the threshold on, and a boundary smooth in log depth."""

import torch

from nfloss import Choice, Fix, Issue, add_fix, register


def inverse_depth_weight(depth, threshold, *, near_weight):
    """`near_weight` nearer than the threshold, then falling in proportion to 1/depth, down to 1."""
    return (near_weight * threshold / depth).clamp(1.0, near_weight)


def log_smooth(depth, threshold, *, near_weight, octaves=0.5):
    """From `near_weight` down to 1, half way at the threshold; as wide at 2 m as at 1 m, in octaves."""
    return 1.0 + (near_weight - 1.0) * torch.sigmoid(-torch.log2(depth / threshold) / octaves)


proportional = Fix("11-1", "inverse-depth-weight", "falls as 1/depth", {"weigh": Choice("1/depth", inverse_depth_weight)})
register(Issue(11, "Two kinds of pixel", "medium", "Weights know near and far, and nothing between.", (proportional,)))
add_fix(5, Fix("5-3", "log-smooth", "sigmoid in log depth", {"weigh": Choice("log smooth", log_smooth)}))
