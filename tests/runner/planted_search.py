"""A search without training: each choice and each pair of choices adds an effect to the ln error, and there is noise."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import optuna

from nfloss import Configuration
from nfloss.slots import BASELINE
from runner.experiment import Search, compatible
from runner.search.loop import search_loop
from runner.search.objectives import ObjectiveValues
from runner.search.searcher import Proposal, Searcher
from runner.search.space import Space

SEEDS = 3
NOISE = 0.03 / math.sqrt(SEEDS)
EFFECT = 0.05


class Planted:
    """Simulates training: a cell's ln error is the sum of the effects of its choices, after simplification, so that cells that
    are the same training have the same error. Interactions of two choices have SD `together`. To train twice is an error."""

    def __init__(self, seed: int, together: float = 0.0) -> None:
        self.seed, self.together, self.effects = seed, together, dict[tuple, float]()
        self.noise = np.random.default_rng([seed, 1])
        self.known: dict[str, ObjectiveValues] = {}
        self.trained: list[Proposal] = []

    def true(self, choices: Iterable[tuple[str, str]]) -> float:
        """The true ln error of a cell with these choices."""
        choices = sorted(choices)
        pairs = itertools.combinations(choices, 2) if self.together else ()
        return sum(self.effect(choice, EFFECT) for choice in choices) + sum(self.effect(pair, self.together) for pair in pairs)

    def effect(self, of: tuple, sd: float) -> float:
        if of not in self.effects:
            self.effects[of] = float(np.random.default_rng([self.seed, *repr(of).encode()]).normal(0, sd))
        return self.effects[of]

    def use_storage(self, action):
        return action()

    def known_values(self) -> dict[str, ObjectiveValues]:
        return dict(self.known)

    def trainable(self, key: str) -> bool:
        return True

    def plan_changed(self) -> None: ...

    def train(self, batch: list[Proposal]) -> bool:
        for proposal in batch:
            assert proposal.point.key not in self.known, "trained twice"
            value = math.exp(self.true(changed_choices(proposal.point.configuration)) + self.noise.normal(0, NOISE))
            self.known[proposal.point.key] = ObjectiveValues((value,), {"near": [value] * SEEDS})
            self.trained.append(proposal)
        return True


def changed_choices(configuration: Configuration) -> tuple[tuple[str, str], ...]:
    """(slot, name) of the choices that are not the baseline's."""
    return tuple((slot, choice.name) for slot, choice in configuration.choices.items() if choice != BASELINE[slot])


@lru_cache(maxsize=1)
def all_combinations() -> tuple[tuple[tuple[str, str], ...], ...]:
    """The choices of every combination of the document's fixes that does not clash."""
    space, found = Space.of(Search(fixes="document"), {}, 1e-3), set()
    for chosen in itertools.product(*[[None, *ids] for ids in space.levels.values()]):
        fixes = tuple(fix for fix in chosen if fix is not None)
        if compatible(fixes):
            found.add(changed_choices(Configuration.of(*fixes).simplified()))
    return tuple(found)


def true_best(planted: Planted) -> float:
    """The smallest ln error of any combination."""
    return min(map(planted.true, all_combinations()))


def true_of(planted: Planted, trial: optuna.trial.FrozenTrial) -> float:
    """A trial's true ln error."""
    return planted.true(changed_choices(Configuration.of(*trial.user_attrs["fixes"].split()).simplified()))


def search_planted(
    seed: int, trials: int, at_once: int, only: str | list[str] = "document", sampler: str = "tpe", together: float = 0.0
) -> tuple[Planted, Searcher, Space]:
    search = Search(trials=trials, fixes=only, sampler_seed=seed, sampler=sampler)
    space = Space.of(search, {}, 1e-3)
    planted = Planted(seed, together)
    searcher = Searcher(search, space, optuna.storages.InMemoryStorage(), "planted")
    searcher.enqueue_first([space.point((), {})])
    search_loop(searcher, planted, trials, at_once)
    return planted, searcher, space
