"""The procedural scenes: repeatable, correct to the ray, and near where the document's data is near."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from runner.data import DataError, Frames, render, scenes
from runner.data.synthetic.layout import random_layout
from runner.data.synthetic.rays import BALL, BOX, CYLINDER, Camera, Solids, blocked, camera_rays, first_hits
from runner.data.synthetic.renderer import SENSOR_RANGE, lidar_rings

HEIGHT, WIDTH = 32, 48


@pytest.fixture(scope="module")
def many() -> Frames:
    """Enough pictures that the shares are stable to about half a percent, in a few seconds."""
    return scenes(0, 1500, HEIGHT, WIDTH)


def solid(kind: int, centre: tuple[float, float, float], half: tuple[float, float, float], yaw: float = 0.0) -> Solids:
    return Solids(np.array([kind]), np.array([centre], float), np.array([half], float), np.array([yaw]))


# Repeatable


def test_a_picture_depends_on_seed_and_index_alone() -> None:
    whole, part = scenes(7, 5, HEIGHT, WIDTH), scenes(7, 2, HEIGHT, WIDTH, start=3)
    assert torch.equal(whole.rgb[3:], part.rgb)
    assert torch.equal(whole.depth[3:], part.depth)
    rgb, depth = render(7, 4, HEIGHT, WIDTH)
    assert np.array_equal(whole.rgb[4].permute(1, 2, 0).numpy(), rgb)
    assert np.array_equal(whole.depth[4, 0].numpy(), depth)


def test_other_seeds_and_indices_are_other_pictures() -> None:
    first, second, other = scenes(0, 1, 8, 12), scenes(0, 1, 8, 12, start=1), scenes(1, 1, 8, 12)
    assert not torch.equal(first.depth, second.depth)
    assert not torch.equal(first.depth, other.depth)


def test_another_resolution_is_the_same_scene() -> None:
    coarse, fine = scenes(2, 12, 32, 48), scenes(2, 12, 96, 144)
    # Three times finer, every third pixel's centre is a centre of the coarse picture.
    centres = fine.depth[:, :, 1::3, 1::3]
    assert torch.allclose(coarse.depth, centres, rtol=1e-3, atol=1e-4)
    colour = torch.nn.functional.avg_pool2d(fine.rgb, 3)
    assert (coarse.rgb - colour).abs().mean() < 0.02


# Correct to the ray


@pytest.mark.parametrize("pitch", [0.0, 0.15, 0.4])
def test_depth_of_the_empty_ground_by_hand(pitch: float) -> None:
    height, focal = 0.7, 0.5
    ground = solid(BOX, (0, 0, -0.5), (200, 200, 0.5))
    rays = camera_rays(Camera(height, pitch, 0.0, focal), 3, 4)
    depth = first_hits(ground, np.array([0, 0, height]), rays).distance.reshape(3, 4)
    # The lowest row's centre lies one pixel, 1/4 of a width, below the axis: tan(angle) = 1/4 / focal. A ray that falls by
    # pitch + angle meets the ground at a range of height / sin(pitch + angle), of which cos(angle) is along the axis.
    angle = math.atan(0.25 / focal)
    by_hand = height / math.sin(pitch + angle) * math.cos(angle)
    assert depth[2] == pytest.approx(by_hand, rel=1e-4)
    assert np.isinf(depth[0]).all() if pitch == 0 else True


def test_the_unit_shapes_by_hand() -> None:
    ahead = np.array([[0.0], [1.0], [0.0]], np.float32)
    eye = np.array([0, 0, 0.5])
    box = solid(BOX, (0, 3, 0.5), (1, 1, 0.5), math.pi / 4)
    post = solid(CYLINDER, (0.3, 3, 0.5), (0.5, 0.5, 0.5))
    ball = solid(BALL, (0, 3, 0.5 + 0.6), (1, 1, 1))
    assert first_hits(box, eye, ahead).distance == pytest.approx(3 - math.sqrt(2), rel=1e-5)
    assert first_hits(post, eye, ahead).distance == pytest.approx(3 - 0.4, rel=1e-5)
    assert first_hits(ball, eye, ahead).distance == pytest.approx(3 - 0.8, rel=1e-5)


def test_rays_past_over_and_behind_miss() -> None:
    ahead = np.array([[0.0], [1.0], [0.0]], np.float32)
    eye = np.array([0, 0, 0.5])
    for kind in (BOX, CYLINDER, BALL):
        for centre in ((1.5, 3, 0.5), (0, 3, -0.8), (0, -3, 0.5)):
            hits = first_hits(solid(kind, centre, (1, 1, 1)), eye, ahead)
            assert np.isinf(hits.distance).all()
            assert (hits.solid == -1).all()


def test_a_solid_shades_what_lies_behind_it_from_the_sun() -> None:
    ball = solid(BALL, (0, 0, 2), (0.5, 0.5, 0.5))
    below_and_beside = np.array([[0.0, 1.0], [0, 0], [0, 0]], np.float32)
    assert blocked(ball, below_and_beside, np.array([0, 0, 1], np.float32)).tolist() == [True, False]


def test_random_solids_against_marching_along_each_ray() -> None:
    """The slow way: small steps until a point is inside a solid."""
    for index in range(6):
        layout = random_layout(np.random.default_rng(index))
        eye = np.array([0, 0, layout.camera.height])
        rays = camera_rays(layout.camera, 5, 7)
        depth = first_hits(layout.solids, eye, rays).distance
        for pixel in range(rays.shape[1]):
            marched = march(layout.solids, eye, rays[:, pixel].astype(float))
            assert marched == pytest.approx(float(min(depth[pixel], 20)), abs=0.012)


def march(solids: Solids, eye: np.ndarray, ray: np.ndarray, step: float = 0.01, end: float = 20.0) -> float:
    """Where a ray first is inside a solid, to a step; `end` where it never is."""
    distance = np.arange(0, end, step)
    points = eye + distance[:, None] * ray
    inside = np.zeros(len(distance), bool)
    for kind, centre, half, yaw in zip(solids.kind, solids.centre, solids.half, solids.yaw, strict=True):
        x, y, z = (points - centre).T
        local = np.stack([math.cos(yaw) * x + math.sin(yaw) * y, math.cos(yaw) * y - math.sin(yaw) * x, z]) / half[:, None]
        across = np.hypot(local[0], local[1])
        size = {BOX: np.abs(local).max(0), CYLINDER: np.maximum(across, np.abs(local[2])), BALL: np.hypot(across, local[2])}
        inside |= size[int(kind)] < 1
    return float(distance[inside.argmax()]) if inside.any() else end


# Near where the document's data is near


def test_values_are_in_range(many: Frames) -> None:
    assert many.rgb.dtype == many.depth.dtype == torch.float32
    assert many.rgb.min() >= 0
    assert many.rgb.max() <= 1
    depth = many.depth[many.valid]
    assert depth.min() >= SENSOR_RANGE[0]
    assert depth.max() <= SENSOR_RANGE[1]
    assert many.valid.flatten(1).float().mean(1).min() > 0.2


def test_pooled_depth_is_that_of_a_near_field_camera(many: Frames) -> None:
    assert many.near_share(1.0) == pytest.approx(0.254, abs=0.012)
    assert many.near_share(0.5) == pytest.approx(0.095, abs=0.012)
    assert 1 - many.near_share(20) == pytest.approx(0.02, abs=0.005)
    assert 3 < many.depth[many.valid].mean() < 4.5


def test_the_mean_weight_of_a_batch_varies_widely(many: Frames) -> None:
    share = many.near_share_per_image().numpy()
    assert 0.2 < share.std() < 0.3
    generator = np.random.default_rng(0)
    weights = [1 + 4 * generator.choice(share, 8, replace=False).mean() for _ in range(3000)]
    low, high = np.percentile(weights, [2, 98])
    assert low == pytest.approx(1.4, abs=0.1)
    assert high == pytest.approx(2.8, abs=0.15)


def test_colour_says_something_about_depth_but_no_pixel_gives_it_away(many: Frames) -> None:
    """The best line from one pixel's colour to log depth explains part of it, far from all."""
    valid = many.valid[:, 0]
    colour = many.rgb.permute(0, 2, 3, 1)[valid][::50]
    depth = many.depth[:, 0][valid][::50].log()
    terms = torch.cat([colour, colour**2, torch.ones(len(colour), 1)], 1)
    line = torch.linalg.lstsq(terms, depth[:, None]).solution
    explained = 1 - (depth - (terms @ line)[:, 0]).var() / depth.var()
    assert 0.02 < explained < 0.6


