"""Ray casting: where rays enter boxes, elliptic cylinders and ellipsoids, all rays and solids at once.

World: x right, y ahead, z up, metres; the ground is z = 0 and the camera stands at (0, 0, height).
Every solid is a unit shape (|q| <= 1) stretched by its half sizes, turned by its yaw and moved to its centre. Rays are
transformed to each solid's unit coordinates, so that three intersections are enough. Letters: K solids, P pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BOX, CYLINDER, BALL = 0, 1, 2
_TINY = np.float32(1e-9)
Vectors = Sequence[np.ndarray]  # x, y, z, each [K, P], or [K, 1] where all pixels share it


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
    down = ((np.arange(height) + 0.5) - height / 2)[:, None] / width / camera.focal
    cos, sin = np.cos(camera.roll), np.sin(camera.roll)
    x, y = cos * across - sin * down, sin * across + cos * down
    cos, sin = np.cos(camera.pitch), np.sin(camera.pitch)
    return np.stack([x, cos - sin * y, -sin - cos * y], dtype=np.float32, casting="same_kind").reshape(3, -1)


def first_hits(solids: Solids, origin: np.ndarray, rays: np.ndarray) -> Hits:
    """What rays [3, P] from one origin [3] meet first."""
    start, along = _to_unit_shapes(solids, origin[:, None], rays)
    entry = _entries(solids.kind, start, along)
    solid = entry.argmin(0)
    pixel = np.arange(rays.shape[1])
    distance = entry[solid, pixel]
    missed = np.isinf(distance)
    reach = np.where(missed, np.float32(0), distance)
    local = np.stack([at[solid, 0] + reach * step[solid, pixel] for at, step in zip(start, along, strict=True)])
    return Hits(np.where(missed, -1, solid), distance, local)


def blocked(solids: Solids, origins: np.ndarray, towards: np.ndarray, skin: float = 0.01) -> np.ndarray:
    """[P] bool: whether rays from origins [3, P] in one direction [3] meet a solid after `skin` metres."""
    start, along = _to_unit_shapes(solids, origins, towards[:, None])
    return np.any(_entries(solids.kind, start, along, skin) < np.inf, axis=0)


def _to_unit_shapes(solids: Solids, origins: np.ndarray, rays: np.ndarray) -> tuple[Vectors, Vectors]:
    """Origins [3, P or 1] and rays [3, P or 1] in every solid's own unit coordinates."""
    cos, sin = np.cos(solids.yaw), np.sin(solids.yaw)
    # Not a matrix product: one so small is slow, and would start the linear algebra library's threads.
    turn = np.stack([cos, sin, -sin, cos], 1) / solids.half[:, [0, 0, 1, 1]]
    frames = np.column_stack([turn, 1 / solids.half[:, 2]]).T[:, :, None]
    moved = _turned(frames, solids.centre.T[:, :, None])
    frames = frames.astype(np.float32)
    start = _turned(frames, origins.astype(np.float32))
    return [at - by.astype(np.float32) for at, by in zip(start, moved, strict=True)], _turned(frames, rays.astype(np.float32))


def _turned(frames: np.ndarray, vectors: np.ndarray) -> Vectors:
    """World vectors [3, ...] in unit coordinates; frames [5, K, 1]: a 2x2 matrix for x and y, a factor for z."""
    a, b, c, d, lift = frames
    x, y, z = vectors
    return a * x + b * y, c * x + d * y, lift * z


def _entries(kind: np.ndarray, start: Vectors, along: Vectors, skin: float = 1e-3) -> np.ndarray:
    """[K, P] distance at which each ray enters each solid; inf where it misses or begins inside."""
    # Every unit shape lies between z = -1 and z = 1; across, a box is a square and the others are round.
    near, far = _slab(start[2], along[2])
    for rows, spans in ((kind == BOX, _square), (kind == CYLINDER, _disc), (kind == BALL, _ball)):
        chosen = np.flatnonzero(rows)
        if chosen.size:
            enter, leave = spans([axis[chosen] for axis in start], [axis[chosen] for axis in along])
            near[chosen] = np.maximum(near[chosen], enter)
            far[chosen] = np.minimum(far[chosen], leave)
    return np.where((near < far) & (near > skin), near, np.float32(np.inf))


def _slab(start: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays, by one coordinate each, enter and leave the slab from -1 to 1."""
    inverse = 1 / np.where(np.abs(along) < _TINY, _TINY, along)
    middle, reach = -start * inverse, np.abs(inverse)
    return middle - reach, middle + reach


def _square(start: Vectors, along: Vectors) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter and leave the infinite upright square prism |x|, |y| <= 1; [K, P] each."""
    (near_x, far_x), (near_y, far_y) = _slab(start[0], along[0]), _slab(start[1], along[1])
    return np.maximum(near_x, near_y), np.minimum(far_x, far_y)


def _disc(start: Vectors, along: Vectors) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter and leave the infinite upright unit cylinder; [K, P] each."""
    return _ball(start[:2], along[:2])


def _ball(start: Vectors, along: Vectors) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter and leave the unit ball of as many dimensions as are given; a miss leaves before it enters."""
    # From the point nearest to the centre: b^2 - 4ac would cancel in float32 for a small ball far away.
    square = np.maximum(_dot(along, along), _TINY)
    middle = -_dot(start, along) / square
    nearest = [at + middle * step for at, step in zip(start, along, strict=True)]
    left = (1 - _dot(nearest, nearest)) / square
    reach = np.sqrt(np.maximum(left, 0))
    return middle - reach, np.where(left > 0, middle + reach, np.float32(-np.inf))


def _dot(a: Vectors, b: Vectors) -> np.ndarray:
    """[K, P] dot products."""
    total = a[0] * b[0]
    for u, v in zip(a[1:], b[1:], strict=True):
        total = total + u * v
    return total
