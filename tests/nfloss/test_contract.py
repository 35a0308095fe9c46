"""Each promise of the contract can be broken, and is then named: a fix made to break it, by hand, for every check."""

import pytest
import torch

from nfloss import Choice, Configuration, Fix, Guard, Losses, Partition, all_fixes
from nfloss.slots import BASELINE
from nfloss.testing.contract import CONTRACT, broken_promises
from nfloss.testing.device import never_waits

calls = []


def hard(depth, threshold, *, near_weight):
    """A boundary."""
    return 1.0 + (near_weight - 1.0) * (depth < threshold).to(depth.dtype)


def undocumented(depth, threshold):
    return depth


def by_rank(depth, threshold):
    """Heavy where the pixel is nearer than the mean of its neighbours in the list."""
    return 1.0 + (depth < depth.mean()).to(depth.dtype)


def without_a_row(depth, threshold):
    """Takes [P] alone."""
    return torch.stack([1.0 / d for d in depth]) if depth.ndim == 1 else torch.ones(1)


def by_maximum(weights, mask, power):
    """A number for each pixel."""
    return weights**power


def doubled(term):
    """Another value."""
    return 2.0 * term


def at_zero(epoch, of):
    """0 m at the beginning."""
    return epoch / of


def root(ssi):
    """A root without its epsilon: the gradient at 0 is not finite."""
    return ssi.sqrt()


def counting(ssi):
    """Another factor at each call."""
    calls.append(1)
    return ssi * (1.0 + len(calls))


def nothing_masked(residual, weights, mask):
    """Means over all pixels, valid or not."""
    return residual * weights + 0.01 * (1 - mask), torch.ones_like(mask)


def over_all_rows(residual, mask):
    """Divides by a size that all rows share."""
    return residual / residual.abs().mean()


def one_number(residual, mask, *, near_weight):
    """Reads its number as if it were the only configuration there."""
    return residual * (2.0 if near_weight > 3.0 else 1.0)


def fine_steps(ssi):
    """Shows the last bits alone."""
    return 1.0 + (ssi * 1e6 - torch.round(ssi * 1e6)).detach() + ssi


def made_on_the_host(ssi):
    """A copy to the device at each call, which nothing on a CPU shows."""
    return ssi * torch.tensor([0.5], device=ssi.device)


def weighted_by_depth(mask, weights, depth, threshold):
    """A split with the built-in one's name, whose weights are not constant."""
    return [(mask * (depth < 1), depth), (mask * (depth >= 1), depth)]


def mean_of_two(losses, counts):
    """Both alike."""
    return losses.mean(0)


def fix_of(slot, function, choice="made to break"):
    return Fix("98-1", "made-to-break", "made to break a promise", {slot: Choice(choice, function)})


BREAKS = {
    "it changes a slot": fix_of("weigh", BASELINE["weigh"].function, BASELINE["weigh"].name),
    "it explains itself": fix_of("weigh", undocumented),
    "a weight depends": fix_of("weigh", by_rank),
    "weights are divided": fix_of("normalise", by_maximum),
    "a guard changes": fix_of("guard", Guard(terms=doubled)),
    "the threshold is": fix_of("threshold", at_zero),
    "value and gradient are finite": fix_of("squash", root),
    "the same batch": fix_of("squash", counting),
    "masked and invalid": fix_of("moments", nothing_masked),
    "next to other": fix_of("residual", one_number),
    "a NaN stays": fix_of("residual", over_all_rows),
    "float32 and float64": fix_of("squash", fine_steps),
    "a GPU never": fix_of("squash", made_on_the_host),
    "it works with": fix_of("partition", Partition(2, weighted_by_depth, mean_of_two), "near and far"),
}


@pytest.mark.parametrize("begins", BREAKS)
def test_a_broken_promise_is_named(begins):
    promises = [broken.promise for broken in broken_promises(BREAKS[begins])]
    assert any(promise.startswith(begins) for promise in promises), promises


def test_every_promise_has_a_fix_that_breaks_it():
    """But for the last: a function that is not found elsewhere is refused as the fix is made (test_extensions.py)."""
    assert [next(b for b in BREAKS if promise.startswith(b)) for promise in list(CONTRACT)[:-1]] == list(BREAKS)


def test_a_choice_that_takes_no_leading_dimension_breaks_the_weights_promise():
    found = {broken.promise: broken.found for broken in broken_promises(fix_of("weigh", without_a_row))}
    assert "a dimension before P" in found["a weight depends on its pixel's own depth alone"]


def test_what_its_own_code_raises_is_said():
    found = {broken.promise: broken.found for broken in broken_promises(BREAKS["next to other"])}
    assert found["next to other configurations it computes the same as alone"].startswith(
        "stops with RuntimeError: Boolean value"
    )


def read_from_the_host(ssi):
    """A tensor of the host's, copied."""
    return ssi * torch.ones(1).to(ssi.device)


def asked_for(ssi):
    """A branch on a value."""
    return ssi.log1p() if ssi.mean() > 1.0 else ssi


def left_on_the_host(ssi):
    """A tensor of the host's beside the device's."""
    return ssi * torch.ones(ssi.shape[-1])


def half(ssi):
    """A number in a tensor: it travels with the kernel."""
    return ssi * torch.tensor(0.5)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (made_on_the_host, "copies a tensor from the host in every call"),
        (read_from_the_host, "copies a tensor from the host in every call"),
        (asked_for, "reads a value, or mixes devices: RuntimeError: "),
        (left_on_the_host, "reads a value, or mixes devices: RuntimeError: "),
        (half, None),
    ],
)
def test_what_a_gpu_would_wait_for_is_said(function, says):
    found = never_waits(fix_of("squash", function))
    line = function.__code__.co_firstlineno + 2
    assert found is None if says is None else found.startswith(f"test_contract.py, line {line} {says}")


def test_a_number_that_is_a_tensor_beside_one_that_is_a_float_is_tried():
    """Two of a fix's numbers, one of them changed: torch.clamp takes no float beside a tensor."""
    found = {broken.promise: broken.found for broken in broken_promises(fix_of("squash", between))}
    assert found["next to other configurations it computes the same as alone"].startswith("stops with TypeError: clamp()")


def between(ssi, *, ssi_minimum, ssi_maximum):
    """As a user would write it first."""
    return torch.clamp(ssi, ssi_minimum, ssi_maximum)


def test_a_good_fix_keeps_them_all():
    assert broken_promises(fix_of("weigh", hard)) == []


def test_a_guard_of_the_users_is_not_taken_for_the_hook_clamp():
    """Fix 4-1 is proved to train what the baseline trains; another guard of terms need not."""

    def simplified(guard):
        return Configuration.of_fixes([fix_of("guard", guard)]).simplified()

    assert simplified(Guard(terms=halved)) != Configuration.of()
    pred = torch.rand(1, 1, 1, 4, 4, requires_grad=True)
    losses = Losses([simplified(Guard(terms=halved))])
    (half,) = torch.autograd.grad(losses(pred, torch.ones(1, 1, 4, 4)).sum(), pred)
    (whole,) = torch.autograd.grad(Losses([Configuration.of()])(pred, torch.ones(1, 1, 4, 4)).sum(), pred)
    torch.testing.assert_close(half, 0.5 * whole)
    assert len(all_fixes()) == 25


class Halved(torch.autograd.Function):
    @staticmethod
    def forward(ctx, term):
        return term.clone()

    @staticmethod
    def backward(ctx, gradient):
        return 0.5 * gradient


def halved(term):
    """Half the gradient."""
    return Halved.apply(term)
