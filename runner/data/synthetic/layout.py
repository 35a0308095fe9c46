"""Layout: which solids stand where in a random scene, seen by a low camera such as a bumper's or a small robot's.

There are streets and rooms, some with an obstacle right in front of the camera; their mix decides how much is near. All
numbers are metres and radians. The values under "Calibrated" were chosen so that the pooled depth matches an automotive
near-field camera's; tests/runner/data/test_scenes.py checks that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from runner.data.synthetic.props import Piece, prop, slab
from runner.data.synthetic.rays import Camera, Solids

# Calibrated.
CLOSE_SHARE, ROOM_SHARE = 0.35, 0.30
CAMERA_HEIGHT = (0.6, 0.77)
OBSTACLE_GAP = (0.08, 1.0)


@dataclass(frozen=True)
class Layout:
    """A camera among solids. families: [K] palette name of each solid; fixed: how many solids at the start are ground
    and walls, which cast no shadow; indoors: whether a lamp at the ceiling replaces the sun."""

    camera: Camera
    solids: Solids
    families: tuple[str, ...]
    fixed: int
    indoors: bool


def random_layout(rng: Generator) -> Layout:
    """A random scene."""
    camera = random_camera(rng)
    close, indoors = rng.random() < CLOSE_SHARE, rng.random() < ROOM_SHARE
    pieces = [slab((0, 0, -0.5), (200, 200, 0.5), 0, "floor" if indoors else "ground")]
    pieces += room(rng) if indoors else street(rng)
    fixed = len(pieces)
    pieces += furnish(rng, camera, indoors)
    if close:
        pieces += obstacle(rng, camera)
    return Layout(camera, as_solids(pieces), tuple(piece.family for piece in pieces), fixed, bool(indoors))


def random_camera(rng: Generator) -> Camera:
    """A wide, low camera that looks ahead and somewhat down. It varies little, as on a real vehicle, so that the row in the
    picture tells the distance along the ground."""
    view = np.radians(rng.uniform(86, 94))
    return Camera(
        height=log_uniform(rng, *CAMERA_HEIGHT),
        pitch=np.radians(rng.uniform(4, 10)),
        roll=np.radians(rng.normal(0, 2)),
        focal=0.5 / np.tan(view / 2),
    )


def room(rng: Generator) -> list[Piece]:
    """Walls around the camera, in most rooms a ceiling."""
    yaw = rng.uniform(-0.6, 0.6)
    ahead, aside, other = log_uniform(rng, 1.5, 9), log_uniform(rng, 0.6, 4), log_uniform(rng, 0.6, 4)
    height = rng.uniform(2.3, 3.2)
    walls = [wall(yaw, ahead, height), wall(yaw - np.pi / 2, aside, height), wall(yaw + np.pi / 2, other, height)]
    ceiling = slab((0, 0, height + 0.1), (30, 30, 0.1), 0, "ceiling")
    return [*walls, ceiling] if rng.random() < 0.8 else walls


def street(rng: Generator) -> list[Piece]:
    """Facades ahead or along one side, a kerb, or nothing up to the horizon."""
    pieces = []
    if rng.random() < 0.55:
        pieces.append(wall(rng.uniform(-0.7, 0.7), log_uniform(rng, 5, 50), rng.uniform(2, 12)))
    if rng.random() < 0.35:
        side = rng.choice((-1, 1))
        pieces.append(wall(side * rng.uniform(1.2, 1.6), log_uniform(rng, 1.5, 8), rng.uniform(1.5, 9)))
    if rng.random() < 0.35:
        side = rng.choice((-1, 1))
        offset = side * (rng.uniform(0.8, 4) + 2)
        pieces.append(slab((offset, 0, 0), (2, 150, rng.uniform(0.08, 0.18)), 0, "kerb"))
    return pieces


def wall(yaw: float, distance: float, height: float) -> Piece:
    """A wall across the direction `yaw` (positive to the left), its face `distance` from the camera."""
    away = distance + 0.15
    return slab((-away * np.sin(yaw), away * np.cos(yaw), height / 2), (60, 0.15, height / 2), yaw, "wall")


def furnish(rng: Generator, camera: Camera, indoors: bool) -> list[Piece]:
    """Two to seven props, spread over the view so that they seldom overlap."""
    count = rng.integers(2, 6) if indoors else rng.integers(2, 8)
    bearings = (np.arange(count) + rng.random(count)) / count * 2 - 1
    nearest, farthest = (0.7, 5) if indoors else (1.2, 30)
    pieces = []
    for bearing in bearings:
        gap = log_uniform(rng, nearest, farthest)
        pieces += prop(rng, bearing * gap * 0.55 / camera.focal, gap, indoors)
    return pieces


def obstacle(rng: Generator, camera: Camera) -> list[Piece]:
    """Something right in front of the camera: a block of any width, or a prop."""
    gap = log_uniform(rng, *OBSTACLE_GAP)
    aside = rng.uniform(-0.35, 0.35) * gap / camera.focal
    if rng.random() < 0.35:
        return prop(rng, aside, gap, True)
    width, height = gap * log_uniform(rng, 0.3, 4), camera.height * log_uniform(rng, 0.5, 2.5)
    yaw = rng.uniform(-0.7, 0.7)
    half = np.array([width, rng.uniform(0.1, 0.6), height / 2])
    deep = abs(half[0] * np.sin(yaw)) + abs(half[1] * np.cos(yaw))
    return [slab((aside, gap + deep, height / 2), tuple(half), yaw, "prop")]


def log_uniform(rng: Generator, low: float, high: float) -> float:
    """A random number between two positive bounds, its logarithm uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def as_solids(pieces: list[Piece]) -> Solids:
    """The pieces as arrays."""
    kind, centre, half, yaw = zip(*((p.kind, p.centre, p.half, p.yaw) for p in pieces), strict=True)
    return Solids(np.array(kind), np.array(centre, float), np.array(half, float), np.array(yaw, float))
