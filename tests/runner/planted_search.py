"""A laboratory that trains nothing: each fix adds its own effect to the ln error, and noise on top."""

from __future__ import annotations

import math
from contextlib import nullcontext

import numpy as np
import optuna

from runner.search import Searcher
from runner.search_loop import Asked, search_loop
from runner.search_settings import Search
from runner.search_values import Worth
from runner.space import NONE, Space, clash

SEEDS = 3
NOISE = 0.03 / math.sqrt(SEEDS)


class Planted:
    """Effects of the fixes by their identifiers; what is asked twice is an error."""

    def __init__(self, seed: int, space: Space) -> None:
        rng = np.random.default_rng(seed)
        self.effects = {fix: rng.normal(0, 0.05) for ids in space.levels.values() for fix in ids}
        self.noise = np.random.default_rng([seed, 1])
        self.known: dict[str, Worth] = {}
        self.asked: list[Asked] = []

    def true(self, fixes: tuple[str, ...]) -> float:
        """ln error."""
        return sum(self.effects[fix] for fix in fixes)

    def turn(self):
        return nullcontext()

    def worths(self) -> dict[str, Worth]:
        return dict(self.known)

    def claim(self, key: str) -> bool:
        return True

    def planned(self) -> None: ...

    def train(self, batch: list[Asked]) -> bool:
        for asked in batch:
            assert asked.point.key not in self.known, "trained twice"
            value = math.exp(self.true(asked.point.fixes) + self.noise.normal(0, NOISE))
            self.known[asked.point.key] = Worth((value,), {"near": [value] * SEEDS})
            self.asked.append(asked)
        return True


def true_best(planted: Planted, space: Space) -> float:
    """The smallest ln error of any combination without clashes, branch and bound."""
    levels = [[NONE, *sorted(ids, key=planted.effects.get)] for ids in space.levels.values()]
    least = [min(0.0, *(planted.effects[fix] for fix in ids)) for ids in space.levels.values()]
    best = 0.0

    def descend(place: int, chosen: tuple[str, ...], value: float) -> None:
        nonlocal best
        best = min(best, value)
        if place == len(levels) or value + sum(least[place:]) >= best:
            return
        for fix in [*levels[place][1:], NONE]:
            more = chosen if fix == NONE else (*chosen, fix)
            if not clash(more):
                descend(place + 1, more, value + (0.0 if fix == NONE else planted.effects[fix]))

    descend(0, (), 0.0)
    return best


def search_planted(
    seed: int, trials: int, at_once: int, only: str | list[str] = "document", sampler: str = "tpe"
) -> tuple[Planted, Searcher, Space]:
    search = Search(trials=trials, fixes=only, sampler_seed=seed, sampler=sampler)
    space = Space.of(search, {}, 1e-3)
    planted = Planted(seed, space)
    searcher = Searcher(search, space, optuna.storages.InMemoryStorage(), "planted")
    searcher.begin([space.point((), {})])
    search_loop(searcher, planted, trials, at_once)
    return planted, searcher, space
