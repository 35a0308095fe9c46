"""Props: the movable things of a scene, each made of a few solids. Sizes in metres."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from runner.data.synthetic.rays import BALL, BOX, CYLINDER

Triple = tuple[float, float, float]


class Piece(NamedTuple):
    """One solid with the palette it is painted from. centre and half sizes in metres, yaw in radians."""

    kind: int
    centre: Triple
    half: Triple
    yaw: float
    family: str


def slab(centre: Triple, half: Triple, yaw: float, family: str) -> Piece:
    """A box."""
    return Piece(BOX, centre, half, yaw, family)


def prop(rng: Generator, aside: float, gap: float, indoors: bool) -> list[Piece]:
    """A random prop: its nearest point `gap` ahead of the camera, `aside` to the right."""
    makers = (crate, crate, post, ball, person, stool) if indoors else (crate, post, ball, person, tree, car, car)
    pieces = makers[rng.integers(len(makers))](rng)
    nearest = min(piece.centre[1] - _depth(piece) for piece in pieces)
    return [
        piece._replace(centre=(piece.centre[0] + aside, piece.centre[1] + gap - nearest, piece.centre[2])) for piece in pieces
    ]


def crate(rng: Generator) -> list[Piece]:
    """A box on the ground, sometimes with a smaller one on it."""
    half = rng.uniform(0.12, 0.5, 3)
    yaw = rng.uniform(-0.8, 0.8)
    pieces = [slab((0, 0, half[2]), tuple(half), yaw, "prop")]
    if rng.random() < 0.35:
        small = half * rng.uniform(0.5, 0.9, 3)
        pieces.append(slab((0, 0, 2 * half[2] + small[2]), tuple(small), rng.uniform(-0.8, 0.8), "prop"))
    return pieces


def post(rng: Generator) -> list[Piece]:
    """A bollard or a pole."""
    radius, height = rng.uniform(0.04, 0.2), rng.uniform(0.5, 3.0)
    return [Piece(CYLINDER, (0, 0, height / 2), (radius, radius, height / 2), 0, "prop")]


def ball(rng: Generator) -> list[Piece]:
    """A ball on the ground."""
    radius = rng.uniform(0.1, 0.45)
    return [Piece(BALL, (0, 0, radius), (radius, radius, radius), rng.uniform(0, np.pi), "prop")]


def stool(rng: Generator) -> list[Piece]:
    """A round table or stool: a top on one leg."""
    radius, height = rng.uniform(0.2, 0.6), rng.uniform(0.35, 0.75)
    return [
        Piece(CYLINDER, (0, 0, height / 2), (0.05, 0.05, height / 2), 0, "prop"),
        Piece(CYLINDER, (0, 0, height), (radius, radius, 0.025), 0, "prop"),
    ]


def person(rng: Generator) -> list[Piece]:
    """Legs, trunk and head."""
    size, yaw = rng.uniform(0.65, 1.1), rng.uniform(-np.pi, np.pi)
    legs = Piece(CYLINDER, (0, 0, 0.42 * size), (0.17 * size, 0.12 * size, 0.42 * size), yaw, "prop")
    trunk = Piece(BALL, (0, 0, 1.1 * size), (0.25 * size, 0.16 * size, 0.4 * size), yaw, "prop")
    head = Piece(BALL, (0, 0, 1.6 * size), (0.1 * size, 0.11 * size, 0.13 * size), yaw, "skin")
    return [legs, trunk, head]


def tree(rng: Generator) -> list[Piece]:
    """A trunk and a crown."""
    radius, height, crown = rng.uniform(0.06, 0.2), rng.uniform(1.2, 2.5), rng.uniform(0.6, 1.6)
    return [
        Piece(CYLINDER, (0, 0, height / 2), (radius, radius, height / 2), 0, "wood"),
        Piece(BALL, (0, 0, height + 0.7 * crown), (crown, crown, crown), rng.uniform(0, np.pi), "leaf"),
    ]


def car(rng: Generator) -> list[Piece]:
    """Body, cabin and four wheels."""
    yaw = rng.choice((0, np.pi / 2)) + rng.uniform(-0.5, 0.5)
    length, width = rng.uniform(1.7, 2.3), rng.uniform(0.75, 0.95)
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
