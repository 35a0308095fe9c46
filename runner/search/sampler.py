"""Optuna's samplers, kept from proposing fixes that clash and cells that are known, so that no trial is wasted on one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from runner.experiment import Search
from runner.search.space import NONE, RATE, Drawn, Space, issue_name

REDRAWS = 2  # a search that has settled proposes the same again and again, and a draw takes its time
MOVES, STEP = 2000, 100  # cells looked at near a known one; where so many are all known, another parameter more is changed
STARTUP, POPULATION = 20, 20


class Fresh(BaseSampler):
    """A sampler whose every proposal can be trained and has not been asked for: the cell as a whole is drawn again, or moved by
    as few parameters as it takes.

    Were repeats told instead, each would weigh like another measurement, and a cell that was lucky once would draw the search
    to itself.
    """

    def __init__(self, inner: BaseSampler, space: Space, known: Collection[str], seed: int) -> None:
        self.inner, self.space, self.known = inner, space, known
        self.rng = np.random.default_rng(seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return distributions(self.space)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """All parameters at once, those too that the sampled fixes will turn out not to use. What was begun before is kept."""
        kept = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        drawn: dict[str, Any] = {}
        for _ in range(REDRAWS):
            drawn = self.space.repaired({**self.draw(study, trial, search_space), **kept})
            if kept or self.is_new(drawn):
                return drawn
        return {**drawn, **self.moved(study, drawn)}

    def moved(self, study: Study, drawn: dict[str, Any]) -> dict[str, Any]:
        """The known cell, changed into one that is not: of some near it, the one that all cells' main effects speak for."""
        effects = fitted(study)
        found: list[tuple[float, dict[str, Any]]] = []
        for tries in range(MOVES):
            candidate = self.space.draw(self.rng, drawn, 1 + tries // STEP)
            if candidate is not None and candidate[1].key not in self.known:
                found.append((sum(effects.get(fix, 0.0) for fix in candidate[1].fixes), candidate[0]))
            if found and (tries + 1) % STEP == 0:
                break
        return min(found, key=lambda pair: pair[0])[1] if found else {}

    def draw(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """What the sampler within proposes: jointly what it can, the rest one by one."""
        joint = self.inner.infer_relative_search_space(study, trial)
        drawn = dict(self.inner.sample_relative(study, trial, joint))
        rest = {name: kind for name, kind in search_space.items() if name not in drawn}
        return drawn | {name: self.inner.sample_independent(study, trial, name, kind) for name, kind in rest.items()}

    def is_new(self, drawn: dict[str, Any]) -> bool:
        return self.space.suggest(Drawn(self.rng, drawn, {})).key not in self.known

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.inner.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.inner.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        self.inner.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        self.inner.reseed_rng()


def fitted(study: Study) -> dict[str, float]:
    """The main effects of what has been told; none where several objectives are weighed."""
    told = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) if len(study.directions) == 1 else []
    told = [trial for trial in told if "fixes" in trial.user_attrs]
    return main_effects([t.user_attrs["fixes"].split() for t in told], [t.values[0] for t in told]) if told else {}


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Every parameter of the space."""
    kinds: dict[str, BaseDistribution] = {
        issue_name(n): CategoricalDistribution([NONE, *ids]) for n, ids in space.levels.items()
    }
    kinds |= {name: FloatDistribution(low, high) for name, (low, high) in space.numbers.items()}
    return kinds | ({RATE: FloatDistribution(space.rates[0], space.rates[-1], log=True)} if space.rates else {})


def make_sampler(search: Search, space: Space, done: int, known: Collection[str]) -> Fresh:
    """The search's sampler, seeded by how many trials there are; `known`: keys of the cells that have been asked for.

    TPE draws each issue by itself: the fixes' effects are near to additive. Its constant liar holds trials that are still
    running for bad ones, so that a batch spreads.
    """
    seed = int(np.random.SeedSequence([search.sampler_seed, done]).generate_state(1)[0])
    inner: BaseSampler
    if search.sampler == "nsga2":
        inner = NSGAIISampler(population_size=POPULATION, seed=seed)
    else:
        inner = TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=False, constant_liar=True)
    return Fresh(inner, space, known, seed)


RIDGE = 1.0  # in cells: a fix that few cells have is believed less


def main_effects(cells: Sequence[Sequence[str]], errors: Sequence[float]) -> dict[str, float]:
    """Fix -> what it adds to the ln error, by ridge regression on which fixes each cell has."""
    names = sorted({fix for fixes in cells for fix in fixes})
    if not names:
        return {}
    present = np.array([[float(name in fixes) for name in names] for fixes in cells])
    x, y = present - present.mean(0), np.log(np.asarray(errors, dtype=float))
    solved = np.linalg.solve(x.T @ x + RIDGE * np.eye(len(names)), x.T @ (y - y.mean()))
    return dict(zip(names, solved.tolist(), strict=True))


def steadiest(cells: Sequence[Sequence[str]], errors: Sequence[float]) -> int:
    """Place of the cell whose fixes' effects add up to the smallest error.

    >>> steadiest([[], ["a"], ["b"], ["a", "b"]], [1.0, 0.8, 1.1, 0.9])
    1
    """
    effects = main_effects(cells, errors)
    return int(np.argmin([sum(effects[fix] for fix in fixes) for fixes in cells]))
