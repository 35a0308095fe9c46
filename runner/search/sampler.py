"""Optuna's samplers, restricted to cells that are new and whose fixes do not clash."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from runner.experiment import Search
from runner.search.space import NONE, RATE, RandomSuggester, Space, issue_name

MAX_SAMPLES = 2  # a search that has converged proposes the same cell again and again, and each sample takes time
MAX_NEIGHBOURS = 2000  # drawn near a known cell
NEIGHBOURS_PER_STEP = 100  # if all of these are known, one parameter more is changed
STARTUP, POPULATION = 20, 20


class NewCellSampler(BaseSampler):
    """A sampler that proposes only new cells without clashes. A known cell is sampled again, then changed in few parameters.

    If the values of a repeated cell were told again, each would count as another measurement, and a cell with one lucky value
    would attract the search.
    """

    def __init__(self, inner: BaseSampler, space: Space, known: Collection[str], seed: int) -> None:
        self.inner, self.space, self.known = inner, space, known
        self.rng = np.random.default_rng(seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return distributions(self.space)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """All parameters at once, also those that the sampled fixes do not use. Parameters that the trial already has stay."""
        fixed = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        drawn: dict[str, Any] = {}
        for _ in range(MAX_SAMPLES):
            drawn = self.space.without_clashes({**self.sample(study, trial, search_space), **fixed})
            if fixed or self.space.suggest(RandomSuggester(self.rng, drawn, {})).key not in self.known:
                return drawn
        return {**drawn, **self.new_neighbour(study, drawn)}

    def new_neighbour(self, study: Study, drawn: dict[str, Any]) -> dict[str, Any]:
        """Parameters of a new cell near a known one: of those drawn, the cell with the smallest error by the main effects."""
        effects = study_effects(study)
        found: list[tuple[float, dict[str, Any]]] = []
        for tries in range(MAX_NEIGHBOURS):
            candidate = self.space.draw(self.rng, drawn, 1 + tries // NEIGHBOURS_PER_STEP)
            if candidate is not None and candidate[1].key not in self.known:
                found.append((sum(effects.get(fix, 0.0) for fix in candidate[1].fixes), candidate[0]))
            if found and (tries + 1) % NEIGHBOURS_PER_STEP == 0:
                break
        return min(found, key=lambda pair: pair[0])[1] if found else {}

    def sample(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """The parameters that the inner sampler proposes: jointly where it can, the others one by one."""
        joint = self.inner.infer_relative_search_space(study, trial)
        drawn = dict(self.inner.sample_relative(study, trial, joint))
        rest = {name: kind for name, kind in search_space.items() if name not in drawn}
        return drawn | {name: self.inner.sample_independent(study, trial, name, kind) for name, kind in rest.items()}

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


def study_effects(study: Study) -> dict[str, float]:
    """The main effects over the told trials; empty where there are none, or several objectives."""
    told = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) if len(study.directions) == 1 else []
    told = [trial for trial in told if "fixes" in trial.user_attrs]
    return main_effects([t.user_attrs["fixes"].split() for t in told], [t.values[0] for t in told]) if told else {}


def distributions(space: Space) -> dict[str, BaseDistribution]:
    kinds: dict[str, BaseDistribution] = {
        issue_name(n): CategoricalDistribution([NONE, *ids]) for n, ids in space.levels.items()
    }
    kinds |= {name: FloatDistribution(low, high) for name, (low, high) in space.numbers.items()}
    return kinds | ({RATE: FloatDistribution(space.rates[0], space.rates[-1], log=True)} if space.rates else {})


def make_sampler(search: Search, space: Space, done: int, known: Collection[str]) -> NewCellSampler:
    """The search's sampler.

    TPE samples each issue independently, because the effects of the fixes are almost additive. Its constant liar counts running
    trials as bad ones, so that the cells of a batch differ.

    Args:
        done: the number of trials so far, which with `sampler_seed` gives the random seed.
        known: keys of the cells proposed so far.
    """
    seed = int(np.random.SeedSequence([search.sampler_seed, done]).generate_state(1)[0])
    inner: BaseSampler
    if search.sampler == "nsga2":
        inner = NSGAIISampler(population_size=POPULATION, seed=seed)
    else:
        inner = TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=False, constant_liar=True)
    return NewCellSampler(inner, space, known, seed)


RIDGE = 1.0  # in cells: shrinks the effects of fixes that few cells have


def main_effects(cells: Sequence[Sequence[str]], errors: Sequence[float]) -> dict[str, float]:
    """Fix -> its effect on the ln error, by ridge regression on the fixes of each cell."""
    names = sorted({fix for fixes in cells for fix in fixes})
    if not names:
        return {}
    present = np.array([[float(name in fixes) for name in names] for fixes in cells])
    x, y = present - present.mean(0), np.log(np.asarray(errors, dtype=float))
    solved = np.linalg.solve(x.T @ x + RIDGE * np.eye(len(names)), x.T @ (y - y.mean()))
    return dict(zip(names, solved.tolist(), strict=True))


def best_by_effects(cells: Sequence[Sequence[str]], errors: Sequence[float]) -> int:
    """Index of the cell whose fixes' main effects add up to the smallest error.

    >>> best_by_effects([[], ["a"], ["b"], ["a", "b"]], [1.0, 0.8, 1.1, 0.9])
    1
    """
    effects = main_effects(cells, errors)
    return int(np.argmin([sum(effects[fix] for fix in fixes) for fixes in cells]))
