"""Run a search: cells are proposed, trained with all seeds, recorded, and their values told to Optuna."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from runner.execution import FrameCache, Group, Observer, make_groups, processes, record_key
from runner.experiment import RECOMMENDATION, Cell, Experiment, Plan, PlannedCell, Search
from runner.records import keys_and_seeds, read_trials, write_table
from runner.search.loop import search_loop
from runner.search.objectives import FINAL_COLUMNS, ObjectiveValues, objective_values, trials_of_seeds
from runner.search.searcher import Proposal, Searcher
from runner.search.space import Space
from runner.search.storage import StorageError, open_storage, retry
from runner.search.summary import best_lines, plan_table, search_note
from runner.search.warm_start import claim_storage, warm_start
from runner.study import Outcome, StudyRun, check_code, dataset_weight_mean, open_run

T = TypeVar("T")


@dataclass(frozen=True)
class SearchOutcome:
    """The outcome of a search, its best cells as lines of text, and the error that ended it, or ""."""

    outcome: Outcome
    best_cells: list[str]
    error: str = ""


def search_settings(experiment: Experiment) -> Search:
    assert experiment.design.optuna is not None
    return experiment.design.optuna


def search_space(experiment: Experiment, frames: FrameCache) -> Space:
    rate = experiment.training.learning_rate
    mean_weight = partial(dataset_weight_mean, experiment, frames)
    return Space.of(search_settings(experiment), experiment.loss, rate, mean_weight)


def sampled_plan(experiment: Experiment, frames: FrameCache) -> Plan:
    """A plan of random cells, as many as the search trains: an example from which time and memory can be estimated."""
    space, rng, drawn = search_space(experiment, frames), np.random.default_rng(0), dict[str, PlannedCell]()
    for _ in range(4 * search_settings(experiment).trials):
        found = space.draw(rng, {}, 0)
        if found is not None and len(drawn) < search_settings(experiment).trials:
            point = found[1]
            drawn[point.key] = PlannedCell(
                Cell("optuna", point.key, point.fixes, point.numbers), "trained", point.configuration
            )
    return Plan(experiment, tuple(drawn.values()))


def run_search(
    experiment: Experiment, folder: Path, resume: bool, max_seconds: float | None, observer: Observer | None = None
) -> SearchOutcome:
    """Run the experiment's search in a folder, or resume it.

    Raises:
        StorageError: the search's storage cannot be used, and nothing was trained yet.
        ValueError: as `open_run`.
    """
    search, observer = search_settings(experiment), observer or Observer()
    earlier = Path(search.warm_start) if search.warm_start else None
    with open_run(experiment, folder, resume, max_seconds, observer, partial(sampled_plan, experiment), earlier) as run:
        trainer = StudyTrainer(run, open_searcher(run))
        try:
            at_once = search.batch(run.size, processes(experiment, run.device))
            search_loop(trainer.searcher, trainer, search.trials, at_once)
            return trainer.use_storage(trainer.outcome)
        except StorageError as error:
            if not trainer.trained:
                raise
            return trainer.outcome_without_storage(f"{error}; what was trained is recorded, continue with --resume")


def open_searcher(run: StudyRun) -> Searcher:
    """The search in the run's folder and storage, which is begun where there is none."""
    experiment, folder, space = run.experiment, run.folder, search_space(run.experiment, run.frames)
    search = search_settings(experiment)
    storage = open_storage(folder, search.storage)
    searcher = Searcher(search, space, storage, experiment.name)
    claim_storage(searcher.study, folder, search.storage)
    cells = {point.key: point.configuration for point in searcher.points()}
    check_code(folder, cells, experiment, "and a search cannot drop the values it was told; choose another --out-dir")
    fresh = not (folder / "plan.parquet").exists()
    run.describe(run.plan.table() if fresh else plan_table(searcher.cell_attributes()))
    searcher.save_note(search_note(experiment, space))
    if search.warm_start is not None:
        warm_start(searcher, experiment, Path(search.warm_start), folder)
    searcher.enqueue_first([space.point((), {}), space.point(search.allowed_fixes(RECOMMENDATION), {})])
    planned = search.trials * len(experiment.seeds)
    run.observer.begin(f"a search: {planned} trials at most", len(keys_and_seeds(read_trials(run.records))), planned)
    return searcher