# Lidar


def test_lidar_keeps_a_few_pixels_and_their_depth() -> None:
    dense, sparse = scenes(5, 200, HEIGHT, WIDTH), scenes(5, 200, HEIGHT, WIDTH, lidar=True)
    assert torch.equal(dense.rgb, sparse.rgb)
    assert torch.equal(sparse.depth[sparse.valid], dense.depth[sparse.valid])
    assert 0.05 < sparse.valid.float().mean() < 0.10
    # A sparse sensor sees the same depths.
    assert sparse.near_share() == pytest.approx(dense.near_share(), abs=0.02)


def test_lidar_measures_along_lines() -> None:
    rows = lidar_rings(0, 0, 64, 96).any(1)
    along = lidar_rings(0, 0, 64, 96)[:, :12].any(1)
    assert along.sum() < rows.size / 2


@pytest.mark.parametrize(("name", "value"), [("seed", -1), ("count", 0), ("height", 0), ("width", 0), ("start", -2)])
def test_impossible_requests_are_refused(name: str, value: int) -> None:
    request = {"seed": 0, "count": 1, "height": 4, "width": 4, "start": 0, name: value}
    with pytest.raises(DataError, match=rf"{name}={value}; allowed is a whole number of at least"):
        scenes(**request)


# Frames


def test_frames_know_their_near_share_and_refuse_other_shapes() -> None:
    depth = torch.tensor([[[[0.5, 2.0, 0.0]]], [[[0.0, 0.0, 0.0]]]])
    frames = Frames(torch.zeros(2, 3, 1, 3), depth)
    assert frames.near_share() == 0.5
    assert frames.near_share_per_image().tolist() == [0.5, 0.0]
    assert frames.inverse_depth().flatten().tolist() == [2.0, 0.5, 0.0, 0.0, 0.0, 0.0]
    assert torch.equal(frames.select([1, 0]).depth, depth.flip(0))
    assert len(frames.select(slice(0, 1))) == 1
    with pytest.raises(DataError, match="no valid pixel"):
        frames.select([1]).median_depth()
    with pytest.raises(DataError, match="allowed are"):
        Frames(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4))
