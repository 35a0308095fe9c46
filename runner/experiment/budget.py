"""Which designs fit into a number of trials, and what each of them leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from runner.experiment.cells import CUMULATIVE_ORDER, RECOMMENDATION
from runner.experiment.experiment import Experiment, parse_experiment
from runner.experiment.factorial import DesignError
from runner.experiment.plan import make_plan

FEWEST_SEEDS = 3  # with fewer the confidence intervals are too wide to be of use
#: The recommendation without 10-1, which makes the same choice as 1-1, and 7-1, which only records.
RECOMMENDED_FACTORS = [fix for fix in RECOMMENDATION if fix not in ("10-1", "7-1")]
#: (name, YAML, what it answers, what it leaves open), from the design that resolves least to the one that resolves most.
DESIGNS: tuple[tuple[str, Mapping[str, Any], str, str], ...] = (
    (
        "cumulative",
        {"cumulative": True},
        f"what each step of the document's order of work adds ({sum(map(len, CUMULATIVE_ORDER))} steps)",
        "a step's effect alone: each is measured on top of the steps before it",
    ),
    (
        "the document's fixes one at a time",
        {"one_at_a_time": "document"},
        "each of the document's fixes alone",
        "what fixes do together; whether another near weight would give the same gain",
    ),
    (
        "covering array of strength 2",
        {"covering": {"issues": "all", "strength": 2}},
        "every two fixes together at least once; the best and worst combinations",
        "unbiased effects: the array is not balanced",
    ),
    (
        "fraction of resolution 4",
        {"fractional": {"fixes": RECOMMENDED_FACTORS, "resolution": 4}},
        f"main effects of {len(RECOMMENDED_FACTORS)} recommended fixes, averaged over the others",
        "which of two aliased pairs interacts; an issue's other fixes",
    ),
    (
        "one at a time, leave one out, near weights",
        {"one_at_a_time": "all", "leave_one_out": True, "near_weights": [1.0, 1.2, 1.5, 2.0, 3.0, 8.0]},
        "each fix alone, within the recommendation, and against the near-weight curve",
        "which two fixes interact",
    ),
    (
        "all pairs",
        {"pairs": "document"},
        "the interaction of each two of the document's fixes",
        "three fixes together; a pair beside other fixes",
    ),
    (
        "fraction of resolution 5",
        {"fractional": {"fixes": RECOMMENDED_FACTORS, "resolution": 5}},
        f"main effects and all pairs of {len(RECOMMENDED_FACTORS)} recommended fixes",
        "three fixes together; an issue's other fixes",
    ),
    (
        "the full product",
        {"cartesian": "all"},
        "everything about the document's fixes",
        "fixes beyond the document's; other data, networks, learning rates",
    ),
)


@dataclass(frozen=True)
class DesignOption:
    """A design, its number of distinct configurations, and the number of seeds that the budget allows."""

    name: str
    design: Mapping[str, Any]
    distinct: int
    seeds: int
    answers: str
    leaves_open: str

    @property
    def fits(self) -> bool:
        return self.seeds >= FEWEST_SEEDS

    def block(self) -> str:
        """The `design` and `seeds` of an experiment file, as YAML."""
        return yaml.safe_dump(
            {"design": dict(self.design), "seeds": self.seeds}, sort_keys=False, default_flow_style=None
        ).rstrip()


def design_options(experiment: Experiment, trials: int) -> list[DesignOption]:
    """Every design of `DESIGNS` at a budget of so many trials; a design whose library is not installed is left out."""
    options = []
    settings = experiment.model_dump(mode="json")
    for name, design, answers, leaves_open in DESIGNS:
        try:
            distinct = make_plan(parse_experiment({**settings, "design": dict(design)}, name)).count("trained")
        except DesignError:
            continue
        options.append(DesignOption(name, design, distinct, trials // distinct, answers, leaves_open))
    return options


def best_option(options: list[DesignOption]) -> DesignOption | None:
    """The option that resolves most among those with at least three seeds; None where none has three."""
    fitting = [option for option in options if option.fits]
    return fitting[-1] if fitting else None
