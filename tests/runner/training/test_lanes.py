"""Networks in lanes equal the stack of grouped convolutions and the network written the usual way; lanes are independent."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mixtures import EVERY, MIXED
from plain_network import PlainNetwork, stack_statistics, to_row
from plain_training import in_float64, take_steps

from nfloss import Configuration
from runner.execution.group_size import CPU_GROUP, largest_cpu_group
from runner.networks import DepthRange, StackedNetworks
from runner.records import Records
from runner.training import Training, machine_code, train
from runner.training.kernels.lanes.lane_networks import LaneNetworks
from runner.training.kernels.width import BREAK_EVEN, LANES, WIDE
from runner.training.machine_code import can_use_lanes, stack_for
from runner.training.optimiser import RowAdam

CPU = torch.device("cpu")
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-4}  # of float32: a few hundred roundings, where signs differ


def alike(dtype=torch.float64, count=3, **named) -> tuple[StackedNetworks, LaneNetworks]:
    """Both kinds, with the same weights, which differ between networks."""
    stack, lanes = StackedNetworks(count, 7, dtype=dtype, **named), LaneNetworks(count, 7, dtype=dtype, **named)
    noise = 0.05 * torch.randn(stack.parameters.shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    with torch.no_grad():
        stack.parameters += noise
        lanes.parameters[:count] += noise[:, lanes.order]
    return stack, lanes


def random_like(predictions):
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in predictions]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("batch", "height", "width"), [(4, 32, 48), (1, 32, 16), (3, 16, 80), (2, 64, 112)])
def test_predictions_gradients_and_statistics_of_the_stack(dtype, batch, height, width):
    """Widths whose tiles have every remainder: 1, 2, 3, 5 and 7 pixels at the coarsest level."""
    stack, lanes = alike(dtype)
    images = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(3), dtype=dtype)
    near = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    for _ in range(2):
        expected, given = stack(images, training=True), lanes(images, training=True)
        for ours, theirs in zip(given, expected, strict=True):
            assert ours.shape == theirs.shape and ours.dtype == dtype
            torch.testing.assert_close(ours, theirs, **near)
        torch.autograd.backward(expected, random_like(expected))
        torch.autograd.backward(given, random_like(given))
    wanted = stack.parameters.grad
    got = lanes.parameters.grad[:3][:, lanes.inverse_order]  # of two batches: gradients add up
    torch.testing.assert_close(got / wanted.norm(dim=1, keepdim=True), wanted / wanted.norm(dim=1, keepdim=True), **near)
    assert not lanes.parameters.grad[3:].any()
    for k in range(3):
        for ours, theirs in zip(stack_statistics(lanes, k), stack_statistics(stack, k), strict=True):
            torch.testing.assert_close(ours, theirs, **near)
    torch.testing.assert_close(lanes(images, training=False), stack(images, training=False), **near)
    before = [values.clone() for values in lanes.means.values()]
    torch.testing.assert_close(lanes(images, True, False), stack(images, True, False), **near)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(lanes.means.values(), before, strict=True))


def test_the_network_as_a_user_writes_it():
    """Against nn.Conv2d, nn.BatchNorm2d and autograd."""
    _, lanes = alike(count=2)
    images = torch.rand(2, 3, 32, 48, dtype=torch.float64)
    predictions = lanes(images, training=True)
    sum((p[1] ** 2).sum() for p in predictions).backward()
    plain = PlainNetwork().double()
    plain.load_row(lanes.parameters.detach()[1][lanes.inverse_order])
    expected = plain(images)
    for ours, theirs in zip(predictions, expected, strict=True):
        torch.testing.assert_close(ours[1], theirs, rtol=1e-11, atol=1e-12)
    sum((p**2).sum() for p in expected).backward()
    of_plain = torch.cat([to_row(p.grad) for p in plain.parameter_list()])
    torch.testing.assert_close(lanes.parameters.grad[1][lanes.inverse_order], of_plain, rtol=1e-9, atol=1e-10)
    assert not lanes.parameters.grad[0].any()


def test_fifty_steps_of_every_fix_and_of_mixtures_equal_the_stack(real_size):
    """In float64 to 1e-9, with a warm-up, a cosine and mirrored images; the stack equals the plain loop (test_training.py)."""
    names, data = [*EVERY, *MIXED], in_float64(real_size)
    settings = Training(steps=50, epochs=50, batch=4, learning_rate=1e-3, clip_norm=1.0)
    for first in range(0, len(names), LANES):
        made = [Configuration.of(*name.split()) for name in names[first : first + LANES]]
        momenta = [c.choices["bn_momentum"](c.numbers) for c in made]
        stack, lanes = (kind(len(made), 5, momenta, dtype=torch.float64) for kind in (StackedNetworks, LaneNetworks))
        for networks in (stack, lanes):
            take_steps(networks, made, data, settings)
        ours = lanes.parameters.detach()[: len(made)][:, lanes.inverse_order]
        torch.testing.assert_close(ours, stack.parameters.detach(), rtol=1e-9, atol=1e-9)
        assert not lanes.parameters[len(made) :].any()
        for name in stack.means:
            torch.testing.assert_close(lanes.means[name], stack.means[name], rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(lanes.variances[name], stack.variances[name], rtol=1e-9, atol=1e-9)


def trained_steps(lanes: LaneNetworks, steps: int = 3) -> None:
    adam = RowAdam(lanes.parameters, lanes.count)
    for step in range(steps):
        images = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(step))
        torch.stack([(p - 0.5).square().flatten(1).mean(1) for p in lanes(images, training=True)]).sum().backward()
        adam.step(torch.ones(lanes.count, dtype=torch.bool), adam.norm(), 100.0, 1e-3)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", [0, 2_000, 80_000])
def test_poison_stays_in_its_lane(poison, where):
    """NaN or inf in a weight of an encoder, a decoder or a head: all bits of the other networks stay the same."""
    clean, poisoned = (alike(torch.float32, count=LANES)[1] for _ in range(2))
    poisoned.parameters.data[1, where] = poison
    trained_steps(clean)
    trained_steps(poisoned)
    others = [k for k in range(LANES) if k != 1]
    assert not torch.isfinite(poisoned.parameters[1]).all()
    assert torch.equal(poisoned.parameters[others], clean.parameters[others])
    for name in clean.means:
        assert torch.equal(poisoned.means[name][others], clean.means[name][others])
        assert torch.equal(poisoned.variances[name][others], clean.variances[name][others])
    images = torch.rand(2, 3, 32, 48)
    assert torch.equal(poisoned(images, False)[0][others], clean(images, False)[0][others])


def test_a_networks_bits_depend_on_no_neighbour():
    """Nor on its lane: alone in the first lane, and with others in the last."""
    _, many = alike(torch.float32, count=LANES)
    alone = LaneNetworks(1, 7)
    with torch.no_grad():
        alone.parameters[0] = many.parameters[LANES - 1]
    trained_steps(many)
    trained_steps(alone)
    assert torch.equal(many.parameters[LANES - 1], alone.parameters[0])
    images = torch.rand(3, 3, 32, 48)
    assert torch.equal(many(images, training=False)[0][LANES - 1], alone(images, training=False)[0][0])


def test_more_evaluations_than_lanes_share_networks():
    momenta = [0.1, 0.01, 0.5] * 7
    stack, lanes = alike(count=3, momenta=momenta, network_of=[m % 3 for m in range(21)])
    images = torch.rand(2, 3, 32, 48, dtype=torch.float64)
    for networks in (stack, lanes):
        networks(images, training=True)
    ours, theirs = lanes(images, training=False)[0], stack(images, training=False)[0]
    assert ours.shape == (21, 2, 1, 32, 48)
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


def test_the_state_of_a_network_is_that_of_the_stack():
    stack, lanes = alike()
    images = torch.rand(2, 3, 32, 48, dtype=torch.float64)
    stack(images, training=True)
    lanes(images, training=True)
    for k in range(3):
        ours, theirs = lanes.state(k), stack.state(k)
        assert ours.keys() == theirs.keys()
        for name in ours:
            torch.testing.assert_close(ours[name], theirs[name], rtol=1e-12, atol=1e-13)
    again = LaneNetworks(1, 0, dtype=torch.float64)
    again.load_state(stack.state(2))
    torch.testing.assert_close(again(images, False)[0][0], stack(images, False)[0][2], rtol=1e-11, atol=1e-12)


def test_a_gradient_of_what_has_been_overwritten_is_refused():
    lanes = LaneNetworks(1, 0)
    images = torch.rand(2, 3, 16, 16)
    first = lanes(images, training=True)[0].sum()
    lanes(images, training=False)  # evaluation has maps of its own
    lanes(images, training=True)
    with pytest.raises(RuntimeError, match="a later forward pass has overwritten"):
        first.backward()


@pytest.mark.parametrize("kind", [StackedNetworks, LaneNetworks])
def test_one_value_has_no_variance(kind):
    """At the coarsest level of one image of 16 x 16."""
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        kind(1, 0)(torch.rand(1, 3, 16, 16), training=True)


def test_no_more_networks_than_lanes():
    with pytest.raises(ValueError, match=f"{LANES + 1} networks: there are {LANES} lanes"):
        LaneNetworks(LANES + 1, 0)


def test_training_in_lanes_equals_training_the_stack(small_data, brief):
    """Six steps in float32: losses, gradient norms, errors, BatchNorm's gap, with shared networks among the configurations."""
    names = [*EVERY[: LANES - 2], "6-1", "2-1 6-1"]
    made = [Configuration.of(*name.split()) for name in names]
    few = brief.model_copy(update={"steps": 6, "evaluate_every": 3, "learning_rate": 1e-5})
    ours, theirs = (
        train(made, small_data, few.model_copy(update={"machine_code": lanes}), DepthRange(), CPU) for lanes in (True, False)
    )
    for name, values in theirs.series.items():
        torch.testing.assert_close(ours.series[name], values, rtol=2e-3, atol=1e-5, msg=name)
    for here, there in zip(ours.probes + ours.validations, theirs.probes + theirs.validations, strict=True):
        for name in there:
            np.testing.assert_allclose(here[name], there[name], rtol=2e-3, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(ours.bn_gap, theirs.bn_gap, rtol=2e-3)


def test_a_trials_records_depend_on_no_neighbour(small_data, brief, monkeypatch):
    """To the last bit: all in one group, in two, and alone. A shared network (6-1) changes the memory layout of the series."""
    monkeypatch.setattr(machine_code, "lanes_are_faster", lambda count: True)
    longer, names = brief.model_copy(update={"evaluate_every": 10}), [*EVERY[:6], "6-1", *EVERY[6:12], "2-1 6-1"]

    def recorded(group):
        made = [Configuration.of(*name.split()) for name in group]
        history = train(made, small_data, longer, DepthRange(), CPU)
        records = Records.of([c.key for c in made], small_data, history, {}, first=True)
        tables = (records.trials, records.curves, records.profiles, records.samples)
        return [table.drop(columns="seconds", errors="ignore").set_index("key") for table in tables]

    whole = recorded(names)
    for group in (names[:9], names[9:], ["2-1"], ["6-1"]):
        for part, all_of_them in zip(recorded(group), whole, strict=True):
            assert len(part) > 0
            pd.testing.assert_frame_equal(part, all_of_them.loc[part.index.unique()], check_exact=True)


def test_a_diverged_network_is_frozen_in_its_lane(small_data, brief, monkeypatch):
    # Without 6-1, which evaluates the baseline's network.
    made = [Configuration.of(*name.split()) for name in EVERY if name != "6-1"][:LANES]
    started = LaneNetworks.__init__

    def poisoned(self, *arguments, **named):
        started(self, *arguments, **named)
        self.parameters.data[3, 100] = float("nan")

    clean = train(made, small_data, brief, DepthRange(), CPU)
    monkeypatch.setattr(LaneNetworks, "__init__", poisoned)
    history = train(made, small_data, brief, DepthRange(), CPU)
    assert history.diverged_at.tolist() == [0 if k == 3 else -1 for k in range(LANES)]
    others = [k for k in range(LANES) if k != 3]
    assert torch.equal(history.series["loss"][:, others], clean.series["loss"][:, others])


@pytest.mark.parametrize(
    ("count", "settings", "installed", "kind"),
    [
        (LANES, {}, True, LaneNetworks),
        (BREAK_EVEN, {}, True, LaneNetworks),
        (BREAK_EVEN - 1, {}, True, StackedNetworks),
        (LANES + 1, {}, True, StackedNetworks),
        (LANES, {"precision": "bf16"}, True, StackedNetworks),
        (LANES, {"machine_code": False}, True, StackedNetworks),
        (LANES, {}, False, StackedNetworks),
    ],
)
def test_which_form_is_trained(monkeypatch, count, settings, installed, kind):
    monkeypatch.setattr(machine_code, "can_compile", lambda: installed)
    training = Training(**settings)
    assert stack_for(count, CPU, training) is kind
    assert not can_use_lanes(torch.device("cuda"), training)
    assert largest_cpu_group(training) == (LANES if installed and not settings else CPU_GROUP)


NARROW = """
import torch
from runner.training.kernels.width import WIDE
import test_lanes
assert not WIDE
test_lanes.test_predictions_gradients_and_statistics_of_the_stack(torch.float32, 3, 16, 80)
test_lanes.test_poison_stays_in_its_lane(float("nan"), 0)
print("equal")
"""


@pytest.mark.skipif(not WIDE, reason="this machine has no wider registers")
def test_with_narrow_registers_too():
    """Tiles for the registers of AVX2."""
    here = Path(__file__).parents[1]
    path = os.pathsep.join([str(here), str(here.parents[1])])
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "avx2", "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", NARROW], env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout == "equal\n", done.stderr
