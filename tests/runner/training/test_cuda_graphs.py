"""A step that is captured and replayed equals the eager step bit for bit, on a stand-in for CUDA graphs (tape.py).

tests/runner/execution/test_gpu.py tests the same on a CUDA device where there is one."""

import pytest
import torch
from mixtures import EVERY, MIXED
from plain_network import PlainNetwork
from plain_training import batches, in_float64, scheduler
from tape import Graph, captured, cuda_graphs_on_the_cpu  # noqa: F401

from nfloss import Configuration, Losses, SSISilogNearFieldLoss
from runner.networks import StackedNetworks
from runner.training.cuda_graphs import Captured
from runner.training.loop import History, Step
from runner.training.optimiser import RowAdam

CPU = torch.device("cpu")


def steps_taken(names, data, settings, graphs):
    """Losses [steps, K], parameters, moments and running statistics after a run in which a network diverges and is frozen."""
    made = [Configuration.of(*name.split()) for name in names]
    networks, losses = StackedNetworks(len(made), 3), Losses(made)
    adam, history = RowAdam(networks.parameters), History.empty(settings.steps, len(made), CPU)
    step = Step(networks, losses, adam, data, settings, history)
    advance = Captured(step) if graphs else step
    for number in range(settings.steps):
        losses.set_epoch(number // 5, of=settings.steps // 5)
        if number == 11:
            with torch.no_grad():
                networks.parameters[1, 100] = torch.nan
        if number == 15:
            adam.freeze(history.diverged_at >= 0)
        advance()
    assert history.diverged_at[1] == 11
    statistics = [*networks.means.values(), *networks.variances.values()]
    state = [networks.parameters.detach(), adam.first_moments, adam.second_moments, *statistics, history.diverged_at]
    return [*history.series.values(), *state, step.prediction, step.truth]


@pytest.mark.usefixtures("cuda_graphs_on_the_cpu")
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("names", [["", "2-1"], EVERY, MIXED], ids=["two", "every", "mixed"])
def test_replayed_steps_are_the_eager_steps(small_data, brief, names, accumulate):
    """Thresholds change every five steps and a network diverges: the graph is captured again where a decision changes."""
    settings = brief.model_copy(update={"accumulate": accumulate})
    eager, replayed = (steps_taken(names, small_data, settings, graphs) for graphs in (False, True))
    for ours, theirs in zip(replayed, eager, strict=True):
        assert torch.equal(ours.nan_to_num(nan=-7.0), theirs.nan_to_num(nan=-7.0))


@pytest.mark.usefixtures("cuda_graphs_on_the_cpu")
def test_a_rate_that_changes_with_every_step_needs_no_new_capture(small_data, brief, monkeypatch):
    """One eager step, one capture; its replays are the steps of the plain loop, whose rates PyTorch's scheduler sets."""
    captures, data = [], in_float64(small_data)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: captures.append(Graph()) or captures[-1])
    networks, losses = StackedNetworks(1, 3, dtype=torch.float64), Losses([Configuration.of()])
    history = History.empty(brief.steps, 1, CPU)
    plain, loss_fn = PlainNetwork().double(), SSISilogNearFieldLoss()
    plain.load_row(networks.parameters.detach()[0])
    advance = Captured(Step(networks, losses, RowAdam(networks.parameters), data, brief, history))
    for _ in range(brief.steps):
        advance()
    optimiser = torch.optim.Adam(plain.parameter_list(), lr=brief.learning_rate)
    rates = scheduler(optimiser, brief)
    for images, truth in batches(data, brief):
        optimiser.zero_grad()
        loss_fn(plain(images), truth).backward()
        optimiser.step()
        rates.step()
    assert len(captures) == 1
    torch.testing.assert_close(networks.parameters.detach()[0], plain.row(), rtol=1e-9, atol=1e-9)


def test_the_tape_takes_no_effect_until_it_is_played():
    """The stand-in itself: a capture leaves values unchanged; a replay uses what Python read in the capture."""
    value, graph, factor = torch.ones(3), Graph(), 2.0
    with captured(graph, None):
        row = value[1:]
        row.mul_(factor)
        total = value.sum() + 1.0
        value.add_(total)
    assert value.tolist() == [1, 1, 1]
    factor = 5.0
    graph.replay()
    assert (value.tolist(), total.item()) == ([7, 8, 8], 6)
    graph.replay()  # 7 + 16 + 16 + 1 = 40
    assert (value.tolist(), total.item()) == ([47, 56, 56], 40)


def test_what_no_capture_may_do_is_refused():
    with pytest.raises(AssertionError, match="copy it from the host"), captured(Graph(), None):
        torch.tensor([1.0])
    with pytest.raises(AssertionError, match="asked for a value"), captured(Graph(), None):
        bool(torch.ones(1) > 0)
