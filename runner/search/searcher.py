"""The Optuna study of a search: what to try next, and what it came to."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from runner.experiment import Search
from runner.search.loop import Proposal
from runner.search.objectives import NAMES, ObjectiveValues
from runner.search.sampler import distributions, make_sampler, steadiest
from runner.search.space import Point, Space
from runner.search.storage import reachable

PATIENCE = 1  # proposals that repeat a cell before one is drawn that does not
DRAWS = 2000  # cells looked at before the space is held to be used up
STEP = 100  # of these, so many are drawn before another parameter more is changed

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Searcher:
    """Proposes cells and remembers what they came to."""

    def __init__(self, search: Search, space: Space, storage: BaseStorage, name: str) -> None:
        self.search, self.space, self.storage = search, space, storage
        with self.reachable(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            directions = [StudyDirection.MINIMIZE] * len(search.objectives)
            self.study = optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)
            self.study.set_metric_names([NAMES[objective] for objective in search.objectives])

    def reachable(self) -> Any:
        return reachable(self.search.storage)

    def trials(self) -> list[FrozenTrial]:
        """Every trial that stands for a cell, in the order of their numbers."""
        with self.reachable():
            every = self.study.get_trials(deepcopy=False)
        return [trial for trial in every if "key" in trial.user_attrs and trial.state != TrialState.FAIL]

    def begin(self, starts: Sequence[Point]) -> None:
        """Have these tried first, where they have not been asked for yet."""
        known = {trial.user_attrs["key"] for trial in self.trials()}
        with self.reachable():
            others = self.study.get_trials(deepcopy=False)
            waiting = [trial.system_attrs.get("fixed_params") for trial in others if "key" not in trial.user_attrs]
            for point in starts:
                wanted = self.space.parameters(point.fixes, point.numbers)
                if wanted is not None and point.key not in known and wanted not in waiting:
                    self.study.enqueue_trial(wanted)
                    known.add(point.key)

    def tell_known(self, known: Mapping[str, ObjectiveValues]) -> None:
        """Tell Optuna of every running trial whose cell's values are known."""
        for trial in self.trials():
            result = known.get(trial.user_attrs["key"])
            if trial.state == TrialState.RUNNING and result is not None:
                self.tell(trial.number, trial._trial_id, result)

    def running(self) -> list[Proposal]:
        """The distinct cells that have been asked for and not been told, the oldest first."""
        found: dict[str, Proposal] = {}
        for trial in self.trials():
            if trial.state == TrialState.RUNNING:
                found.setdefault(trial.user_attrs["key"], proposal_of(trial, self.space))
        return list(found.values())

    def distinct(self) -> int:
        """How many distinct cells have been asked for; those that another study has found are not counted."""
        every = self.trials()
        return len({t.user_attrs["key"] for t in every} - {t.user_attrs["key"] for t in every if "from" in t.user_attrs})

    def kept(self) -> set[str]:
        """Keys of the cells that have or are to have all of their seeds: those given up are not among them."""
        every = self.trials()
        return {t.user_attrs["key"] for t in every} - {t.user_attrs["key"] for t in every if t.state == TrialState.PRUNED}

    def facts(self) -> list[dict[str, Any]]:
        """What each trial says of its cell."""
        return [{**trial.user_attrs, "pruned": trial.state == TrialState.PRUNED} for trial in self.trials()]

    def points(self) -> list[Point]:
        """Every cell that has been asked for."""
        return [proposal_of(trial, self.space).point for trial in self.trials()]

    def ask(self, values: Mapping[str, ObjectiveValues]) -> Proposal | None:
        """A cell that has not been asked for; None where the space holds no more.

        A proposal that repeats a cell is told that cell's values at once, or when they are known. The sampler is made anew,
        seeded by how far the search is: it goes on alike after an interruption.
        """
        known = {trial.user_attrs["key"] for trial in self.trials()}
        for _ in range(PATIENCE):
            proposal = self.propose()
            if proposal.point.key not in known:
                return proposal
            if proposal.point.key in values:
                self.tell_known(values)
        unseen = self.unseen(known, proposal)
        if unseen is None:
            return None
        with self.reachable():
            self.study.enqueue_trial(unseen)
        return self.propose()

    def propose(self) -> Proposal:
        """The next trial, whatever its cell."""
        with self.reachable(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            known = {trial.user_attrs["key"] for trial in self.trials()}
            self.study.sampler = make_sampler(self.search, self.space, self.count(), known)
            return self.named(self.half_asked() or self.study.ask())

    def count(self) -> int:
        return len(self.study.get_trials(deepcopy=False))

    def half_asked(self) -> optuna.Trial | None:
        """A trial that a process was killed in the middle of asking for; what it was given it keeps."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if "key" not in trial.user_attrs:
                return optuna.Trial(self.study, trial._trial_id)
        return None

    def named(self, trial: optuna.Trial) -> Proposal:
        """Sample a trial's cell and write down which it is; the key last: a trial that has one is whole."""
        point = self.space.suggest(trial)
        cell = f"trial {trial.number}" if point.fixes or point.numbers else "baseline"
        for name, value in facts(point, cell).items():
            trial.set_user_attr(name, value)
        return Proposal(trial.number, cell, point)

    def unseen(self, known: set[str], proposed: Proposal) -> dict[str, Any] | None:
        """Parameters of a cell not asked for, as near to the proposed one as there is; None where none is found."""
        near = self.space.parameters(proposed.point.fixes, proposed.point.numbers) or {}
        rng = np.random.default_rng([self.search.sampler_seed, self.count()])
        for tries in range(DRAWS):
            drawn = self.space.draw(rng, near, 1 + tries // STEP)
            if drawn is not None and drawn[1].key not in known:
                return drawn[0]
        return None

    def tell(self, number: int, trial_id: int, result: ObjectiveValues) -> None:
        """Tell a cell's values, and each seed's value, which is what is compared between cells."""
        with self.reachable():
            for objective, values in result.seeds.items():
                self.storage.set_trial_user_attr(trial_id, f"{NAMES[objective]} of each seed", values)
            self.storage.set_trial_user_attr(trial_id, "diverged seeds", result.diverged)
            if len(result.values) == 1:
                for place, value in enumerate(next(iter(result.seeds.values()))):
                    self.storage.set_trial_intermediate_value(trial_id, place, math.log(value))
            self.study.tell(number, list(result.values), skip_if_finished=True)

    def hopeless(self, number: int, logs: Sequence[float]) -> bool:
        """Whether a cell with these ln errors on its first seeds is worse than the best (Wilcoxon, p < 0.1); then told."""
        with self.reachable(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            trial_id, state = self.study.trials[number]._trial_id, self.study.trials[number].state
            if state == TrialState.PRUNED:  # told before the storage went away
                return True
            for place, value in enumerate(logs):
                self.storage.set_trial_intermediate_value(trial_id, place, value)
            pruner = optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=2)
            hopeless = pruner.prune(self.study, self.study.trials[number])
            if hopeless:
                self.study.tell(number, state=TrialState.PRUNED)
        return hopeless

    def add(self, point: Point, cell: str, result: ObjectiveValues, source: str) -> None:
        """Add a finished trial that another study has found."""
        params = self.space.parameters(point.fixes, point.numbers)
        if params is None or point.key in {trial.user_attrs["key"] for trial in self.trials()}:
            return
        attrs = {**facts(point, cell), "from": source, "diverged seeds": result.diverged}
        attrs |= {f"{NAMES[objective]} of each seed": values for objective, values in result.seeds.items()}
        kinds = {name: kind for name, kind in distributions(self.space).items() if name in params}
        with self.reachable():
            self.study.add_trial(create_trial(values=result.values, params=params, distributions=kinds, user_attrs=attrs))

    def note(self, text: str) -> None:
        """A paragraph for the dashboard, where that is installed."""
        try:
            from optuna_dashboard import save_note
        except ImportError:
            return
        with self.reachable():
            save_note(self.study, text)

    def best(self) -> list[FrozenTrial]:
        """The best trial, or those of the Pareto front; each cell once."""
        with self.reachable():
            if not self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
                return []
            front = self.study.best_trials if len(self.search.objectives) > 1 else [self.study.best_trial]
        return list({trial.user_attrs["key"]: trial for trial in reversed(front)}.values())[::-1]

    def steadiest(self) -> FrozenTrial | None:
        """The tried cell that the main effects of all speak for; only where one objective is minimised."""
        told = [trial for trial in self.trials() if trial.state == TrialState.COMPLETE]
        if not told or len(self.search.objectives) > 1:
            return None
        return told[steadiest([t.user_attrs["fixes"].split() for t in told], [t.values[0] for t in told])]


def proposal_of(trial: FrozenTrial, space: Space) -> Proposal:
    attrs = trial.user_attrs
    return Proposal(trial.number, attrs["cell"], space.point(tuple(attrs["fixes"].split()), attrs["numbers"]))


def facts(point: Point, cell: str) -> dict[str, Any]:
    """What a trial says of its cell."""
    return {"cell": cell, "fixes": " ".join(point.fixes), "numbers": dict(point.numbers), "key": point.key}
