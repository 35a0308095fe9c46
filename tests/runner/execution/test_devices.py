"""A step of training on PyTorch's `meta` device: it has no values, so what a GPU would be waited for stops or is seen.

tests/runner/test_gpu.py asks the same of a CUDA device where there is one."""

import pytest
import torch
from mixtures import EVERY, MIXED

from nfloss import Configuration, Losses
from nfloss.testing.device import NO_VALUES, HostCopies
from runner.data import SeedData
from runner.networks import DepthRange, StackedNetworks
from runner.training.loop import History, Step
from runner.training.optimiser import RowAdam


def on_no_values(names, data, settings):
    """A step of these fixes' networks, and of two readings of the first."""
    made = [Configuration.of(*name.split()) for name in names]
    moved = SeedData(data.seed, *(frames.to(NO_VALUES) for frames in (data.train, data.probe, data.validation)))
    networks = StackedNetworks(len(made), 3, [0.1] * (len(made) + 1), [0, *range(len(made))], DepthRange(), device=NO_VALUES)
    history = History.empty(settings.steps, len(made), NO_VALUES)
    return Step(networks, Losses(made), RowAdam(networks.parameters), moved, settings, history)


@pytest.fixture(autouse=True)
def adam_on_no_values():
    """PyTorch has no form of the fused Adam with a tensor as its rate for a device without values; it returns nothing."""
    library = torch.library.Library("aten", "IMPL")
    library.impl("_fused_adam_.tensor_lr", lambda *given, **named: None, "Meta")
    yield
    library._destroy()


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("names", [[""], EVERY, MIXED, ["2-2a"], ["6-2", "5-2"]])
def test_from_its_second_step_on_nothing_is_copied_and_nothing_asked_for(small_data, brief, names, accumulate):
    """The first makes the constants. Asking for a value raises on a device that has none."""
    step = on_no_values(names, small_data, brief.model_copy(update={"accumulate": accumulate}))
    step()
    with HostCopies() as crossings:
        step()
    assert crossings.seen == []
    assert step.prediction.device == step.history.series["loss"].device == NO_VALUES


def test_a_copy_in_the_step_would_be_seen(small_data, brief):
    """The test above can fail: a batch number kept on the host, as a loop in Python would have it."""
    step = on_no_values([""], small_data, brief)
    step()
    with HostCopies() as crossings:
        step.at += torch.tensor([1]).to(NO_VALUES)
    assert [place.split(",")[0] for place in crossings.seen] == ["test_devices.py"]
