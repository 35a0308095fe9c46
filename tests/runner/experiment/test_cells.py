"""The plan of each design, against counts that were worked out by hand."""

from pathlib import Path

import pytest

from runner.experiment import RECOMMENDATION, ExperimentError, load_experiment, make_plan, parse_experiment

EXPERIMENTS = Path(__file__).parents[3] / "experiments"


def plan(**design):
    return make_plan(parse_experiment({"name": "t", "design": design}, "t"))


def by_name(the_plan):
    return {a.cell.name: a for a in the_plan.cells}


def test_full_factorial_counts():
    """3*4*2*3*3*3*3*2*4*3 = 46,656; issues 1 and 10 clash as 1-2 with 10-1, one ninth: 5,184."""
    the_plan = make_plan(load_experiment(EXPERIMENTS / "full_factorial.yaml"))
    assert len(the_plan.cells) == 46_656
    assert the_plan.count("clash") == 5_184
    assert the_plan.count("trained") + the_plan.count("same as") + the_plan.count("clash") == 46_656
    assert all("1-2" in a.reason and "10-1" in a.reason for a in the_plan.cells if a.status == "clash")


def test_cartesian_over_two_issues_by_hand():
    """Issues 1 and 10: nine cells; 1-1 = 10-1 = both, 10-2 is no-op: batch mean, constant and nothing remain."""
    the_plan = plan(cartesian=[1, 10])
    assert [the_plan.count(status) for status in ("trained", "same as", "clash")] == [3, 5, 1]


def test_one_at_a_time_names_what_is_the_same():
    cells = by_name(plan(one_at_a_time="all"))
    assert len(cells) == 26
    assert {name for name, a in cells.items() if a.same_as == "baseline"} == {"+4-1", "+7-1", "+7-2", "+10-2"}
    assert cells["+10-1"].same_as == "+1-1"
    assert len(plan(one_at_a_time="document").cells) == 21


def test_leave_one_out_leaves_equal_fixes_out_together():
    cells = by_name(plan(leave_one_out=True))
    assert set(cells) == {"baseline", "full", *(f"full-{fix}" for fix in RECOMMENDATION), "full-1-1-10-1", "full with 5-1w"}
    assert {name for name, a in cells.items() if a.same_as == "full"} == {"full-1-1", "full-7-1", "full-10-1"}


def test_cumulative_follows_the_documents_order():
    fixes = [a.cell.fixes for a in plan(cumulative=True).cells]
    assert fixes[0] == () and fixes[4] == ("1-1", "2-1", "3-1", "5-1") and set(fixes[-1]) == set(RECOMMENDATION)


def test_explicit_and_near_weights():
    cells = by_name(plan(explicit={"mine": ["smooth-tanh", "2-1"]}, near_weights=[1, 5]))
    assert cells["mine"].cell.fixes == ("5-1", "2-1")
    assert cells["near weight 5"].same_as == "baseline"
    assert cells["near weight 1"].status == "trained"


def test_an_explicit_clash_is_refused():
    with pytest.raises(ExperimentError, match="both: fixes 1-2 and 10-1 clash"):
        plan(explicit={"both": ["1-2", "10-1"]})


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_experiments_are_valid(path):
    assert load_experiment(path).name == path.stem


def test_ablation_has_the_cells_that_it_describes():
    the_plan = make_plan(load_experiment(EXPERIMENTS / "ablation.yaml"))
    names = set(by_name(the_plan))
    assert {f"full-{fix}" for fix in RECOMMENDATION} <= names
    assert len({name for name in names if name.startswith("+")}) == 25
    assert len(the_plan.experiment.seeds) >= 6
