"""Rays and solids: where a ray enters a box, an elliptic cylinder or an ellipsoid, all rays and all solids at once.

World: x right, y ahead, z up, metres; the ground is z = 0 and the camera stands at (0, 0, height).
Every solid is a unit shape (|q| <= 1) stretched by its half sizes, turned by its yaw and moved to its centre, so one
change of coordinates per solid leaves three small intersections to write. Letters: K solids, P pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BOX, CYLINDER, BALL = 0, 1, 2
_TINY = np.float32(1e-9)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera. height: metres; pitch: radians, positive looks down; roll: radians; focal: image widths."""

    height: float
    pitch: float
    roll: float
    focal: float


@dataclass(frozen=True)
class Solids:
    """K upright solids. kind [K]; centre [K, 3] metres; half [K, 3] metres; yaw [K] radians about the vertical."""

    kind: np.ndarray
    centre: np.ndarray
    half: np.ndarray
    yaw: np.ndarray

    def __getitem__(self, chosen: slice) -> Solids:
        return Solids(self.kind[chosen], self.centre[chosen], self.half[chosen], self.yaw[chosen])


@dataclass(frozen=True)
class Hits:
    """What each pixel sees first. solid [P], -1 for none; distance [P], inf for none; local [3, P] in unit shapes."""

    solid: np.ndarray
    distance: np.ndarray
    local: np.ndarray


def camera_rays(camera: Camera, height: int, width: int) -> np.ndarray:
    """[3, P] world directions through the pixel centres; one unit long along the optical axis, so distance is z-depth."""
    across = ((np.arange(width) + 0.5) / width - 0.5) / camera.focal
    # Both axes are measured in image widths: the same scene at another resolution is the same scene.
    down = ((np.arange(height) + 0.5) - height / 2) / width / camera.focal
    x, y = (axis.ravel() for axis in np.meshgrid(across, down))
    cos, sin = np.cos(camera.roll), np.sin(camera.roll)
    x, y = cos * x - sin * y, sin * x + cos * y
    cos, sin = np.cos(camera.pitch), np.sin(camera.pitch)
    return np.stack([x, cos - sin * y, -sin - cos * y]).astype(np.float32)


def first_hits(solids: Solids, origin: np.ndarray, rays: np.ndarray) -> Hits:
    """What rays [3, P] from one origin [3] meet first."""
    start, along = _to_unit_shapes(solids, origin[:, None], rays)
    entry = _entries(solids.kind, start, along)
    solid = entry.argmin(0)
    pixel = np.arange(rays.shape[1])
    distance = entry[solid, pixel]
    missed = np.isinf(distance)
    reach = np.where(missed, np.float32(0), distance)
    local = start[solid, :, 0].T + reach * along[solid, :, pixel].T
    return Hits(np.where(missed, -1, solid), distance, local)


def blocked(solids: Solids, origins: np.ndarray, towards: np.ndarray, skin: float = 0.01) -> np.ndarray:
    """[P] bool: whether the way from origins [3, P] towards one direction [3] meets a solid after `skin` metres."""
    start, along = _to_unit_shapes(solids, origins, towards[:, None])
    return (_entries(solids.kind, start, along, skin) < np.inf).any(0)


def unit_frames(solids: Solids) -> np.ndarray:
    """[K, 3, 3] matrices that turn world directions into the unit shapes' coordinates."""
    frames = np.zeros((len(solids.yaw), 3, 3))
    cos, sin = np.cos(solids.yaw), np.sin(solids.yaw)
    frames[:, 0, 0], frames[:, 0, 1] = cos, sin
    frames[:, 1, 0], frames[:, 1, 1] = -sin, cos
    frames[:, 2, 2] = 1
    return frames / solids.half[:, :, None]


def _to_unit_shapes(solids: Solids, origins: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Origins [3, P or 1] and rays [3, P or 1] as [K, 3, ...] each, in every solid's own unit coordinates."""
    frames = unit_frames(solids)
    moved = np.einsum("kij,kj->ki", frames, solids.centre).astype(np.float32)[:, :, None]
    flat = frames.reshape(-1, 3).astype(np.float32)
    start = (flat @ origins.astype(np.float32)).reshape(len(frames), 3, -1) - moved
    return start, (flat @ rays.astype(np.float32)).reshape(len(frames), 3, -1)


def _entries(kind: np.ndarray, start: np.ndarray, along: np.ndarray, skin: float = 1e-3) -> np.ndarray:
    """[K, P] distance at which each ray enters each solid; inf where it misses or begins inside."""
    entry = np.full((len(kind), max(start.shape[2], along.shape[2])), np.inf, np.float32)
    for shape, spans in ((BOX, _box_span), (CYLINDER, _cylinder_span), (BALL, _round_span)):
        rows = np.flatnonzero(kind == shape)
        if rows.size:
            near, far = spans(start[rows], along[rows])
            entry[rows] = np.where((near < far) & (near > skin), near, np.float32(np.inf))
    return entry


def _box_span(start: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays [K, 3, P] enter and leave the cube |x|, |y|, |z| <= 1 (slab method); [K, P] each."""
    inverse = 1 / np.where(np.abs(along) < _TINY, _TINY, along)
    middle, reach = -start * inverse, np.abs(inverse)
    return (middle - reach).max(1), (middle + reach).min(1)


def _round_span(start: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays [K, D, P] enter and leave the unit ball of D dimensions; a miss leaves before it enters."""
    # From the point nearest to the centre, not from b^2 - 4ac, which cancels in float32 for a small, far ball.
    square = np.maximum((along * along).sum(1), _TINY)
    middle = -(start * along).sum(1) / square
    nearest = start + middle[:, None] * along
    left = (1 - (nearest * nearest).sum(1)) / square
    reach = np.sqrt(np.maximum(left, 0))
    return middle - reach, np.where(left > 0, middle + reach, np.float32(-np.inf))


def _cylinder_span(start: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter and leave the upright unit cylinder: its disc across, its slab upward."""
    disc, slab = _round_span(start[:, :2], along[:, :2]), _box_span(start[:, 2:], along[:, 2:])
    return np.maximum(disc[0], slab[0]), np.minimum(disc[1], slab[1])
