"""The same on a CUDA device: skipped where there is none."""

import pytest
import torch
from mixtures import EVERY

from nfloss import Configuration, Losses, all_fixes
from runner.data import SeedData
from runner.execution.group_size import LARGEST_GPU_GROUP, gpu_group
from runner.experiment import parse_experiment
from runner.networks import DepthRange, StackedNetworks
from runner.training import Training, learning_rates
from runner.training.loop import Step, train
from runner.training.optimiser import RowAdam, on_device

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def on_gpu(data: SeedData) -> SeedData:
    cuda = torch.device("cuda")
    return SeedData(data.seed, data.train.to(cuda), data.probe.to(cuda), data.validation.to(cuda))


def test_losses_agree_with_the_cpu():
    losses = Losses([Configuration.of(fix.id) for fix in all_fixes()])
    generator = torch.Generator().manual_seed(0)
    pred = torch.rand(len(losses.configurations), 2, 1, 16, 24, generator=generator, dtype=torch.float64)
    gt = 3.0 * torch.rand(2, 1, 16, 24, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(losses(pred.cuda(), gt.cuda()).cpu(), losses(pred, gt), rtol=1e-10, atol=1e-12)


def test_no_synchronisation_in_the_loss():
    losses = Losses([Configuration.of(fix.id) for fix in all_fixes()])
    pred = torch.rand(len(losses.configurations), 2, 1, 16, 24, device="cuda", requires_grad=True)
    gt = torch.rand(2, 1, 16, 24, device="cuda")
    losses(pred, gt).sum().backward()  # constants are made on the first call
    torch.cuda.set_sync_debug_mode("error")
    try:
        losses(pred, gt).sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def trained(data: SeedData, settings: Training, names=EVERY, **more):
    made = [Configuration.of(*name.split()) for name in names]
    return train(made, on_gpu(data), settings, DepthRange(), torch.device("cuda"), **more)


def test_training_runs(small_data, brief):
    history = trained(small_data, brief)
    assert torch.isfinite(history.series["loss"]).all()
    assert (history.diverged_at < 0).all()


def test_no_synchronisation_in_a_step(small_data, brief, monkeypatch):
    """From the second step to the next probe, nothing waits for the device."""
    plain, calls = Step.__call__, []

    def watched(step):
        calls.append(step)
        torch.cuda.set_sync_debug_mode("error" if len(calls) > 1 else "default")  # constants are made on the first step
        try:
            plain(step)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(Step, "__call__", watched)
    trained(small_data, brief)
    assert len(calls) == brief.steps


@pytest.mark.parametrize("names", [["", "2-1", "5-1"], EVERY])
def test_a_graph_is_the_eager_step(small_data, brief, names):
    """Without a schedule one capture, with one (9-2) a capture for each threshold; the same kernels on the same numbers."""
    eager = trained(small_data, brief, names)
    graph = trained(small_data, brief.model_copy(update={"cuda_graphs": True}), names)
    for name, values in eager.series.items():
        torch.testing.assert_close(graph.series[name], values, rtol=1e-4, atol=1e-5, msg=name)


def test_float64_agrees_with_the_cpu_after_fifty_steps(real_size):
    """One program, two devices: parameters and running statistics to 1e-9."""
    made = [Configuration.of(*name.split()) for name in EVERY]
    states = []
    for device in ("cpu", "cuda"):
        stack = StackedNetworks(len(made), 5, device=device, dtype=torch.float64)
        losses, adam = Losses(made), RowAdam(stack.parameters)
        rgb, truth = real_size.train.rgb.double().to(device), real_size.train.inverse_depth().double().to(device)
        for step, batch in enumerate(real_size.batches(50, 8)):
            losses.set_epoch(step, of=50)
            losses(stack(rgb[batch], training=True), truth[batch]).sum().backward()
            adam.step(torch.ones(len(made), dtype=torch.bool, device=device), adam.norm(), 1.0, 1e-3)
        states.append([stack.parameters.detach().cpu(), *(t.cpu() for t in (*stack.means.values(), *stack.variances.values()))])
    for ours, theirs in zip(*states, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_a_rate_on_the_device_is_that_on_the_host():
    """Read there in float32, of the tables of training."""
    cuda, states = torch.device("cuda"), []
    table = on_device(learning_rates(Training(steps=5)), cuda)
    for on_host in (True, False):
        stack = StackedNetworks(2, 5, device=cuda)
        adam = RowAdam(stack.parameters)
        for step in range(len(table)):
            stack.parameters.grad = torch.ones_like(stack.parameters)
            rate = table[step].item() if on_host else table.index_select(0, torch.tensor([step], device=cuda))
            adam.step(torch.ones(2, dtype=torch.bool, device=cuda), adam.norm(), 1.0, rate)
        states.append(stack.parameters.detach())
    assert torch.equal(*states)


def test_a_poisoned_network_leaves_the_others_bit_identical(small_data, brief, monkeypatch):
    torch.backends.cudnn.deterministic = True
    clean = trained(small_data, brief, ["", "2-1", "5-1"])
    plain = Step.__call__

    def poisoning(step):
        plain(step)
        if int(step.at) == 7:
            step.networks.parameters.data[1, 100] = float("nan")

    monkeypatch.setattr(Step, "__call__", poisoning)
    poisoned = trained(small_data, brief, ["", "2-1", "5-1"])
    torch.backends.cudnn.deterministic = False
    assert poisoned.diverged_at.tolist() == [-1, 7, -1]
    for k in (0, 2):
        assert torch.equal(clean.series["loss"][:, k], poisoned.series["loss"][:, k])


def test_half_precision_trains(small_data, brief):
    history = trained(small_data, brief.model_copy(update={"precision": "bf16"}))
    assert torch.isfinite(history.series["loss"]).all()


def test_a_group_fits_the_memory():
    content = {"name": "x", "design": {"one_at_a_time": "all"}, "seeds": 1, "data": {"train": 16, "probe": 8, "validation": 8}}
    assert 1 <= gpu_group(parse_experiment(content, "x"), torch.device("cuda")) <= LARGEST_GPU_GROUP
