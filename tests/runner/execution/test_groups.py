"""The order of a product: its beginnings are balanced, and nothing is lost or doubled."""

from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest
import torch

from nfloss import Configuration
from runner.execution import FrameCache, Group
from runner.execution.group_size import best_size
from runner.execution.groups import balanced, by_training, choices_of, make_groups
from runner.execution.run_group import run_group
from runner.experiment import parse_experiment
from runner.study import plan_experiment
from runner.training import learning_rates


@pytest.fixture(scope="module")
def trainings():
    """Issues 1, 2, 3, 5 and 9: 4 x 4 x 2 x 3 x 4 combinations of words."""
    plan = plan_experiment(parse_experiment({"name": "x", "design": {"cartesian": [1, 2, 3, 5, 9]}, "seeds": 2}, "x"))
    return list(by_training(a.configuration for a in plan.trained))


def test_every_beginning_has_each_choice_as_often_as_the_whole(trainings):
    order = balanced(trainings)
    assert order[0] == trainings[0] == Configuration.of() and Counter(order) == Counter(trainings)
    whole, counts = Counter(choice for c in order for choice in choices_of(c)), Counter()
    for number, c in enumerate(order, start=1):
        counts.update(choices_of(c))
        worst = max(abs(counts[choice] - number * whole[choice] / len(order)) for choice in whole)
        assert worst < 2.0, number


def test_blocks_take_all_seeds_before_the_next_one_begins(trainings):
    groups = make_groups(trainings, [3, 5], 16, in_blocks=True)
    assert [group.seed for group in groups[:4]] == [3, 5, 3, 5]
    assert groups[0].configurations == groups[1].configurations != groups[2].configurations
    assert Counter(c for group in groups if group.seed == 3 for c in group.configurations) == Counter(trainings)


def test_few_configurations_go_seed_by_seed():
    configurations = [Configuration.of(*fixes) for fixes in ([], ["2-1"], ["5-1"], ["6-1"], ["2-1", "6-1"])]
    groups = make_groups(configurations, [0, 1], 2, in_blocks=False)
    assert [group.name for group in groups] == ["seed0-0", "seed0-1", "seed1-0", "seed1-1"]
    assert {group.size for group in groups} == {2}  # three trainings, momentum apart: two and one
    assert Counter(c for group in groups[:2] for c in group.configurations) == Counter(configurations)
    together = next(group.configurations for group in groups if configurations[0] in group.configurations)
    assert configurations[3] in together  # 6-1 reads the baseline's network


def test_a_groups_rate_is_the_peak_of_the_same_schedule():
    """Trained with a rate of its own, a group's records are those of an experiment with that rate, to the last bit."""
    training = {"steps": 12, "batch": 2, "evaluate_every": 1, "warmup": 0.25}
    content = {
        "name": "x",
        "design": {"one_at_a_time": ["2-1"]},
        "data": {"train": 8, "probe": 2, "validation": 2, "height": 16, "width": 16},
    }
    usual, other = (
        parse_experiment({**content, "training": {**training, "learning_rate": rate}}, "x") for rate in (4e-3, 2e-3)
    )
    group = Group("x", 0, (Configuration.of(), Configuration.of("2-1")), 2)
    cpu, frames, ignore = torch.device("cpu"), FrameCache(usual.data), lambda *news: None
    twin = run_group(replace(group, rate=2e-3), usual, frames, cpu, ignore).records
    own = run_group(group, other, frames, cpu, ignore).records
    assert twin.curves["learning_rate"].tolist() == 2 * learning_rates(other.training).tolist()
    assert set(twin.trials["key"]) == {f"{c.key}@0.00200" for c in group.configurations}
    for ours, theirs in ((twin.trials, own.trials), (twin.curves, own.curves)):
        drop = ["key", "seconds"]
        pd.testing.assert_frame_equal(
            *(table.sort_values("key").drop(columns=drop, errors="ignore") for table in (ours, theirs)), check_exact=True
        )


@pytest.mark.parametrize(
    ("count", "seeds", "workers", "expected"),
    [
        (256, 1, 2, 16),  # 16 groups, 8 for each; of 18 there are 15, the last one filled up from 4: 8 rounds of 18
        (1296, 5, 2, 18),  # 360 full groups
        (35, 6, 2, 18),  # 12 groups of which 6 are filled up by one
        (36, 1, 4, 9),  # a group for each
        (5, 48, 2, 5),
        (1, 1, 8, 1),
    ],
)
def test_no_worker_is_left_with_nothing_to_do(count, seeds, workers, expected):
    """Worked by hand: (networks in a group + 2 for the step itself) times the rounds is least."""
    assert best_size(count, seeds, 18, workers) == expected
