"""The stack equals K networks written the usual way (tests/runner/plain_network.py), in float64."""

import torch
from plain_network import PlainNetwork, stack_statistics, to_row

from runner.networks import DepthRange, StackedNetworks


def test_about_ninety_thousand_parameters():
    assert StackedNetworks(1, seed=0).parameters.shape[1] == sum(p.numel() for p in PlainNetwork().parameter_list()) == 87_972


def test_three_scales_of_bounded_inverse_depth_starting_at_two_metres():
    predictions = StackedNetworks(2, seed=0)(torch.rand(3, 3, 32, 48), training=True)
    assert [p.shape for p in predictions] == [(2, 3, 1, 32 >> s, 48 >> s) for s in range(3)]
    for p in predictions:
        assert (p > 0.01).all() and (p < 10).all()
        assert abs(float(p.detach().median()) - 0.5) < 0.3


def test_stack_equals_plain_networks_forward_and_statistics():
    momenta = [0.1, 0.01, 0.5]
    stack = StackedNetworks(3, seed=7, momenta=momenta, dtype=torch.float64)
    with torch.no_grad():
        stack.parameters += 0.05 * torch.randn(
            stack.parameters.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
        )
    images = torch.rand(4, 3, 32, 48, dtype=torch.float64)
    plains = [PlainNetwork(momentum).double() for momentum in momenta]
    for plain, row in zip(plains, stack.parameters.detach(), strict=True):
        plain.load_row(row)
    for training in (True, True, False):
        fused = stack(images, training=training)
        for k, plain in enumerate(plains):
            expected = plain.train(training)(images)
            assert len(fused) == (3 if training else 1)  # evaluation asks for the finest alone
            for scale in range(len(fused)):
                torch.testing.assert_close(fused[scale][k], expected[scale], rtol=1e-11, atol=1e-12)
    for k, plain in enumerate(plains):
        for ours, theirs in zip(stack_statistics(stack, k), plain.running_statistics(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)


def test_gradients_equal_and_never_mix():
    stack = StackedNetworks(2, seed=3, dtype=torch.float64)
    images = torch.rand(2, 3, 16, 32, dtype=torch.float64)
    sum((p[1] ** 2).sum() for p in stack(images, training=True)).backward()
    plain = PlainNetwork().double()
    plain.load_row(stack.parameters.detach()[1])
    sum((p**2).sum() for p in plain(images)).backward()
    expected = torch.cat([to_row(p.grad) for p in plain.parameter_list()])
    torch.testing.assert_close(stack.parameters.grad[1], expected, rtol=1e-9, atol=1e-10)
    assert not stack.parameters.grad[0].any()


def test_evaluating_leaves_the_statistics_alone():
    stack = StackedNetworks(1, seed=0)
    before = [t.clone() for t in stack_statistics(stack, 0)]
    stack(torch.rand(2, 3, 16, 16), training=True, update_statistics=False)
    stack(torch.rand(2, 3, 16, 16), training=False)
    assert all(torch.equal(a, b) for a, b in zip(before, stack_statistics(stack, 0), strict=True))


def test_a_network_starts_where_it_is_told():
    for initial in (0.5, 2.0, 10.0):
        depth_range = DepthRange(0.1, 100.0, initial)
        assert abs(1.0 / float(depth_range.inverse_depth(torch.tensor(depth_range.initial_logit))) - initial) < 1e-4
