"""Designs from libraries, checked against their definitions by slow loops, and against textbook fractions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nfloss import Configuration
from runner.experiment import FEWEST_SEEDS, Design, ExperimentError, best_option, design_options, make_plan, parse_experiment
from runner.experiment.cells import compatible, design_aliases, design_cells, levels_of_issues
from runner.experiment.factorial import DesignError, find_aliases, smallest_fraction

EIGHT = ("1-1", "2-1", "3-1", "4-2", "5-1", "6-1", "8-1", "9-3")


def made(**design: object) -> list[tuple[str, ...]]:
    return [cell.fixes for cell in design_cells(Design.model_validate(design))]


def test_aliases_of_the_half_fraction_of_four() -> None:
    """D = ABC gives I = ABCD: AB = CD, AC = BD, AD = BC (any textbook); main effects are clear."""
    runs = np.array([(a, b, c, a ^ b ^ c) for a, b, c in itertools.product((False, True), repeat=3)])
    assert set(find_aliases(runs, "ABCD")) == {("A x B", "C x D"), ("A x C", "B x D"), ("A x D", "B x C")}


def test_aliases_of_the_half_fraction_of_three() -> None:
    """C = AB: every main effect is a pair."""
    runs = np.array([(a, b, not a ^ b) for a, b in itertools.product((False, True), repeat=2)])
    assert set(find_aliases(runs, "ABC")) == {("A", "B x C"), ("B", "A x C"), ("C", "A x B")}


@pytest.mark.parametrize(
    ("count", "resolution", "most"), [(3, 5, 8), (4, 4, 16), (6, 4, 16), (6, 5, 32), (8, 4, 16), (8, 3, 16)]
)
def test_a_fraction_has_its_resolution(count: int, resolution: int, most: int) -> None:
    """Balanced: every fix is on in half of the cells, every two together in a quarter; sizes from
    Montgomery's table, except for four fixes, for which the library only has the full product."""
    found = smallest_fraction(EIGHT[:count], resolution)
    assert found.resolution >= resolution and len(found.runs) <= most
    assert (found.runs.mean(axis=0) == 0.5).all()
    if resolution > 3:
        for i, j in itertools.combinations(range(count), 2):
            assert (found.runs[:, i] & found.runs[:, j]).mean() == 0.25


def test_the_resolution_that_the_library_states_is_checked() -> None:
    """pyDOE3 gives 32 runs for ten factors at "resolution 5", in which pairs are aliased."""
    ten = (*EIGHT, "7-1", "10-1")
    assert smallest_fraction(ten, 5).resolution == 5 and len(smallest_fraction(ten, 5).runs) > 32


def test_a_fraction_of_too_many_fixes_is_refused() -> None:
    with pytest.raises(DesignError, match="at most 16"):
        smallest_fraction([f"fix {i}" for i in range(17)], 5)


def test_every_two_levels_are_in_a_cell_together() -> None:
    """By the definition, over all pairs of levels of all issues that do not clash; and no cell clashes."""
    found = [set(fixes) for fixes in made(covering={"issues": "all", "strength": 2})]
    levels = levels_of_issues("all")
    for one, other in itertools.combinations(levels, 2):
        for a, b in itertools.product(one, other):
            wanted = {fix for fix in (a, b) if fix}
            if compatible(tuple(sorted(wanted))):
                assert any(cell & {*one, *other} == wanted for cell in found), (a, b)
    assert all(compatible(tuple(sorted(cell))) for cell in found)
    assert len(found) < 40 and found[0] == set()


def test_all_pairs() -> None:
    """Three fixes of three issues: the baseline, three alone, three together; two fixes of one issue are never together."""
    assert made(pairs=["1-1", "2-1", "5-1"]) == [
        (), ("1-1",), ("2-1",), ("5-1",), ("1-1", "2-1"), ("1-1", "5-1"), ("2-1", "5-1"),
    ]  # fmt: skip
    assert ("1-1", "1-2") not in made(pairs=["1-1", "1-2"])


def test_a_product_leaves_out_what_is_excluded() -> None:
    whole, some = made(cartesian=[1, 5]), made(cartesian={"issues": [1, 5], "exclude": [["1-1", "5-1"], ["1-2"]]})
    assert set(whole) - set(some) == {("1-1", "5-1"), ("1-2",), ("1-2", "5-1"), ("1-2", "5-2")}


def test_a_product_over_slots() -> None:
    """Each factor's fixes fill its slot; a fix of two slots is in the first alone, so that none appears twice."""
    for fixes in made(cartesian={"slots": ["residual", "temper"]}):
        assert len(set(fixes)) == len(fixes)
        assert sum("residual" in Configuration.of(fix).choices for fix in fixes) <= 2


@pytest.mark.parametrize(
    ("design", "said"),
    [
        ({"fractional": {"fixes": ["1-1", "2-1"]}}, "at least 3"),
        ({"fractional": {"fixes": ["1-1", "1-2", "2-1"]}}, "1-1 and 1-2 clash"),
        ({"fractional": {"fixes": ["1-1", "2-1", "3-1"], "resolution": 9}}, "resolution"),
        ({"covering": {"issues": [1, 11]}}, "there is no issue 11"),
        ({"covering": {"issues": [1, 2], "strength": 7}}, "strength"),
        ({"cartesian": {"slots": ["wegh"]}}, "did you mean 'weigh'"),
        ({"cartesian": {"issues": [1], "slots": ["weigh"]}}, "give either issues or slots"),
        ({"cartesian": {"issues": [1], "exclude": [["1-7"]]}}, "unknown fix '1-7'"),
        ({"cartesian": {"issues": [1], "seeds": [1]}}, "unknown key 'design.cartesian.seeds'"),
        ({"seeds": [1, 2]}, "unknown key 'design.seeds'"),
        ({}, "an empty design"),
    ],
)
def test_a_design_that_is_wrong_is_one_line(design: dict[str, object], said: str) -> None:
    with pytest.raises(ExperimentError) as wrong:
        parse_experiment({"name": "x", "design": design}, "x.yaml")
    assert said in str(wrong.value) and "\n" not in str(wrong.value)


def test_the_design_for_a_budget() -> None:
    experiment = parse_experiment({"name": "x", "design": {"one_at_a_time": "all"}}, "x")
    found = design_options(experiment, 200)
    chosen = best_option(found)
    assert chosen is not None and chosen.distinct * chosen.seeds <= 200 and chosen.seeds >= FEWEST_SEEDS
    plan = make_plan(parse_experiment({"name": "y", "design": dict(chosen.design), "seeds": chosen.seeds}, "y"))
    assert plan.count("trained") == chosen.distinct and plan.trials <= 200
    assert all(later.distinct * FEWEST_SEEDS > 200 for later in found[found.index(chosen) + 1 :])


def test_aliases_are_known_before_training() -> None:
    assert design_aliases(Design.model_validate({"fractional": {"fixes": list(EIGHT[:6]), "resolution": 5}})) == ()
    assert design_aliases(Design.model_validate({"fractional": {"fixes": list(EIGHT[:6]), "resolution": 4}}))
    assert design_aliases(Design.model_validate({"pairs": "all"})) == ()
