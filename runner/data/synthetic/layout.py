"""Layout: which solids stand where in a random scene, seen by a camera fixed low on a vehicle.

There are yards and rooms, some with an obstacle right in front of the camera; their mix decides how much is near. A small
network can learn their depth: the camera hardly moves on its vehicle, things of a kind are of one size, and what is too near
to show its foot has a texture of known pitch or an edge of known height. benchmarks/scene_cues.py measures what each of these
is worth. All numbers are metres and radians. The values under "Calibrated" were chosen so that the pooled depth matches an
automotive near-field camera's; tests/runner/data/test_scenes.py checks that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from runner.data.synthetic.props import Piece, prop, slab
from runner.data.synthetic.rays import Camera, Solids

# Calibrated.
CLOSE_SHARE, ROOM_SHARE = 0.26, 0.20
CAMERA_HEIGHT, CAMERA_PITCH = 0.69, np.radians(7)
OBSTACLE_GAP, PLATFORM_END = (0.25, 1.0), (0.5, 1.3)
PLATFORM_HEIGHT = 0.49

# How much the camera moves on its vehicle: share of its height; standard deviations of pitch and roll.
CAMERA_PLAY = (0.02, np.radians(0.4), np.radians(0.5))
#: How far rooms reach ahead at most, and how wide they are.
ROOM_PLANS = ((4.0, 3.0), (6.0, 4.0), (2.2, 1.8))
CEILING, FACADE, BRICK_WALL = 2.5, 3.5, 1.1


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
    """A camera with a view of 90 degrees that looks ahead and somewhat down, so that a row of the picture tells the distance
    along the ground."""
    play, pitch, roll = CAMERA_PLAY
    return Camera(
        height=CAMERA_HEIGHT * rng.uniform(1 - play, 1 + play),
        pitch=rng.normal(CAMERA_PITCH, pitch),
        roll=rng.normal(0, roll),
        focal=0.5,
    )


def room(rng: Generator) -> list[Piece]:
    """A room of one of a few plans around the camera."""
    yaw = rng.uniform(-0.5, 0.5)
    length, width = ROOM_PLANS[rng.integers(len(ROOM_PLANS))]
    ahead, left = log_uniform(rng, 1.2, length), rng.uniform(0.25, 0.75) * width
    sides = ((yaw, ahead), (yaw + np.pi / 2, left), (yaw - np.pi / 2, width - left))
    walls = [wall(bearing, distance, CEILING, "wall") for bearing, distance in sides]
    return [*walls, slab((0, 0, CEILING + 0.1), (30, 30, 0.1), 0, "ceiling")]


def street(rng: Generator) -> list[Piece]:
    """Facades ahead or along one side, a kerb, or nothing up to the horizon."""
    pieces = []
    if rng.random() < 0.5:
        pieces.append(wall(rng.uniform(-0.5, 0.5), log_uniform(rng, 4, 45), FACADE, "facade"))
    if rng.random() < 0.35:
        side = rng.choice((-1, 1))
        pieces.append(wall(side * rng.uniform(1.3, 1.6), log_uniform(rng, 1.5, 6), FACADE, "facade"))
    if rng.random() < 0.35:
        side = rng.choice((-1, 1))
        pieces.append(slab((side * (rng.uniform(0.8, 4) + 2), 0, 0), (2, 150, 0.12), 0, "kerb"))
    return pieces


def wall(yaw: float, distance: float, height: float, family: str) -> Piece:
    """A wall across the direction `yaw` (positive to the left), its face `distance` from the camera."""
    away = distance + 0.15
    return slab((-away * np.sin(yaw), away * np.cos(yaw), height / 2), (60, 0.15, height / 2), yaw, family)


def furnish(rng: Generator, camera: Camera, indoors: bool) -> list[Piece]:
    """Up to two props, spread over the view so that they seldom overlap."""
    count = int(rng.integers(0, 3))
    bearings = (np.arange(count) + rng.random(count)) / max(count, 1) * 2 - 1
    nearest, farthest = (0.8, 2.5) if indoors else (1.0, 4)
    pieces = []
    for bearing in bearings:
        gap = log_uniform(rng, nearest, farthest)
        pieces += prop(rng, bearing * gap * 0.55 / camera.focal, gap, indoors)
    return pieces


def obstacle(rng: Generator, camera: Camera) -> list[Piece]:
    """Something right in front of the camera: a loading platform, a brick wall as at a parking place, or a prop."""
    kind, gap = rng.random(), log_uniform(rng, *OBSTACLE_GAP)
    if kind < 0.5:
        return [platform(rng)]
    if kind < 0.78:
        return [wall(rng.uniform(-0.35, 0.35), gap, BRICK_WALL, "brick")]
    return prop(rng, rng.uniform(-0.35, 0.35) * gap / camera.focal, gap, True)


def platform(rng: Generator) -> Piece:
    """A loading platform lower than the camera: it begins below the picture and ends somewhere ahead."""
    end, yaw, deep = log_uniform(rng, *PLATFORM_END), rng.uniform(-0.3, 0.3), 2.0
    away = end - deep
    return slab((-away * np.sin(yaw), away * np.cos(yaw), PLATFORM_HEIGHT / 2), (3, deep, PLATFORM_HEIGHT / 2), yaw, "platform")


def log_uniform(rng: Generator, low: float, high: float) -> float:
    """A random number between two positive bounds, its logarithm uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def as_solids(pieces: list[Piece]) -> Solids:
    kind, centre, half, yaw = zip(*((p.kind, p.centre, p.half, p.yaw) for p in pieces), strict=True)
    return Solids(np.array(kind), np.array(centre, float), np.array(half, float), np.array(yaw, float))
