"""Neutral training equals a plain loop, and what goes on from it is what it left."""

from __future__ import annotations

import math
from functools import partial
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from custom_modules import Small
from plain_network import PlainNetwork
from pydantic import ValidationError

from nfloss import Configuration
from runner.data import Frames, SeedData
from runner.networks import CustomStack, DepthRange, NetworkClass, StackedNetworks
from runner.records import curve_rows
from runner.training import Training, learning_rates, neutral, rulers, train, train_neutral
from runner.training.kernels.lanes.lane_networks import LaneNetworks
from runner.training.neutral import LogDepthLoss, StartNetwork, neutral_settings

CPU = torch.device("cpu")
SETTINGS = Training(start="neutral", start_steps=40, start_batch=6, start_rate=2e-3, clip_norm=1.0)
OWN = NetworkClass("custom_modules:Small", {"dropout": 0.3})


def in_float64(data: SeedData) -> SeedData:
    parts = (Frames(part.rgb.double(), part.depth.double()) for part in (data.train, data.probe, data.validation))
    return SeedData(data.seed, *parts)


def rate(step: int) -> float:
    """By hand, of 40 steps: the first two (5 %) rise in thirds, then half a cosine over 38."""
    return 2e-3 * ((step + 1) / 3 if step < 2 else (1 + math.cos(math.pi * (step - 2) / 38)) / 2)


def slow_loss(predictions: list[torch.Tensor], truth: list[torch.Tensor]) -> torch.Tensor:
    """Mean over the scales of the mean over valid pixels of |ln predicted - ln true depth|, pixel by pixel."""
    scales = []
    for predicted, true in zip(predictions, truth, strict=True):
        pairs = zip(predicted.flatten(), true.flatten(), strict=True)
        errors = [(torch.log(1.0 / p) - math.log(1.0 / float(t))).abs() for p, t in pairs if t > 0]
        scales.append(sum(errors) / len(errors))
    return sum(scales) / len(scales)


