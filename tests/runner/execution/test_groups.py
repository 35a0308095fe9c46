"""The order of a product: its beginnings are balanced, and nothing is lost or doubled."""

from collections import Counter

import pytest

from nfloss import Configuration
from runner.execution.group_size import best_size
from runner.execution.groups import balanced, by_training, choices_of, make_groups
from runner.experiment import parse_experiment
from runner.study import plan_experiment


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
