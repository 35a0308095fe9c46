"""The Optuna study of a search: proposes cells and stores their values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from runner.experiment import Search
from runner.search.objectives import OBJECTIVE_NAMES, ObjectiveValues
from runner.search.sampler import best_by_effects, distributions, make_sampler
from runner.search.space import Point, Space
from runner.search.storage import storage_errors

MAX_DRAWS = 2000  # without a new cell, after which the space counts as exhausted
DRAWS_PER_STEP = 100  # if none of these is new, one parameter more is changed

optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(frozen=True)
class Proposal:
    """A cell that the search has proposed, and the number of its Optuna trial."""

    number: int
    cell: str
    point: Point


class Searcher:
    """Proposes cells and stores their values. Any method raises StorageError where the storage cannot be reached."""

    def __init__(self, search: Search, space: Space, storage: BaseStorage, name: str) -> None:
        self.search, self.space, self.storage = search, space, storage
        with self.storage_errors():
            directions = [StudyDirection.MINIMIZE] * len(search.objectives)
            self.study = optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)
            self.study.set_metric_names([OBJECTIVE_NAMES[objective] for objective in search.objectives])

    def storage_errors(self) -> Any:
        return storage_errors(self.search.storage)

    def trials(self) -> list[FrozenTrial]:
        """Every trial whose cell is known, in the order of their numbers."""
        with self.storage_errors():
            every = self.study.get_trials(deepcopy=False)
        return [trial for trial in every if "key" in trial.user_attrs and trial.state != TrialState.FAIL]

    def enqueue_first(self, starts: Sequence[Point]) -> None:
        """Have these cells proposed first, unless they were proposed or enqueued before."""
        known = {trial.user_attrs["key"] for trial in self.trials()}
        with self.storage_errors():
            others = self.study.get_trials(deepcopy=False)
            waiting = [trial.system_attrs.get("fixed_params") for trial in others if "key" not in trial.user_attrs]
            for point in starts:
                wanted = self.space.parameters(point.fixes, point.numbers)
                if wanted is not None and point.key not in known and wanted not in waiting:
                    self.study.enqueue_trial(wanted)
                    known.add(point.key)

    def tell_known(self, known: Mapping[str, ObjectiveValues]) -> None:
        """Tell Optuna the values of every running trial whose cell's values are known."""
        for trial in self.trials():
            result = known.get(trial.user_attrs["key"])
            if trial.state == TrialState.RUNNING and result is not None:
                self.tell(trial.number, trial._trial_id, result)

    def running(self) -> list[Proposal]:
        """The distinct cells whose trials are running, the oldest first."""
        found: dict[str, Proposal] = {}
        for trial in self.trials():
            if trial.state == TrialState.RUNNING:
                found.setdefault(trial.user_attrs["key"], proposal_of(trial, self.space))
        return list(found.values())

    def distinct(self) -> int:
        """The number of distinct cells proposed so far, without those of a warm start."""
        every = self.trials()
        return len({t.user_attrs["key"] for t in every} - {t.user_attrs["key"] for t in every if "from" in t.user_attrs})

    def unpruned_keys(self) -> set[str]:
        """Keys of the cells that were not pruned: they have all seeds, or will have."""
        every = self.trials()
        return {t.user_attrs["key"] for t in every} - {t.user_attrs["key"] for t in every if t.state == TrialState.PRUNED}

    def cell_attributes(self) -> list[dict[str, Any]]:
        """The attributes of each trial, which describe its cell, and whether it was pruned."""
        return [{**trial.user_attrs, "pruned": trial.state == TrialState.PRUNED} for trial in self.trials()]

    def points(self) -> list[Point]:
        return [proposal_of(trial, self.space).point for trial in self.trials()]

    def ask(self, values: Mapping[str, ObjectiveValues]) -> Proposal | None:
        """A cell that was not proposed before; None where the space has no more.

        A trial that repeats a cell is told that cell's values as soon as they are known. The sampler is made again for each
        trial, seeded by the number of trials, so that an interrupted search continues in the same way.
        """
        known = {trial.user_attrs["key"] for trial in self.trials()}
        proposal = self.propose()
        if proposal.point.key not in known:
            return proposal
        if proposal.point.key in values:
            self.tell_known(values)
        parameters = self.new_parameters(known, proposal)
        if parameters is None:
            return None
        with self.storage_errors():
            self.study.enqueue_trial(parameters)
        return self.propose()

    def propose(self) -> Proposal:
        """The next trial, whether or not its cell is new."""
        with self.storage_errors():
            known = {trial.user_attrs["key"] for trial in self.trials()}
            self.study.sampler = make_sampler(self.search, self.space, len(self.study.get_trials(deepcopy=False)), known)
            return self.sample_cell(self.unsampled_trial() or self.study.ask())

    def unsampled_trial(self) -> optuna.Trial | None:
        """A trial whose process was killed before its cell was sampled; its sampled parameters stay. None if there is none."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if "key" not in trial.user_attrs:
                return optuna.Trial(self.study, trial._trial_id)
        return None

    def sample_cell(self, trial: optuna.Trial) -> Proposal:
        """Sample a trial's cell and store its attributes; the key comes last, so that a trial with a key is complete."""
        point = self.space.suggest(trial)
        cell = f"trial {trial.number}" if point.fixes or point.numbers else "baseline"
        for name, value in attributes(point, cell).items():
            trial.set_user_attr(name, value)
        return Proposal(trial.number, cell, point)

    def new_parameters(self, known: set[str], proposed: Proposal) -> dict[str, Any] | None:
        """Parameters of a new cell, which differs in few parameters from the proposed one; None where none is found."""
        near = self.space.parameters(proposed.point.fixes, proposed.point.numbers) or {}
        rng = np.random.default_rng([self.search.sampler_seed, len(self.study.get_trials(deepcopy=False))])
        for tries in range(MAX_DRAWS):
            drawn = self.space.draw(rng, near, 1 + tries // DRAWS_PER_STEP)
            if drawn is not None and drawn[1].key not in known:
                return drawn[0]
        return None

    def tell(self, number: int, trial_id: int, result: ObjectiveValues) -> None:
        """Tell a trial's values, and store the value of each seed, by which cells are compared when they are pruned."""
        with self.storage_errors():
            for objective, values in result.seeds.items():
                self.storage.set_trial_user_attr(trial_id, f"{OBJECTIVE_NAMES[objective]} of each seed", values)
            self.storage.set_trial_user_attr(trial_id, "diverged seeds", result.diverged)
            if len(result.values) == 1:
                for place, value in enumerate(next(iter(result.seeds.values()))):
                    self.storage.set_trial_intermediate_value(trial_id, place, math.log(value))
            self.study.tell(number, list(result.values), skip_if_finished=True)

    def prune_if_worse(self, number: int, logs: Sequence[float]) -> bool:
        """Whether a cell with these ln errors on its first seeds is worse than the best (Wilcoxon, p < 0.1); prune it then."""
        with self.storage_errors():
            trial_id, state = self.study.trials[number]._trial_id, self.study.trials[number].state
            if state == TrialState.PRUNED:  # before the storage could not be reached
                return True
            for place, value in enumerate(logs):
                self.storage.set_trial_intermediate_value(trial_id, place, value)
            pruner = optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=2)
            worse = pruner.prune(self.study, self.study.trials[number])
            if worse:
                self.study.tell(number, state=TrialState.PRUNED)
        return worse

    def add_finished(self, point: Point, cell: str, result: ObjectiveValues, source: str) -> None:
        """Add a finished trial of another study, unless the space does not contain its cell or it is known."""
        params = self.space.parameters(point.fixes, point.numbers)
        if params is None or point.key in {trial.user_attrs["key"] for trial in self.trials()}:
            return
        attrs = {**attributes(point, cell), "from": source, "diverged seeds": result.diverged}
        attrs |= {f"{OBJECTIVE_NAMES[objective]} of each seed": values for objective, values in result.seeds.items()}
        kinds = {name: kind for name, kind in distributions(self.space).items() if name in params}
        with self.storage_errors():
            self.study.add_trial(create_trial(values=result.values, params=params, distributions=kinds, user_attrs=attrs))

    def save_note(self, text: str) -> None:
        """Store a note for the dashboard, where the dashboard is installed."""
        try:
            from optuna_dashboard import save_note
        except ImportError:
            return
        with self.storage_errors():
            save_note(self.study, text)

    def best_trials(self) -> list[FrozenTrial]:
        """The best trial, or those of the Pareto front, each cell once; empty where none is told."""
        with self.storage_errors():
            if not self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
                return []
            front = self.study.best_trials if len(self.search.objectives) > 1 else [self.study.best_trial]
        return list({trial.user_attrs["key"]: trial for trial in reversed(front)}.values())[::-1]

    def best_by_effects(self) -> FrozenTrial | None:
        """The told trial with the smallest error by main effects; None without told trials, or with several objectives."""
        told = [trial for trial in self.trials() if trial.state == TrialState.COMPLETE]
        if not told or len(self.search.objectives) > 1:
            return None
        return told[best_by_effects([t.user_attrs["fixes"].split() for t in told], [t.values[0] for t in told])]


def proposal_of(trial: FrozenTrial, space: Space) -> Proposal:
    attrs = trial.user_attrs
    return Proposal(trial.number, attrs["cell"], space.point(tuple(attrs["fixes"].split()), attrs["numbers"]))


def attributes(point: Point, cell: str) -> dict[str, Any]:
    """A trial's attributes, which describe its cell."""
    return {"cell": cell, "fixes": " ".join(point.fixes), "numbers": dict(point.numbers), "key": point.key}
