"""Training K together equals training one by one as a user would; what breaks in one stays in it."""

import numpy as np
import pytest
import torch
from mixtures import EVERY, MIXED
from plain_network import PlainNetwork, stack_statistics
from plain_training import batches, in_float64, scheduler, take_steps

from nfloss import Configuration, Losses, SSISilogNearFieldLoss
from runner.networks import DepthRange, StackedNetworks
from runner.records import curve_rows, trial_rows
from runner.training import Training
from runner.training import loop as training
from runner.training.kernels.lanes.lane_networks import LaneNetworks
from runner.training.loop import History, Step, train
from runner.training.optimiser import RowAdam

CPU = torch.device("cpu")
SAMPLE = ["", "1-1", "2-1", "4-1", "4-2", "4-3", "5-1", "6-1", "6-2", "8-1", "9-3"]


def configurations(names):
    return [Configuration.of(*name.split()) for name in names]


def run(names, data, settings, unsimplified=True):
    made = configurations(names) if unsimplified else [c.simplified() for c in configurations(names)]
    return train(made, data, settings, DepthRange(), CPU)


@pytest.mark.parametrize(
    ("schedule", "names"),
    [
        pytest.param("cosine", [*EVERY, *MIXED], marks=pytest.mark.slow),
        ("cosine", MIXED),
        ("step", MIXED[:2]),
        ("constant", MIXED[:1]),
    ],
    ids=["every fix", "cosine", "step", "constant"],
)
def test_fused_training_equals_the_plain_loop_in_float64(real_size, schedule, names):
    """Fifty steps of every fix and of mixtures together, against one model, one loss, one torch.optim.Adam and one of PyTorch's
    schedulers at a time, on frames that are mirrored one by one."""
    made, data = configurations(names), in_float64(real_size)
    settings = Training(steps=50, epochs=50, batch=2, learning_rate=1e-3, clip_norm=1.0, schedule=schedule)
    momenta = [c.choices["bn_momentum"](c.numbers) for c in made]
    stack = StackedNetworks(len(made), 5, momenta, dtype=torch.float64)
    start = stack.parameters.detach()[0].clone()
    take_steps(stack, made, data, settings)
    for k, (name, momentum) in enumerate(zip(names, momenta, strict=True)):
        plain, loss_fn = PlainNetwork(momentum).double(), SSISilogNearFieldLoss(name.split())
        plain.load_row(start)
        optimiser = torch.optim.Adam(plain.parameter_list(), lr=settings.learning_rate)
        rates = scheduler(optimiser, settings)
        for step, (images, truth) in enumerate(batches(data, settings)):
            loss_fn.set_epoch(step, of=settings.steps)
            optimiser.zero_grad()
            loss_fn(plain(images), truth).backward()
            torch.nn.utils.clip_grad_norm_(plain.parameter_list(), settings.clip_norm)
            optimiser.step()
            rates.step()
        torch.testing.assert_close(stack.parameters.detach()[k], plain.row(), rtol=1e-9, atol=1e-9, msg=name)
        for ours, theirs in zip(stack_statistics(stack, k), plain.running_statistics(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9, msg=name)


def test_same_seed_same_records(small_data, brief):
    first, second = run(SAMPLE, small_data, brief), run(SAMPLE, small_data, brief)
    for history in (first, second):
        history.seconds = 0.0
    for make in (lambda h: trial_rows(SAMPLE, small_data, h, {}), lambda h: curve_rows(SAMPLE, small_data, h)):
        assert make(first).equals(make(second))


def test_hook_clamp_trains_bit_identically_to_the_baseline(small_data, brief):
    """The hook is there; it was not simplified away."""
    history = run(["", "4-1", "7-1", "10-2"], small_data, brief)
    for k in (1, 2, 3):
        assert torch.equal(history.series["loss"][:, 0], history.series["loss"][:, k])
        assert torch.equal(history.series["grad_norm"][:, 0], history.series["grad_norm"][:, k])
        assert all(np.array_equal(p["probe_near_rmse_log"][0], p["probe_near_rmse_log"][k]) for p in history.probes)


def test_slow_batch_norm_changes_evaluation_alone(small_data, brief):
    history = run(["", "6-1"], small_data, brief)
    assert torch.equal(history.series["loss"][:, 0], history.series["loss"][:, 1])
    assert history.probes[-1]["probe_near_rmse_log"][0] != history.probes[-1]["probe_near_rmse_log"][1]


def test_sharing_a_network_changes_no_bit(small_data, brief, monkeypatch):
    """Configurations with two momenta evaluate one network; trained separately, in a stack of the same size, both are equal."""
    names = ["", "6-1", "2-1", "2-1 6-1"]
    shared = train(configurations(names), small_data, brief, DepthRange(), CPU, size=4)
    assert len(training.distinct_trainings(configurations(names))[0]) == 2
    monkeypatch.setattr(training, "distinct_trainings", lambda given: (list(given), list(range(len(given)))))
    apart = train(configurations(names), small_data, brief, DepthRange(), CPU, size=4)
    for name, values in apart.series.items():
        assert torch.equal(values, shared.series[name]), name
    for ours, theirs in zip(shared.probes + shared.validations, apart.probes + apart.validations, strict=True):
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    assert np.array_equal(shared.bn_gap, apart.bn_gap)


def test_half_precision_trains_close_to_single(small_data, brief):
    """bf16 has 8 bits: 0.4 % a rounding. So small steps hardly amplify the differences between processors."""
    slow = brief.model_copy(update={"learning_rate": 1e-4})
    half = slow.model_copy(update={"precision": "bf16"})
    single, rounded = (train(configurations([""]), small_data, s, DepthRange(), CPU).series["loss"][:, 0] for s in (slow, half))
    assert not torch.equal(single, rounded)
    torch.testing.assert_close(rounded[:5], single[:5], rtol=0.01, atol=0.0)


@pytest.mark.parametrize(("precision", "kept"), [("fp32", "ieee"), ("tf32", "tf32"), ("bf16", "ieee")])
def test_float32_is_float32_on_a_gpu_too(small_data, brief, monkeypatch, precision, kept):
    """By default PyTorch lets cuDNN round a convolution's input to TF32; the caller's setting is restored."""
    plain, seen, convolutions = Step.__call__, set(), torch.backends.cudnn.conv
    before = convolutions.fp32_precision

    def watched(step):
        seen.add(convolutions.fp32_precision)
        plain(step)

    monkeypatch.setattr(Step, "__call__", watched)
    train(configurations([""]), small_data, brief.model_copy(update={"precision": precision}), DepthRange(), CPU)
    assert (seen, convolutions.fp32_precision) == ({kept}, before)


def test_a_step_tells_when_its_kernels_change(small_data, brief):
    """A captured graph depends on the epoch's thresholds and the frozen networks; Python code decides nothing else."""
    losses = Losses(configurations(["", "9-2"]))
    networks = StackedNetworks(2, 0)
    step = Step(networks, losses, RowAdam(networks.parameters), small_data, brief, History.empty(20, 2, CPU))
    losses.set_epoch(0, of=30)
    step()
    before = step.decided
    step()
    assert step.decided == before and int(step.at) == 2
    losses.set_epoch(15, of=30)
    assert step.decided != before
    before = step.decided
    step.optimiser.freeze(torch.tensor([True, False]))
    assert step.decided != before


def test_training_learns(small_data, brief):
    history = run([""], small_data, brief.model_copy(update={"steps": 150, "evaluate_every": 50}))
    errors = [float(p["probe_all_rmse_log"][0]) for p in history.probes]
    assert errors[-1] < 0.25 < errors[0] + 0.2


@pytest.mark.parametrize("kind", [StackedNetworks, LaneNetworks])
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_poisoned_network_is_frozen_recorded_and_alone(small_data, brief, monkeypatch, poison, kind):
    """A weight of one network becomes NaN or inf at step 7: every bit of the others stays the same."""
    monkeypatch.setattr(training, "stack_for", lambda *asked: kind)
    clean = run(["", "2-1", "5-1"], small_data, brief)
    original = training.watch

    def poisoning(history, step, total, norm):
        alive = original(history, step, total, norm)
        if step == 6:
            owner.parameters.data[1, 100] = poison
        return alive

    owner = None

    class Remembered(kind):
        def __init__(self, *args, **kwargs):
            nonlocal owner
            super().__init__(*args, **kwargs)
            owner = self

    monkeypatch.setattr(training, "stack_for", lambda *asked: Remembered)
    monkeypatch.setattr(training, "watch", poisoning)
    poisoned = run(["", "2-1", "5-1"], small_data, brief)
    assert poisoned.diverged_at.tolist() == [-1, 7, -1]
    for k in (0, 2):
        assert torch.equal(clean.series["loss"][:, k], poisoned.series["loss"][:, k])
        for a, b in zip(clean.probes, poisoned.probes, strict=True):
            assert a["probe_near_rmse_log"][k] == b["probe_near_rmse_log"][k]
    trials = trial_rows(["a", "b", "c"], small_data, poisoned, {})
    assert trials["status"].tolist() == ["finished", "diverged", "finished"]
    assert trials["diverged_step"].tolist() == [None, 7, None] or trials["diverged_step"].isna().tolist() == [True, False, True]
    assert trials.loc[1, "final_near_rmse_log"] == trials.loc[1, "trivial_near_rmse_log"]
    curves = curve_rows(["a", "b", "c"], small_data, poisoned)
    assert np.isfinite(curves["probe_near_rmse_log"]).all()


@pytest.mark.parametrize("kind", [StackedNetworks, LaneNetworks])
def test_a_frozen_network_stays_where_it_was(kind):
    stack = kind(2, 0)
    adam = RowAdam(stack.parameters, 2)
    for _ in range(3):
        stack.parameters.grad = torch.ones_like(stack.parameters)
        adam.step(torch.tensor([True, True]), adam.norm(), 1.0, 1e-2)
    adam.freeze(torch.tensor([False, True]))
    before = stack.parameters.detach().clone()
    stack.parameters.grad = torch.full_like(stack.parameters, torch.nan)
    stack.parameters.grad[0] = 1.0
    adam.step(torch.tensor([True, False]), adam.norm(), 1.0, 1e-2)
    assert torch.equal(stack.parameters.detach()[1], before[1]) and not torch.equal(stack.parameters.detach()[0], before[0])


def test_clipping_is_per_network():
    """Two gradients of norm 1 and 100, clipped at 1: Adam's first step is lr * sign, so look at its first moment."""
    parameters = torch.zeros(2, 4, requires_grad=True)
    adam = RowAdam(parameters)
    parameters.grad = torch.tensor([[0.5] * 4, [50.0] * 4])
    adam.step(torch.tensor([True, True]), adam.norm(), 1.0, 1e-3)
    torch.testing.assert_close(adam.first_moments, torch.full((2, 4), 0.05))


def test_batches_are_passes_over_all_images(small_data):
    order = small_data.batches(12, 4)
    assert order.shape == (12, 4)
    for epoch in order.reshape(2, 24):
        assert sorted(epoch) == list(range(24))


def test_one_step_is_a_run(small_data, brief):
    history = run(["", "6-2"], small_data, brief.model_copy(update={"steps": 1}))
    trials = trial_rows(["a", "b"], small_data, history, {})
    assert trials["final_near_rmse_log"].notna().all() and len(curve_rows(["a", "b"], small_data, history)) == 2