def test_neutral_training_equals_the_plain_loop_in_float64(real_size: SeedData, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty steps of two seeds together, against one model and one torch.optim.Adam at a time; running statistics too."""
    monkeypatch.setattr(neutral, "stack_for", lambda *given: partial(StackedNetworks, dtype=torch.float64))
    data = in_float64(real_size)
    trained = train_neutral([4, 9], data, SETTINGS, DepthRange(), CPU)
    assert [(network.seed, network.diverged_step) for network in trained] == [(4, None), (9, None)]
    order, truth = torch.from_numpy(data.batches(40, 6)), data.train.inverse_depth()
    mirrored = torch.from_numpy(data.mirrored(40, 6)).view(40, 6, 1, 1, 1)
    for network in trained:
        plain = PlainNetwork().double()
        plain.load_row(StackedNetworks(1, network.seed, dtype=torch.float64).parameters.detach()[0])
        adam = torch.optim.Adam(plain.parameter_list())
        for step, batch in enumerate(order):
            adam.param_groups[0]["lr"] = rate(step)
            adam.zero_grad()
            images, depth = (torch.where(mirrored[step], x[batch].flip(-1), x[batch]) for x in (data.train.rgb, truth))
            predictions = plain(images)
            sizes = [prediction.shape[-2:] for prediction in predictions]
            resized = [torch.nn.functional.interpolate(depth, size, mode="nearest") for size in sizes]
            valid = [(p[t > 0].log() - t[t > 0].log()).abs().mean() for p, t in zip(predictions, resized, strict=True)]
            (sum(valid) / len(valid)).backward()
            torch.nn.utils.clip_grad_norm_(plain.parameter_list(), SETTINGS.clip_norm)
            adam.step()
        torch.testing.assert_close(network.state["parameters"], plain.row(), rtol=1e-9, atol=1e-9)
        blocks = [f"encoder {n}" for n in (1, 2, 3, 4)] + ["bottom"] + [f"decoder {n}" for n in (3, 2, 1)]
        ours = [network.state[f"{name}.{part}"] for name in blocks for part in ("mean", "variance")]
        torch.testing.assert_close(ours, plain.running_statistics(), rtol=1e-9, atol=1e-9)


def test_the_loss_is_that_of_a_slow_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = [torch.rand(3, 1, size, size, generator=generator, dtype=torch.float64) for size in (8, 4)]
    truth = [torch.where(t < 0.2, 0.0, t) for t in truth]
    predictions = [0.1 + torch.rand(2, *t.shape, generator=generator, dtype=torch.float64) for t in truth]
    found = LogDepthLoss().terms(predictions, truth).total
    slow = [slow_loss([prediction[k] for prediction in predictions], truth) for k in range(2)]
    torch.testing.assert_close(found, torch.stack(slow), rtol=1e-12, atol=0.0)


def test_a_batch_without_valid_pixels_teaches_nothing() -> None:
    prediction = torch.full((1, 2, 1, 4, 4), 0.5, requires_grad=True)
    total = LogDepthLoss().terms([prediction], [torch.zeros(2, 1, 4, 4)]).total
    total.sum().backward()
    assert total.item() == 0.0 and torch.equal(prediction.grad, torch.zeros_like(prediction))


@pytest.mark.parametrize("steps", [1, 2, 10, 3000])
def test_the_rate_rises_to_its_largest_and_falls_to_almost_nothing(steps: int) -> None:
    settings = neutral_settings(Training(start="neutral", start_steps=steps))
    rates = learning_rates(settings)
    assert rates.max() == pytest.approx(0.015) and (rates > 0).all()
    assert steps < 1000 or rates[-1] < 1e-8


def test_its_settings_are_its_own_and_the_rest_is_the_experiments() -> None:
    settings = Training(steps=7, batch=4, accumulate=2, clip_norm=3.0, start="neutral", start_steps=9, start_batch=5)
    found = neutral_settings(settings)
    assert (found.steps, found.batch, found.learning_rate, found.accumulate, found.clip_norm) == (9, 5, 0.015, 1, 3.0)


@pytest.mark.parametrize("name", ["start_steps", "start_batch", "start_rate"])
def test_settings_of_neutral_training_need_it(name: str) -> None:
    with pytest.raises(ValidationError, match=f"{name}: of neutral training, and start is scratch"):
        Training(**{name: 1})
    Training(start="neutral", **{name: 1})


def test_each_row_of_a_stack_has_its_own_seed_and_idle_lanes_stay_zero() -> None:
    seeds = [3, 0, 2**63 + 1]
    for kind in (StackedNetworks, LaneNetworks):
        networks = kind(3, seeds)
        for k, seed in enumerate(seeds):
            assert torch.equal(networks.state(k)["parameters"], StackedNetworks(1, seed).state(0)["parameters"])
    networks.load_state(StackedNetworks(1, 5).state(0))
    assert torch.equal(networks.state(2)["parameters"], StackedNetworks(1, 5).state(0)["parameters"])
    assert not networks.parameters[3:].any() and networks.parameters[:3].any(1).all()


def test_what_goes_on_from_random_weights_is_training_from_scratch(small_data: SeedData, brief: Training) -> None:
    """The same bits: of Adam, statistics and order nothing is left from before."""
    configurations = [Configuration.of(), Configuration.of("5-1"), Configuration.of("6-1")]
    state = StackedNetworks(1, small_data.seed).state(0)
    scratch, on = (train(configurations, small_data, brief, DepthRange(), CPU, start=start) for start in (None, state))
    assert [int(probe["step"]) for probe in on.probes] == [0, 5, 10, 15, 20]
    for name, values in scratch.series.items():
        assert torch.equal(values, on.series[name]), name
    for before, after in zip(scratch.probes, on.probes[1:], strict=True):
        assert all(np.array_equal(value, after[name]) for name, value in before.items())
    tables = [curve_rows(["a", "b", "c"], small_data, history) for history in (scratch, on)]
    assert on.series["loss"].shape[0] == 20 and tables[1][tables[1]["step"] > 0].reset_index(drop=True).equals(tables[0])


def test_step_0_is_the_start_network_on_the_probe_for_every_configuration(small_data: SeedData, brief: Training) -> None:
    (start,) = train_neutral([3], small_data, SETTINGS, DepthRange(), CPU)
    networks = StackedNetworks(1, 0)
    networks.load_state(start.state)
    with torch.no_grad():
        expected = rulers(1.0 / networks(small_data.probe.rgb, training=False)[0], small_data.probe.depth)
    configurations = [Configuration.of(), Configuration.of("6-1"), Configuration.of("1-1", "8-1")]
    history = train(configurations, small_data, brief, DepthRange(), CPU, start=start.state)
    first = curve_rows(["a", "b", "c"], small_data, history).query("step == 0")
    assert len(first) == 3 and first[["loss", "grad_norm", "near_share", "batch_near_error"]].isna().all(axis=None)
    assert first["probe_near_abs_rel"].to_numpy() == pytest.approx(float(expected["near_abs_rel"]), rel=1e-5)
    assert first["probe_abs_rel"].nunique() == 1 and (first["threshold"] == 1.0).all()


def test_a_network_of_yours_is_trained_alone_and_gone_on_from(small_data: SeedData, brief: Training) -> None:
    (start,) = train_neutral([7], small_data, SETTINGS, DepthRange(), CPU, custom=OWN)
    assert start.state.keys() == Small().state_dict().keys() and start.state["norm.running_mean"].any()
    networks = CustomStack(OWN, 0, [0.1, 0.01])
    networks.load_state(start.state)
    for k, module in enumerate(networks.modules):
        assert all(torch.equal(value, start.state[name]) for name, value in networks.state(k).items())
        assert module.norm.momentum == (0.1, 0.01)[k]
        assert torch.equal(torch.cat([p.flatten() for p in module.parameters()]), networks.parameters[k])
        assert module.first.weight.data_ptr() == networks.parameters[k].data_ptr()  # still a view of what is trained
    history = train([Configuration.of()], small_data, brief, DepthRange(), CPU, custom=OWN, start=start.state)
    assert int(history.probes[0]["step"]) == 0 and history.diverged_at.tolist() == [-1]


def test_between_processes_it_goes_as_bytes() -> None:
    """Tensors would go through shared memory: `multiprocessing` pickles them as handles of it."""
    state = {"a": torch.arange(3.0), "b": torch.ones(2, dtype=torch.bfloat16), "count": torch.tensor(7)}
    sent = ForkingPickler.dumps(StartNetwork(5, state, 9))
    found = ForkingPickler.loads(sent)
    assert (found.seed, found.diverged_step) == (5, 9) and found.state.keys() == state.keys()
    assert all(torch.equal(found.state[name], value) and not value.is_shared() for name, value in state.items())


def test_a_training_that_diverges_says_at_which_step(small_data: SeedData, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = neutral.initial_networks

    def poisoned(*given):  # the second network is broken from the start
        networks = whole(*given)
        networks.parameters.data[1, 20] = float("nan")
        return networks

    monkeypatch.setattr(neutral, "initial_networks", poisoned)
    trained = train_neutral([0, 1, 2], small_data, SETTINGS, DepthRange(), CPU)
    assert [network.diverged_step for network in trained] == [None, 0, None]
    assert all(torch.isfinite(trained[k].state["parameters"]).all() for k in (0, 2))
