"""Props: the movable things of a scene, each made of a few solids. Sizes in metres; things of a kind are nearly of one size."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from runner.data.synthetic.rays import BALL, BOX, CYLINDER

Triple = tuple[float, float, float]
#: How much larger or smaller than its kind a thing can be.
SPREAD = 0.05


class Piece(NamedTuple):
    """One solid with the palette it is painted from. centre and half sizes in metres, yaw in radians."""

    kind: int
    centre: Triple
    half: Triple
    yaw: float
    family: str


def slab(centre: Triple, half: Triple, yaw: float, family: str) -> Piece:
    return Piece(BOX, centre, half, yaw, family)


def prop(rng: Generator, aside: float, gap: float, indoors: bool) -> list[Piece]:
    """A random prop: its nearest point `gap` ahead of the camera, `aside` to the right."""
    makers = (crate, crate, ball, person, waste_bin) if indoors else (crate, post, ball, person, tree, car, car)
    pieces = makers[rng.integers(len(makers))](rng)
    nearest = min(piece.centre[1] - _depth(piece) for piece in pieces)
    return [
        piece._replace(centre=(piece.centre[0] + aside, piece.centre[1] + gap - nearest, piece.centre[2])) for piece in pieces
    ]


def size(rng: Generator) -> float:
    """A thing's size, in the size of its kind."""
    return float(rng.uniform(1 - SPREAD, 1 + SPREAD))


def crate(rng: Generator) -> list[Piece]:
    """A wooden crate on the ground."""
    half = 0.25 * size(rng)
    return [slab((0, 0, half), (1.4 * half, half, half), rng.uniform(-0.8, 0.8), "crate")]


def post(rng: Generator) -> list[Piece]:
    """A bollard."""
    radius, height = 0.1 * size(rng), 0.9 * size(rng)
    return [Piece(CYLINDER, (0, 0, height / 2), (radius, radius, height / 2), 0, "post")]


def ball(rng: Generator) -> list[Piece]:
    """A ball on the ground."""
    radius = 0.3 * size(rng)
    return [Piece(BALL, (0, 0, radius), (radius, radius, radius), rng.uniform(0, np.pi), "ball")]


def waste_bin(rng: Generator) -> list[Piece]:
    """A round waste bin."""
    radius, height = 0.25 * size(rng), 0.8 * size(rng)
    return [Piece(CYLINDER, (0, 0, height / 2), (radius, radius, height / 2), 0, "bin")]


def person(rng: Generator) -> list[Piece]:
    """Legs, trunk and head."""
    s, yaw = size(rng), rng.uniform(-np.pi, np.pi)
    legs = Piece(CYLINDER, (0, 0, 0.42 * s), (0.17 * s, 0.12 * s, 0.42 * s), yaw, "trousers")
    trunk = Piece(BALL, (0, 0, 1.1 * s), (0.25 * s, 0.16 * s, 0.4 * s), yaw, "coat")
    head = Piece(BALL, (0, 0, 1.6 * s), (0.1 * s, 0.11 * s, 0.13 * s), yaw, "skin")
    return [legs, trunk, head]


def tree(rng: Generator) -> list[Piece]:
    """A trunk and a crown."""
    radius, height, crown = 0.14 * size(rng), 1.8 * size(rng), 1.1 * size(rng)
    return [
        Piece(CYLINDER, (0, 0, height / 2), (radius, radius, height / 2), 0, "wood"),
        Piece(BALL, (0, 0, height + 0.7 * crown), (crown, crown, crown), rng.uniform(0, np.pi), "leaf"),
    ]


def car(rng: Generator) -> list[Piece]:
    """Body, cabin and four wheels."""
    yaw = rng.choice((0, np.pi / 2)) + rng.uniform(-0.5, 0.5)
    length, width = 2.0 * size(rng), 0.85 * size(rng)
    cos, sin = np.cos(yaw), np.sin(yaw)

    def along(x: float, y: float, z: float) -> Triple:
        return (cos * x - sin * y, sin * x + cos * y, z)

    wheels = [
        Piece(BALL, along(0.62 * length * front, width * side, 0.31), (0.31, 0.09, 0.31), yaw, "tyre")
        for front in (-1, 1)
        for side in (-1, 1)
    ]
    body = slab((0, 0, 0.58), (length, width, 0.34), yaw, "car")
    return [body, slab(along(-0.15 * length, 0, 1.17), (0.55 * length, 0.86 * width, 0.27), yaw, "glass"), *wheels]


def _depth(piece: Piece) -> float:
    """How far a piece reaches from its centre towards the camera, at most."""
    return abs(piece.half[0] * math.sin(piece.yaw)) + abs(piece.half[1] * math.cos(piece.yaw))
