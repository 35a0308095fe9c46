"""The document's numbers about issue 6, recomputed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nfloss.claims.claim import Claim, magnitude, number, statement
from nfloss.claims.evidence import choice_of, gradients, scene
from nfloss.configuration import Configuration
from nfloss.loss import Losses
from nfloss.numbers import Numbers
from nfloss.slots import BASELINE

STEPS = 100


def claims() -> list[Claim]:
    """The effect of BatchNorm's momentum, and of a constant weight in a split loss."""
    return [*momentum(), *running_statistics(), *split()]


def usual_and_slow() -> tuple[float, float]:
    return BASELINE["bn_momentum"](Numbers()), choice_of("6-1", "bn_momentum")(Numbers())


def momentum() -> list[Claim]:
    usual, slow = (training_gradient(rate) for rate in usual_and_slow())
    change = (usual - slow).abs().max().item()
    quantity, claimed = "a momentum of 0.01 (6-1) changes a training gradient", "removes contradictory signals"
    by = "autograd through convolution, BatchNorm2d and loss, second training step"
    return [
        number(6, "BatchNorm's momentum by default", 0.1, nn.BatchNorm2d(1).momentum or 0.0, 2, "torch.nn.BatchNorm2d"),
        statement(6, quantity, claimed, f"by {change:g}", change > 0, "does nothing", by, 17),
    ]


def training_gradient(momentum: float) -> Tensor:
    """The gradient of a small network in training mode at the second step."""
    pred, gt = scene()
    with torch.random.fork_rng(devices=[]):  # the layers draw initial values, which are replaced below
        layers = (nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2, momentum=momentum), nn.ReLU(), nn.Conv2d(2, 1, 1))
    network = nn.Sequential(*layers).double()
    with torch.no_grad():
        for place, parameter in enumerate(network.parameters()):
            parameter.copy_(torch.linspace(-1.0, 1.0, parameter.numel() + place + 1)[: parameter.numel()].view_as(parameter))
        network(pred)
    loss = Losses([Configuration.of()])(network(pred).sigmoid().unsqueeze(0), gt).sum()
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(network.parameters()))])


def running_statistics() -> list[Claim]:
    """How much of the running mean's initial value is left after 100 training steps."""
    left = []
    for rate in usual_and_slow():
        norm = nn.BatchNorm1d(1, momentum=rate)
        running_mean = norm.get_buffer("running_mean").fill_(1.0)
        for _ in range(STEPS):
            norm(torch.tensor([[-1.0], [1.0]]))
        left.append(running_mean.item())
    usual, slow = left
    quantity, claimed = f"running statistics are settled after {STEPS} steps with 6-1", "as before, only smoother"
    computed = f"{slow:.1%} of the initial value left ({usual:.1%} with the default)"
    by = "torch.nn.BatchNorm1d, a batch of mean 0 after an initial running mean of 1"
    return [statement(6, quantity, claimed, computed, slow < 0.05, "harmful", by, 17)]


def split() -> list[Claim]:
    """6-2's gradient with a near weight of 5 and of 50, under batch-mean normalisation and under weighted moments."""
    (pred, gt), claims = scene(), []
    by = "autograd, near_weight 5 and 50: a constant weight cancels, 0.7 and 0.3 are left"
    for fixes, name in ((("6-2",), "batch-mean normalisation"), (("6-2", "2-1"), "weighted moments")):
        five, fifty = gradients([Configuration.of(*fixes, near_weight=weight) for weight in (5.0, 50.0)], pred, gt)
        change = ((five - fifty).norm() / five.norm()).item()
        quantity = f"the near part's weight of 5 counts in 6-2, under {name}"
        computed = f"weight 50 changes the gradient by {magnitude(change)} of it"
        claims.append(statement(6, quantity, "near weighs 5", computed, change > 1e-9, "does nothing", by, 8))
    return claims
