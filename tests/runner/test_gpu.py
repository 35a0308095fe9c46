"""The same on a CUDA device: skipped where there is none."""

import pytest
import torch

from nfloss import Configuration, Losses, all_fixes
from runner.models import DepthRange
from runner.training import SeedData, train

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


def test_training_runs(small_data, brief):
    made = [Configuration.of(*fixes) for fixes in ([], ["2-1"], ["5-1"])]
    data = on_gpu(small_data)
    history = train(made, data, brief, DepthRange(), torch.device("cuda"))
    assert torch.isfinite(history.series["loss"]).all()
    assert (history.diverged_at < 0).all()
