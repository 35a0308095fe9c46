"""Shading: the colour of each pixel.

Four natural cues tell distance: each family of things has its own colours and a texture of known pitch in metres, the light
of a lamp at the camera falls off, outdoor air has haze, and solids cast shadows. Albedo and light vary from scene to scene.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from runner.data.synthetic.rays import BALL, BOX, Hits, Solids, blocked

# Linear albedos of each palette; every solid takes a random one and varies it.
PALETTES = {
    "ground": ((0.22, 0.22, 0.23), (0.30, 0.29, 0.27)),
    "floor": ((0.45, 0.28, 0.15), (0.50, 0.38, 0.24)),
    "wall": ((0.62, 0.60, 0.52), (0.55, 0.60, 0.62)),
    "facade": ((0.75, 0.62, 0.35), (0.70, 0.50, 0.36)),
    "brick": ((0.50, 0.20, 0.13),),
    "ceiling": ((0.85, 0.85, 0.83),),
    "kerb": ((0.45, 0.45, 0.44),),
    "platform": ((0.65, 0.55, 0.05),),
    "crate": ((0.55, 0.30, 0.08),),
    "post": ((0.85, 0.60, 0.02),),
    "ball": ((0.75, 0.05, 0.35),),
    "bin": ((0.05, 0.50, 0.50),),
    "trousers": ((0.05, 0.06, 0.25),),
    "coat": ((0.05, 0.45, 0.12), (0.70, 0.25, 0.02)),
    "car": ((0.65, 0.03, 0.03), (0.03, 0.12, 0.55)),
    "glass": ((0.05, 0.06, 0.08),),
    "tyre": ((0.03, 0.03, 0.03),),
    "skin": ((0.60, 0.38, 0.26),),
    "wood": ((0.18, 0.11, 0.07),),
    "leaf": ((0.05, 0.22, 0.03),),
}  # fmt: skip
PLAIN = {"car", "glass", "tyre", "skin", "ceiling"}
#: Metres between two tiles, bricks, windows or boards of a family; of the others, of two stains.
PITCH = {"ground": 0.5, "floor": 0.3, "wall": 0.4, "facade": 2.0, "brick": 0.2, "kerb": 0.4, "platform": 0.2, "crate": 0.15}
OTHER_PITCH = 0.3
#: By what factor, at most, the pitch of a single thing differs from its family's.
PITCH_SPREAD = 1.0
#: By how much the albedo of two things of one colour differs.
ALBEDO_SPREAD = 0.08
#: Metres within which the lamp at the camera outshines the rest, and in which outdoor air takes 63 % of the light.
LAMP_POWER, LAMP_REACH, VISIBILITY = 1.2, 1.0, (18.0, 22.0)


@dataclass(frozen=True)
class Paint:
    """How K solids are painted: two albedos [K, 3] in a pattern of `pitch` [K] metres that begins at `phase` [K, 3]."""

    first: np.ndarray
    second: np.ndarray
    pitch: np.ndarray
    phase: np.ndarray


@dataclass(frozen=True)
class Light:
    """sun: direction towards it [3]; sun_power, ambient, lamp_power: radiance; haze: 1/metres; sky: colour [3]."""

    sun: np.ndarray
    sun_power: float
    ambient: float
    lamp_power: float
    haze: float
    sky: np.ndarray


def random_paint(rng: Generator, families: tuple[str, ...]) -> Paint:
    """A random paint for every solid, from its family's palette."""
    count = len(families)
    picks = rng.random(count)
    base = np.array([PALETTES[f][int(u * len(PALETTES[f]))] for f, u in zip(families, picks, strict=True)])
    first = np.clip(
        base * rng.uniform(1 - ALBEDO_SPREAD, 1 + ALBEDO_SPREAD, (count, 1)) + rng.normal(0, 0.01, (count, 3)), 0.02, 0.9
    )
    plain = np.array([family in PLAIN for family in families])
    contrast = np.where(plain, 0.12, rng.uniform(0.4, 0.6, count))
    tint = rng.uniform(0.8, 1.2, (count, 3))
    other = PITCH_SPREAD ** rng.uniform(-1, 1, count)
    return Paint(
        first=first.astype(np.float32),
        second=(first * (1 - contrast[:, None]) * tint).astype(np.float32),
        pitch=(other * [PITCH.get(family, OTHER_PITCH) for family in families]).astype(np.float32),
        phase=rng.uniform(0, 6, (count, 3)).astype(np.float32),
    )


