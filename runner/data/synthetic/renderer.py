"""Renders random scenes with exact depth.

A picture depends on its seed and index alone, not on how many are rendered; another resolution shows the same scene.
"""

from __future__ import annotations

import numpy as np
import torch

from runner.data.frames import DataError, Frames
from runner.data.synthetic.layout import random_layout
from runner.data.synthetic.rays import camera_rays, first_hits
from runner.data.synthetic.shading import random_light, random_paint, shade

# Metres within which the depth sensor measures; outside, and in the sky, depth is invalid.
SENSOR_RANGE = (0.1, 80.0)
NOISE = 0.012
# Separate random streams, so that the sensor's numbers do not change the scene's.
_SCENE, _NOISE, _LIDAR = 20_000, 20_001, 20_002


def render(seed: int, index: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Picture `index` of the series `seed`, which has no end.

    Returns rgb [H, W, 3] float32 in 0..1 and depth [H, W] float32 metres along the optical axis, 0 = invalid (sky, or
    out of the sensor's range).

    >>> rgb, depth = render(seed=0, index=3, height=32, width=48)
    >>> rgb.shape, depth.shape
    ((32, 48, 3), (32, 48))
    """
    rng = np.random.default_rng([seed, index, _SCENE])
    layout = random_layout(rng)
    paint, light = random_paint(rng, layout.families), random_light(rng, layout.indoors)
    eye = np.array([0, 0, layout.camera.height])
    rays = camera_rays(layout.camera, height, width)
    hits = first_hits(layout.solids, eye, rays)
    footprint = 1 / (width * layout.camera.focal)
    rgb = shade(hits, rays, eye, layout.solids, layout.fixed, paint, light, footprint)
    noise = np.random.default_rng([seed, index, _NOISE]).standard_normal(rgb.shape, np.float32)
    rgb = np.clip(rgb + np.float32(NOISE) * noise, 0, 1)
    seen = (hits.distance >= SENSOR_RANGE[0]) & (hits.distance <= SENSOR_RANGE[1])
    depth = np.where(seen, hits.distance, np.float32(0))
    return rgb.reshape(height, width, 3), depth.reshape(height, width)


def lidar_rings(seed: int, index: int, height: int, width: int) -> np.ndarray:
    """[H, W] bool: the pixels that a spinning lidar would measure, about one in twelve.

    One row in four, slightly tilted, and along it every other column with gaps.
    """
    rng = np.random.default_rng([seed, index, _LIDAR])
    rows, columns = np.indices((height, width))
    ring = (rows + rng.integers(4) + np.floor(rng.uniform(-3, 3) * columns / width).astype(int)) % 4 == 0
    return ring & ((columns + rows) % 2 == 0) & (rng.random((height, width)) < 0.75)


def scenes(seed: int, count: int, height: int, width: int, start: int = 0, lidar: bool = False) -> Frames:
    """Pictures start .. start + count - 1 of the series `seed`; with `lidar`, only the pixels of `lidar_rings` have depth.

    Raises DataError: an argument is too small."""
    least = {"seed": 0, "count": 1, "start": 0, "height": 1, "width": 1}
    for (name, low), value in zip(least.items(), (seed, count, start, height, width), strict=True):
        if value < low:
            raise DataError(f"scenes was given {name}={value}; allowed is a whole number of at least {low}")
    rgb = np.empty((count, height, width, 3), np.float32)
    depth = np.empty((count, height, width), np.float32)
    for place in range(count):
        rgb[place], depth[place] = render(seed, start + place, height, width)
        if lidar:
            depth[place] *= lidar_rings(seed, start + place, height, width)
    return Frames(torch.from_numpy(rgb).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(depth)[:, None])
