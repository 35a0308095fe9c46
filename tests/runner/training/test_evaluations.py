"""Which steps are evaluated, on the probe and on the validation frames."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import measures
from runner.training import Training, evaluated, validated
from runner.training import evaluations as module


@pytest.mark.parametrize(
    ("steps", "every", "on_probe", "on_validation"),
    [
        (10, 4, [4, 8, 10], [10]),  # a fifth of three: one
        (12, 4, [4, 8, 12], [12]),
        (1, 10, [1], [1]),
        (10, 1, list(range(1, 11)), [9, 10]),
        (240, 8, list(range(8, 241, 8)), [208, 216, 232, 240]),  # six of thirty count: at 6/4, 12/4, 18/4, 24/4, rounded up
        (480, 8, list(range(8, 481, 8)), [408, 432, 456, 480]),  # every third of twelve
        (1920, 8, list(range(8, 1921, 8)), [1632, 1728, 1824, 1920]),  # every twelfth of 48
    ],
)
def test_by_hand(steps, every, on_probe, on_validation):
    settings = Training(steps=steps, evaluate_every=every)
    assert (evaluated(settings), validated(settings)) == (on_probe, on_validation)


@given(st.integers(1, 3000), st.integers(1, 400))
def test_final_means_the_same_on_probe_and_validation(steps, every):
    """The evaluations that the target's end is the mean of are those among which the final errors are taken."""
    settings = Training(steps=steps, evaluate_every=every)
    final = evaluated(settings)[-measures.counted_as_final(len(evaluated(settings))) :]
    chosen = validated(settings)
    assert module.LAST == measures.LAST
    assert chosen == final if len(final) <= 4 else len(chosen) == 4 and set(chosen) < set(final)
    places = [0, *(1 + final.index(step) for step in chosen)]
    gaps = [after - before for before, after in pairwise(places)]
    assert places[-1] == len(final) and max(gaps) - min(gaps) <= 1
