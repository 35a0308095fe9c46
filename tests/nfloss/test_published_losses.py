"""examples/published_losses.py against loops over the pixels in float64, written from the papers' formulas."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import mean, median_low
from typing import Any

import pytest
import torch

from nfloss.other_losses import load_loss
from nfloss.testing import broken_loss_promise
from nfloss.testing.other_loss import reads_a_value

FILE = Path(__file__).parents[2] / "examples" / "published_losses.py"


def silog(share: float) -> Any:
    def of(pixels: list[Any], weigh: Any = lambda z: 1.0) -> float:
        errors = [(weigh(true), math.log(z) - math.log(true)) for image in pixels for z, true in image]
        total = sum(w for w, _ in errors)
        first, second = (sum(w * e**power for w, e in errors) / total for power in (1, 2))
        return 10 * math.sqrt(second - share * first**2)

    return of


def of_errors(function: Any, error: Any) -> Any:
    return lambda pixels: function([error(z, true) for image in pixels for z, true in image])


def l1(errors: list[float]) -> float:
    return mean(map(abs, errors))


def l2(errors: list[float]) -> float:
    return mean(e * e for e in errors)


def berhu(errors: list[float]) -> float:
    c = max(map(abs, errors)) / 5
    return mean(abs(e) if abs(e) <= c else (e * e + c * c) / (2 * c) for e in errors)


def midas(pixels: list[Any]) -> float:
    """Torch's median of an even number of values is the lower of the two in the middle."""

    def aligned(disparities: list[float]) -> list[float]:
        t = median_low(disparities)
        s = mean(abs(d - t) for d in disparities)
        return [(d - t) / s for d in disparities]

    pairs = [zip(aligned([1 / z for z, _ in image]), aligned([1 / true for _, true in image]), strict=True) for image in pixels]
    return 0.5 * mean(abs(a - b) for image in pairs for a, b in image)


METRES, LN = (lambda z, true: z - true), (lambda z, true: math.log(z) - math.log(true))
EXPECTED = {
    "silog_0": silog(0.0),
    "silog_050": silog(0.5),
    "silog_085": silog(0.85),
    "silog_1": silog(1.0),
    "silog_near": lambda pixels: silog(0.85)(pixels, lambda z: min(0.3 / z, 8.0)),
    **{f"{name}_depth": of_errors(function, METRES) for name, function in (("l1", l1), ("l2", l2), ("berhu", berhu))},
    **{f"{name}_ln": of_errors(function, LN) for name, function in (("l1", l1), ("l2", l2), ("berhu", berhu))},
    "scale_and_shift_invariant": midas,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_published_loss_is_its_formula(name):
    """Depths from 2 cm, where the weight min(0.3/z, 8) is at its limit, to 20 m; a third of the pixels masked."""
    noise = torch.Generator().manual_seed(4)
    true = 0.02 * 1000.0 ** torch.rand(2, 1, 5, 7, generator=noise, dtype=torch.float64)
    predicted = true * torch.exp(0.2 + 0.3 * torch.randn(true.shape, generator=noise, dtype=torch.float64))
    mask = torch.rand(true.shape, generator=noise) < 0.67
    pixels = [list(zip(p[m].tolist(), t[m].tolist(), strict=True)) for p, t, m in zip(predicted, true, mask, strict=True)]
    value = load_loss(f"{FILE}:{name}").function(1 / predicted, torch.where(mask, 1 / true, 1.0), mask)
    assert value.item() == pytest.approx(EXPECTED[name](pixels), rel=1e-6)  # silog adds 1e-8 inside its root


@pytest.mark.parametrize("name", EXPECTED)
def test_it_keeps_every_promise_and_fits_a_cuda_graph(name):
    loss = load_loss(f"{FILE}:{name}")
    assert broken_loss_promise(loss) is None
    assert reads_a_value(loss) is None


def test_the_experiment_has_them_all_in_the_regime_of_the_ablation():
    from runner.experiment import load_experiment

    published, ablation = (
        load_experiment(FILE.parents[1] / "experiments" / f"{n}.yaml") for n in ("published_losses", "ablation")
    )
    assert [reference.rpartition(":")[2] for reference in published.design.losses] == list(EXPECTED)
    same = ("seeds", "looks", "confirm", "data", "training", "model", "loss")
    assert all(getattr(published, name) == getattr(ablation, name) for name in same)
    assert published.design.near_weights == ablation.design.near_weights