def random_light(rng: Generator, indoors: bool) -> Light:
    """A random light: dim and from above indoors, where the lamp at the camera tells the distance; sun and haze outdoors."""
    turn, rise = rng.uniform(0, 2 * np.pi), rng.uniform(0.9, 1.4) if indoors else rng.uniform(0.4, 1.2)
    sun = np.array([np.cos(rise) * np.cos(turn), np.cos(rise) * np.sin(turn), np.sin(rise)], np.float32)
    sky = np.array([0.45, 0.60, 0.85]) + rng.random() * np.array([0.05, 0.02, -0.02])
    return Light(
        sun=sun,
        sun_power=0.1 if indoors else rng.uniform(0.3, 0.5),
        ambient=rng.uniform(0.18, 0.22) if indoors else rng.uniform(0.4, 0.5),
        lamp_power=LAMP_POWER,
        haze=1 / 200 if indoors else 1 / rng.uniform(*VISIBILITY),
        sky=(sky * rng.uniform(0.9, 1.0)).astype(np.float32),
    )


def shade(
    hits: Hits, rays: np.ndarray, eye: np.ndarray, solids: Solids, fixed: int, paint: Paint, light: Light, footprint: float
) -> np.ndarray:
    """[P, 3] colours in 0..1. rays: [3, P]; eye: [3] metres; footprint: pixel size in metres at one metre;
    the first `fixed` solids cast no shadow."""
    sky = sky_colour(rays[2], light)
    seen = np.flatnonzero(hits.solid >= 0)
    if seen.size == 0:
        return encode(sky)
    solid, distance, ray = hits.solid[seen], hits.distance[seen], rays[:, seen]
    local = hits.local[:, seen]
    point = eye.astype(np.float32)[:, None] + distance * ray
    normal = normals(solids, solid, local)
    facing = -(normal * ray).sum(0) / np.sqrt((ray * ray).sum(0))
    metres = local * solids.half.astype(np.float32).T[:, solid]
    albedo = pattern(paint, solid, metres, distance * footprint / np.maximum(facing, 0.1))
    sunlit = np.maximum(light.sun @ normal, 0)
    if fixed < len(solids.kind):
        sunlit = sunlit * ~blocked(solids[fixed:], point, light.sun)
    lamp = light.lamp_power * np.maximum(facing, 0) / (1 + (distance / LAMP_REACH) ** 2)
    # Less ambient light near the ground and under things.
    ambient = light.ambient * (0.75 + 0.25 * normal[2]) * (1 - 0.4 * np.exp(-np.maximum(point[2], 0) * 6) * (normal[2] < 0.5))
    colour = albedo * (ambient + light.sun_power * sunlit + lamp)[:, None]
    clear = np.exp(-light.haze * distance)[:, None]
    sky[seen] = colour * clear + 0.6 * light.sky * (1 - clear)
    return encode(sky)


def normals(solids: Solids, solid: np.ndarray, local: np.ndarray) -> np.ndarray:
    """[3, P] outward world normals at the unit-shape coordinates [3, P] of the solids [P]."""
    kind, size = solids.kind[solid], np.abs(local)
    # On a box's face, or a cylinder's cap, that coordinate is the largest.
    square = np.where(size >= size.max(0), np.sign(local), np.float32(0))
    curved = local / solids.half.astype(np.float32).T[:, solid]
    cap = size[2] > 0.9995
    curved[2] = np.where(kind == BALL, curved[2], 0)
    upright = np.zeros_like(local)
    upright[2] = np.sign(local[2])
    normal = np.where(kind == BOX, square, np.where((kind != BALL) & cap, upright, curved))
    normal /= np.sqrt((normal * normal).sum(0))
    cos, sin = (turn(solids.yaw).astype(np.float32)[solid] for turn in (np.cos, np.sin))
    return np.stack([cos * normal[0] - sin * normal[1], sin * normal[0] + cos * normal[1], normal[2]])


def pattern(paint: Paint, solid: np.ndarray, metres: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """[P, 3] albedo at the solids' own coordinates [3, P] in metres; it fades where a pixel [P] covers the pattern."""
    wave = 2 * np.pi * metres / paint.pitch[solid] + paint.phase.T[:, solid]
    value = np.tanh(6 * (np.sin(wave[0]) * np.sin(wave[1]) + np.sin(wave[2])))
    value += np.float32(0.35) * np.sin(4.7 * wave[0] + wave[2]) * np.sin(4.3 * wave[1] - wave[2])
    fade = 1 / (1 + (3 * footprint / paint.pitch[solid]) ** 2)
    mix = (0.5 + 0.4 * value * fade)[:, None]
    return paint.first[solid] * (1 - mix) + paint.second[solid] * mix


def sky_colour(upward: np.ndarray, light: Light) -> np.ndarray:
    """[P, 3] sky, paler towards the horizon; upward: [P] vertical part of each ray."""
    height = np.clip(upward, 0, 1)[:, None]
    return (light.sky * (1 - 0.35 * height) + np.float32(0.12) * (1 - height)).astype(np.float32)


def encode(colour: np.ndarray) -> np.ndarray:
    """Linear light to display values in 0..1; the square root stands in for the sRGB curve."""
    return np.sqrt(np.clip(colour, 0, 1))
