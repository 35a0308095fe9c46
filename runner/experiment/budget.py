"""Which design a number of trials can pay for, and what that design cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from runner.experiment.cells import CUMULATIVE_ORDER, RECOMMENDATION
from runner.experiment.experiment import Experiment, parse_experiment
from runner.experiment.factorial import DesignError
from runner.experiment.plan import make_plan

FEWEST_SEEDS = 3  # with fewer there is no interval worth the name
#: The recommendation without the fix that repeats another's words and the one that only records.
FACTORS = [fix for fix in RECOMMENDATION if fix not in ("10-1", "7-1")]
#: From the least to the most that a design resolves: its YAML, what it answers, what it cannot.
KNOWN: tuple[tuple[str, Mapping[str, Any], str, str], ...] = (
    (
        "cumulative",
        {"cumulative": True},
        f"what the document's order of work gives, step by step ({sum(map(len, CUMULATIVE_ORDER))} steps)",
        "which step's gain is its own: each is measured on top of those before it",
    ),
    (
        "the document's fixes one at a time",
        {"one_at_a_time": "document"},
        "each of the document's fixes alone",
        "what fixes do together; whether a gain is more than another near weight",
    ),
    (
        "covering array of strength 2",
        {"covering": {"issues": "all", "strength": 2}},
        "every two fixes meet at least once; the worst and best combinations",
        "effects free of each other: the array is not balanced",
    ),
    (
        "fraction of resolution 4",
        {"fractional": {"fixes": FACTORS, "resolution": 4}},
        f"main effects of {len(FACTORS)} recommended fixes, averaged over the others",
        "which of two aliased pairs interacts; other variants of an issue",
    ),
    (
        "one at a time, leave one out, near weights",
        {"one_at_a_time": "all", "leave_one_out": True, "near_weights": [1.0, 1.2, 1.5, 2.0, 3.0, 8.0]},
        "each fix alone, in the whole, and against the near weight's curve",
        "which other fix an interaction is with",
    ),
    (
        "all pairs",
        {"pairs": "document"},
        "each two of the document's fixes: their interaction by itself",
        "three fixes together; what a pair does among others",
    ),
    (
        "fraction of resolution 5",
        {"fractional": {"fixes": FACTORS, "resolution": 5}},
        f"main effects and all pairs of {len(FACTORS)} recommended fixes",
        "three fixes together; other variants of an issue",
    ),
    (
        "the full product",
        {"cartesian": "all"},
        "everything about the document's fixes",
        "fixes beyond the document's; other data, networks, learning rates",
    ),
)


@dataclass(frozen=True)
class Proposal:
    """A design with its cost: distinct configurations, and the seeds that the budget pays for."""

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
        """As YAML for an experiment file."""
        return yaml.safe_dump(
            {"design": dict(self.design), "seeds": self.seeds}, sort_keys=False, default_flow_style=None
        ).rstrip()


def proposals(experiment: Experiment, trials: int) -> list[Proposal]:
    """Every known design at this budget, in the order of what it resolves; a design that lacks its library is left out."""
    found = []
    settings = experiment.model_dump(mode="json")
    for name, design, answers, leaves_open in KNOWN:
        try:
            distinct = make_plan(parse_experiment({**settings, "design": dict(design)}, name)).count("trained")
        except DesignError:
            continue
        found.append(Proposal(name, design, distinct, trials // distinct, answers, leaves_open))
    return found


def best(found: list[Proposal]) -> Proposal | None:
    """The one that resolves most of those that the budget pays for with at least three seeds."""
    fitting = [proposal for proposal in found if proposal.fits]
    return fitting[-1] if fitting else None
