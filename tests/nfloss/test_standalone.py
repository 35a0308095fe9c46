"""The exported file against the library: value and gradient, every fix, unions of fixes, changed numbers, both precisions."""

from __future__ import annotations

import ast
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch
from oracle import random_unions

from nfloss import Configuration, SSISilogNearFieldLoss, all_fixes
from nfloss.standalone import named_in, standalone, with_helpers
from nfloss.testing.device import NO_VALUES, HostCopies

UNIONS = random_unions([fix.id for fix in all_fixes()], 15, seed=5)
CONFIGURATIONS = [(), *((fix.id,) for fix in all_fixes()), *map(tuple, UNIONS)]
INPUTS = 25  # for each of the configurations: a thousand together


def module(text: str) -> types.ModuleType:
    made = types.ModuleType("exported")
    exec(compile(text, "exported", "exec"), made.__dict__)
    return made


def inputs(seed: int, dtype: torch.dtype):
    """Three scales of predictions, truth with holes, a mask or none; a third of the truths are all near, or all far."""
    rng = torch.Generator().manual_seed(seed)
    gt = torch.rand(2, 1, 16, 24, generator=rng, dtype=dtype) * 3
    gt = (gt + 1.1, gt / 4, gt)[seed % 3] * (torch.rand(gt.shape, generator=rng) > 0.2)
    preds = [torch.rand(2, 1, 16 >> s, 24 >> s, generator=rng, dtype=dtype) * 3 for s in range(3)]
    mask = (torch.rand(gt.shape, generator=rng) > 0.1) if seed % 2 else None
    return preds, gt, mask


def value_and_gradient(loss_fn, preds, gt, mask):
    leaves = [pred.clone().requires_grad_() for pred in preds]
    loss = loss_fn(leaves if len(leaves) > 1 else leaves[0], gt, mask)
    gradients = torch.autograd.grad(loss, leaves)
    return loss.detach(), torch.cat([gradient.flatten() for gradient in gradients])


@pytest.mark.parametrize("fixes", CONFIGURATIONS, ids="+".join)
def test_equal_to_the_library(fixes):
    """Relative to the library's own value and gradient; only the order of the sums differs."""
    theirs, ours = module(standalone(Configuration.of(*fixes))).SSISilogNearFieldLoss(), SSISilogNearFieldLoss(fixes)
    # Standardised residuals with equal weights have a gradient of terms that cancel: what is left is rounding, in both.
    cancelled = 1e-8 if {"8-1", "8-1w"} & {*fixes} else 0.0
    for seed in range(INPUTS):
        for loss_fn in (theirs, ours):
            loss_fn.set_epoch(seed, of=INPUTS)
        value, gradient = value_and_gradient(theirs, *inputs(seed, torch.float64))
        expected, expected_gradient = value_and_gradient(ours, *inputs(seed, torch.float64))
        assert value.item() == pytest.approx(expected.item(), rel=1e-12)
        assert (gradient - expected_gradient).norm() <= 1e-10 * expected_gradient.norm() + cancelled


@pytest.mark.parametrize("fixes", [(), ("1-1", "5-2"), ("8-2",)], ids="+".join)
def test_equal_in_float32_and_at_one_scale(fixes):
    theirs, ours = module(standalone(Configuration.of(*fixes))).SSISilogNearFieldLoss(), SSISilogNearFieldLoss(fixes)
    preds, gt, mask = inputs(7, torch.float32)
    value, gradient = value_and_gradient(theirs, preds[:1], gt, mask)
    expected, expected_gradient = value_and_gradient(ours, preds[:1], gt, mask)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    assert (gradient - expected_gradient).norm() <= 1e-4 * expected_gradient.norm()


