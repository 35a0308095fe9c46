"""A laboratory that trains nothing: each word and each two of them add an effect to the ln error, and there is noise on top."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import optuna

from nfloss import Configuration
from nfloss.slots import BASELINE
from runner.experiment import Search
from runner.search.loop import Proposal, search_loop
from runner.search.objectives import ObjectiveValues
from runner.search.searcher import Searcher
from runner.search.space import Space, clash

SEEDS = 3
NOISE = 0.03 / math.sqrt(SEEDS)
EFFECT = 0.05


class Planted:
    """Effects of the words that the fixes put into the loss, added up over a cell's simplified words: cells that train alike
    are alike. What two words do beyond their sum has SD `together`. What is trained twice is an error."""

    def __init__(self, seed: int, together: float = 0.0) -> None:
        self.seed, self.together, self.effects = seed, together, dict[tuple, float]()
        self.noise = np.random.default_rng([seed, 1])
        self.known: dict[str, ObjectiveValues] = {}
        self.asked: list[Proposal] = []

    def true(self, words: Iterable[tuple[str, str]]) -> float:
        """ln error."""
        words = sorted(words)
        pairs = itertools.combinations(words, 2) if self.together else ()
        return sum(self.effect(word, EFFECT) for word in words) + sum(self.effect(pair, self.together) for pair in pairs)

    def effect(self, of: tuple, spread: float) -> float:
        if of not in self.effects:
            self.effects[of] = float(np.random.default_rng([self.seed, *repr(of).encode()]).normal(0, spread))
        return self.effects[of]

    def decide(self, what):
        return what()

    def objective_values(self) -> dict[str, ObjectiveValues]:
        return dict(self.known)

    def trainable(self, key: str) -> bool:
        return True

    def planned(self) -> None: ...

    def train(self, batch: list[Proposal]) -> bool:
        for asked in batch:
            assert asked.point.key not in self.known, "trained twice"
            value = math.exp(self.true(words_of(asked.point.configuration)) + self.noise.normal(0, NOISE))
            self.known[asked.point.key] = ObjectiveValues((value,), {"near": [value] * SEEDS})
            self.asked.append(asked)
        return True


def words_of(configuration: Configuration) -> tuple[tuple[str, str], ...]:
    """The words that are not the baseline's."""
    return tuple((slot, word.name) for slot, word in configuration.choices.items() if word != BASELINE[slot])


@lru_cache(maxsize=1)
def all_sentences() -> tuple[tuple[tuple[str, str], ...], ...]:
    """The words of every combination of the document's fixes that does not clash."""
    space, found = Space.of(Search(fixes="document"), {}, 1e-3), set()
    for chosen in itertools.product(*[[None, *ids] for ids in space.levels.values()]):
        fixes = tuple(fix for fix in chosen if fix is not None)
        if not clash(fixes):
            found.add(words_of(Configuration.of(*fixes).simplified()))
    return tuple(found)


def true_best(planted: Planted) -> float:
    """The smallest ln error of any combination."""
    return min(map(planted.true, all_sentences()))


def true_of(planted: Planted, trial: optuna.trial.FrozenTrial) -> float:
    """A trial's true ln error."""
    return planted.true(words_of(Configuration.of(*trial.user_attrs["fixes"].split()).simplified()))


def search_planted(
    seed: int, trials: int, at_once: int, only: str | list[str] = "document", sampler: str = "tpe", together: float = 0.0
) -> tuple[Planted, Searcher, Space]:
    search = Search(trials=trials, fixes=only, sampler_seed=seed, sampler=sampler)
    space = Space.of(search, {}, 1e-3)
    planted = Planted(seed, together)
    searcher = Searcher(search, space, optuna.storages.InMemoryStorage(), "planted")
    searcher.begin([space.point((), {})])
    search_loop(searcher, planted, trials, at_once)
    return planted, searcher, space