@dataclass
class StudyTrainer:
    """Trains the cells of `search_loop` in a study's folder."""

    run: StudyRun
    searcher: Searcher
    failed: set[str] = field(default_factory=set)  # keys of cells that the machine failed to train
    trained: bool = False

    @property
    def seeds(self) -> list[int]:
        return self.run.experiment.seeds

    def use_storage(self, action: Callable[[], T]) -> T:
        return retry(action, self.run.observer.note)

    def known_values(self) -> dict[str, ObjectiveValues]:
        baseline = self.searcher.space.point((), {}).key
        return objective_values(self.run.folder, self.seeds, self.searcher.search.objectives, baseline)

    def trainable(self, key: str) -> bool:
        return key not in self.failed

    def plan_changed(self) -> None:
        table = plan_table(self.searcher.cell_attributes())
        if len(table):
            write_table(self.run.folder / "plan.parquet", table)

    def train(self, batch: list[Proposal]) -> bool:
        """Train all seeds at once or, where cells may be pruned, one seed after another."""
        self.trained = True
        rounds = [[seed] for seed in self.seeds] if self.searcher.search.prune else [list(self.seeds)]
        remaining = batch
        for number, seeds in enumerate(rounds, start=1):
            done = keys_and_seeds(read_trials(self.run.records))
            groups = [left for group in self.groups(remaining, seeds) if (left := group.without(done))]
            for group in self.run.train(groups):
                self.failed |= {record_key(c, group.rate) for c in group.configurations}
            if number < len(rounds):
                remaining = self.prune(remaining, self.seeds[:number])
        return not self.run.budget.spent

    def groups(self, batch: list[Proposal], seeds: Sequence[int]) -> list[Group]:
        """The batch's trainings with these seeds in groups, each of one learning rate."""
        groups = []
        for rate in sorted({proposal.point.rate or 0.0 for proposal in batch}):
            cells = [proposal for proposal in batch if (proposal.point.rate or 0.0) == rate]
            first = f"trial{min(proposal.number for proposal in cells)}x{len(cells)}"
            for group in make_groups([cell.point.configuration for cell in cells], seeds, self.run.size, False):
                name = f"{first}-{group.configurations[0].key}-{group.name}"
                groups.append(Group(name, group.seed, group.configurations, group.size, rate or None))
        return groups

    def prune(self, batch: list[Proposal], seeds: Sequence[int]) -> list[Proposal]:
        """The cells that are not worse than the best on these seeds; the trials of the others are pruned."""
        column = FINAL_COLUMNS[self.searcher.search.objectives[0]]
        errors = trials_of_seeds(self.run.records, seeds).set_index(["key", "seed"])[column]
        remaining = []
        for proposal in batch:
            own = [errors.get((proposal.point.key, seed), math.nan) for seed in seeds]
            complete = bool(np.isfinite(own).all())
            logs = [math.log(value) for value in own] if complete else []
            if not (complete and self.use_storage(partial(self.searcher.prune_if_worse, proposal.number, logs))):
                remaining.append(proposal)
        return remaining

    def outcome(self) -> SearchOutcome:
        """The outcome of the search so far; pruned cells are not counted."""
        searcher, keys = self.searcher, self.searcher.unpruned_keys()
        trials = read_trials(self.run.records)
        trials = trials[trials["key"].isin(keys)]
        diverged = int((trials["status"] == "diverged").sum())
        planned, done = len(self.seeds) * len(keys), len(keys_and_seeds(trials))
        stopped = self.run.budget.spent and (done < planned or searcher.distinct() < searcher.search.trials)
        lines = best_lines(searcher.best_trials(), searcher.best_by_effects(), searcher.search.objectives, len(self.seeds))
        return SearchOutcome(Outcome(planned, done, diverged, self.run.failed, stopped, damaged=self.run.damaged), lines)

    def outcome_without_storage(self, error: str) -> SearchOutcome:
        """The outcome where the storage could not be reached for too long."""
        planned, trials = self.searcher.search.trials * len(self.seeds), read_trials(self.run.records)
        outcome = Outcome(planned, len(trials), 0, self.run.failed, False, damaged=self.run.damaged)
        return SearchOutcome(outcome, [], error)
