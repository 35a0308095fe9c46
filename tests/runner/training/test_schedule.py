"""The learning rate of each step: worked by hand, and PyTorch's schedulers in float64."""

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plain_training import scheduler

from runner.training import Training, learning_rates

SCHEDULES = st.sampled_from(["cosine", "constant", "step"])


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        # Four of ten steps rise by fifths to the fifth; then cosines of 0, 30, ... 150 degrees: 1, 0.866, 0.5, 0, ...
        (
            {"schedule": "cosine", "steps": 10, "warmup": 0.4},
            [0.2, 0.4, 0.6, 0.8, 1.0, 0.9330127, 0.75, 0.5, 0.25, 0.0669873],
        ),
        ({"schedule": "cosine", "steps": 4, "warmup": 0.0}, [1.0, 0.8535534, 0.5, 0.1464466]),
        ({"schedule": "cosine", "steps": 1}, [1.0]),
        ({"schedule": "cosine", "steps": 3, "warmup": 0.5}, [1 / 3, 2 / 3, 1.0]),
        ({"schedule": "constant", "steps": 8, "warmup": 0.25}, [1 / 3, 2 / 3, 1, 1, 1, 1, 1, 1]),
        ({"schedule": "constant", "steps": 3, "warmup": 0.0}, [1, 1, 1]),
        # 60 % of 20 steps are 12, 85 % are 17; one step warms up.
        ({"schedule": "step", "steps": 20}, [0.5, *[1.0] * 11, *[0.1] * 5, *[0.01] * 3]),
        ({"schedule": "step", "steps": 3, "warmup": 0.0}, [1.0, 1.0, 0.1]),  # after 1.8 and 2.55 steps
    ],
)
def test_by_hand(settings, wanted):
    rates = learning_rates(Training(learning_rate=3.0, **settings))
    assert rates.dtype == np.float64 and rates.tolist() == pytest.approx([3.0 * share for share in wanted], rel=1e-6)


@hypothesis.settings(deadline=None)  # the first optimiser of a process loads PyTorch's compiler
@given(SCHEDULES, st.integers(1, 400), st.floats(0.0, 0.5), st.sampled_from([1e-5, 4e-3, 1.0]))
def test_as_pytorchs_schedulers(schedule, steps, warmup, peak):
    """These multiply the rate of the step before, at most the peak, by a factor of at most 1, for which they round eight times
    at most: two cosines, two sums, a quotient, a product, two more on the way to the angle (u = 2^-53 each)."""
    settings = Training(schedule=schedule, steps=steps, warmup=warmup, learning_rate=peak)
    optimiser = torch.optim.SGD([torch.zeros(1, dtype=torch.float64)], lr=peak)
    plain, wanted = scheduler(optimiser, settings), []
    for _ in range(steps):
        wanted.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        plain.step()
    np.testing.assert_allclose(learning_rates(settings), wanted, rtol=0.0, atol=8 * steps * 2.0**-53 * peak)


@given(SCHEDULES, st.integers(1, 2000), st.floats(0.0, 0.5))
def test_it_rises_to_the_peak_and_then_falls(schedule, steps, warmup):
    """Whatever the peak is: another learning rate is the same schedule, scaled."""
    settings = Training(schedule=schedule, steps=steps, warmup=warmup, learning_rate=2.0)
    rates, top = learning_rates(settings), round(warmup * steps)
    assert rates[top] == rates.max() == 2.0 and rates.min() > 0.0
    assert (np.diff(rates[: top + 1]) > 0).all() and (np.diff(rates[top:]) <= 0).all()
    assert (learning_rates(settings.model_copy(update={"learning_rate": 0.5})) == rates / 4.0).all()
