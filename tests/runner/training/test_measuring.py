"""What training records of itself: divergence, the batch's errors, BatchNorm's gap; against values by hand and loops."""

import numpy as np
import pytest
import torch

from runner.data import Frames
from runner.networks import DepthRange, StackedNetworks
from runner.records.tables import profile_rows
from runner.search.sampler import main_effects
from runner.training.loop import History, batch_errors, batch_norm_gap, predicted_depth, watch


def test_the_first_step_at_which_something_is_not_finite_is_stored():
    """Step 0 counts too; later steps change nothing."""
    history, nan, inf = History.empty(3, 4, torch.device("cpu")), float("nan"), float("inf")
    alive = watch(history, torch.tensor([0]), torch.tensor([1.0, nan, 1.0, 1.0]), torch.tensor([1.0, 1.0, inf, 1.0]))
    assert alive.tolist() == [True, False, False, True]
    alive = watch(history, torch.tensor([1]), torch.tensor([1.0, 1.0, nan, 1.0]), torch.tensor([1.0, 1.0, 1.0, nan]))
    assert alive.tolist() == [True, False, False, False]
    assert history.diverged_at.tolist() == [-1, 0, 0, 1]
    assert history.series["grad_norm"][0].tolist() == [1.0, 1.0, inf, 1.0]


def test_the_batchs_errors_by_hand():
    """Depths 0.5 and 0.8 m are near, 2 and 4 m far, one pixel is unknown. Inverse depth in, metres out."""
    depth = torch.tensor([0.5, 0.8, 2.0, 4.0])
    truth = torch.cat([1.0 / depth, torch.zeros(1)]).view(1, 1, 1, 5)
    said = torch.tensor([[0.6, 0.8, 3.0, 4.5, 9.0], [0.5, 1.2, 2.0, 2.0, 1.0]])
    found = batch_errors((1.0 / said).view(2, 1, 1, 1, 5), truth, DepthRange())
    assert found["near_share"].tolist() == [0.5, 0.5]
    assert found["batch_near_error"].tolist() == pytest.approx([0.05, 0.2])  # (0.1 + 0) / 2, (0 + 0.4) / 2
    assert found["batch_far_error"].tolist() == pytest.approx([0.75, 1.0])  # (1 + 0.5) / 2, (0 + 2) / 2


def near_abs_rel(predicted: torch.Tensor, frames: Frames) -> float:
    """Of one network's depths [N, 1, H, W], pixel by pixel."""
    pairs = zip(predicted.flatten().tolist(), frames.depth.flatten().tolist(), strict=True)
    return float(np.mean([abs(p - t) / t for p, t in pairs if 0 < t < 1]))


def test_the_gap_is_the_error_by_running_statistics_over_that_by_the_batchs_own(small_data):
    networks = StackedNetworks(2, 0)
    for statistics in networks.means.values():
        statistics[1] += 0.3  # the second network's running means are off
    before = [m.clone() for m in networks.means.values()]
    running = predicted_depth(networks, small_data.validation)
    (scale, *_) = networks(small_data.validation.rgb, training=True, update_statistics=False)
    batch = (1.0 / scale).detach()
    by_hand = [near_abs_rel(running[k], small_data.validation) / near_abs_rel(batch[k], small_data.validation) for k in (0, 1)]
    with torch.no_grad():
        assert batch_norm_gap(networks, small_data.validation, running) == pytest.approx(by_hand, rel=1e-4)
    assert by_hand[0] != pytest.approx(by_hand[1], rel=3e-4)
    assert all(torch.equal(now, then) for now, then in zip(networks.means.values(), before, strict=True))


def test_the_profile_has_the_error_of_one_depth_everywhere(small_data):
    """Each bin's mean of |median - t| / t over its pixels of the validation frames, against a loop in float64."""
    networks = StackedNetworks(1, 0)
    history = History.empty(1, 1, torch.device("cpu"))
    with torch.no_grad():
        history.predicted = predicted_depth(networks, small_data.validation)
    rows = profile_rows(["k"], small_data, history).to_dict("records")
    train = sorted(t for t in small_data.train.depth.flatten().tolist() if t > 0)
    median = train[(len(train) - 1) // 2]  # as torch, the lower of two in the middle
    pixels = [t for t in small_data.validation.depth.flatten().tolist() if t > 0]
    assert sum(row["pixels"] for row in rows) == len(pixels)
    for row in rows:
        own = [abs(median - t) / t for t in pixels if row["low"] <= t < row["high"]]
        assert row["trivial_abs_rel"] == pytest.approx(sum(own) / len(own), rel=1e-5)


def test_main_effects_are_those_of_a_ridge_regression():
    """Against the same problem as least squares with one more row per fix (Hoerl and Kennard 1970)."""
    cells = [[], ["a"], ["b"], ["a", "b"], ["c"], ["a", "c"]]
    errors = np.exp([0.0, -0.2, 0.1, -0.15, 0.05, -0.1])
    present = np.array([[float(name in cell) for name in "abc"] for cell in cells])
    x = np.vstack([present - present.mean(0), np.eye(3)])
    y = np.concatenate([np.log(errors) - np.log(errors).mean(), np.zeros(3)])
    expected = np.linalg.lstsq(x, y, rcond=None)[0]
    assert main_effects(cells, errors) == pytest.approx(dict(zip("abc", expected, strict=True)))
    assert main_effects([[], []], [1.0, 2.0]) == {}