@pytest.mark.parametrize("fixes", CONFIGURATIONS, ids="+".join)
def test_on_a_gpu_neither_waits(fixes):
    """Shown on a device without values: once the constants are made, nothing is copied there and no value is asked for."""
    preds, gt, mask = inputs(1, torch.float32)
    given = [pred.to(NO_VALUES) for pred in preds], gt.to(NO_VALUES), mask.to(NO_VALUES)
    for loss_fn in (module(standalone(Configuration.of(*fixes))).SSISilogNearFieldLoss(), SSISilogNearFieldLoss(fixes)):
        value_and_gradient(loss_fn, *given)
        with HostCopies() as copies:
            value_and_gradient(loss_fn, *given)
        assert copies.seen == []


def test_numbers_are_the_configurations_and_may_be_given_anew():
    numbers = {"near_weight": 3.0, "ramp_half_width": 0.4, "alpha": 0.5}
    made = module(standalone(Configuration.of("5-2", **numbers))).SSISilogNearFieldLoss
    preds, gt, mask = inputs(1, torch.float64)
    for own, theirs in ((numbers, {}), ({**numbers, "near_weight": 8.0}, {"near_weight": 8.0})):
        expected = SSISilogNearFieldLoss(["5-2"], **own)(preds, gt, mask)
        assert made(**theirs)(preds, gt, mask).item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_the_fallback_is_the_librarys(bad):
    preds, gt, _ = inputs(2, torch.float64)
    gt[0, 0, 3, 3], preds[0][0, 0, 3, 3] = 1.0, bad
    theirs, ours = module(standalone(Configuration.of("4-2"))).SSISilogNearFieldLoss(), SSISilogNearFieldLoss(["4-2"])
    value, gradient = value_and_gradient(theirs, preds, gt, None)
    expected, expected_gradient = value_and_gradient(ours, preds, gt, None)
    torch.testing.assert_close(value, expected, equal_nan=True)
    torch.testing.assert_close(gradient, expected_gradient, equal_nan=True)


def test_nothing_valid_is_nothing_lost():
    loss = module(standalone(Configuration.of())).SSISilogNearFieldLoss()
    assert loss(torch.rand(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)).item() == 0.0


@pytest.mark.parametrize("fixes", CONFIGURATIONS, ids="+".join)
def test_torch_is_all_that_is_imported(fixes):
    tree = ast.parse(standalone(Configuration.of(*fixes)))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert imported <= {"torch", "__future__", "collections"}


def test_it_runs_where_nfloss_cannot_be_imported(tmp_path: Path):
    (tmp_path / "near_field_loss.py").write_text(standalone(Configuration.of("1-1", "4-2", "6-2", "8-2"), ["Evidence: none."]))
    code = """
import sys
class Hidden:
    def find_spec(self, name, *rest):
        if name.split(".")[0] in ("nfloss", "runner", "analysis", "yaml", "pandas", "pydantic"):
            raise ImportError(name)
sys.meta_path.insert(0, Hidden())
import torch
from near_field_loss import SSISilogNearFieldLoss
pred = torch.rand(2, 1, 8, 8, requires_grad=True)
SSISilogNearFieldLoss()(pred, torch.rand(2, 1, 8, 8)).backward()
print(pred.grad.isfinite().all().item())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "True", done.stderr


def test_it_is_linted_clean(tmp_path: Path):
    for number, fixes in enumerate([(), ("1-1", "2-2b", "3-1", "4-2", "5-2", "6-1", "6-2", "8-2", "9-2", "10-2")]):
        (tmp_path / f"loss_{number}.py").write_text(standalone(Configuration.of(*fixes), ['a "quoted" \\ line', '"""']))
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F,E,I,B", "--ignore", "E501", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_momentum_comes_along_as_a_function_of_the_network():
    made = module(standalone(Configuration.of("6-1")))
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.Linear(2, 2))
    made.set_batch_norm_momentum(network)
    assert network[0].momentum == 0.01
    assert not hasattr(module(standalone(Configuration.of("1-1"))), "set_batch_norm_momentum")


def test_what_cannot_be_written_down_is_refused():
    def with_ast(x):
        return ast.parse(x)

    with pytest.raises(ValueError, match="uses the module ast"):
        named_in(with_ast)
    with pytest.raises(ValueError, match="no source of its own"):
        list(with_helpers([lambda x: x]))
