"""A search from its experiment to its records: cells are proposed, trained with all seeds, recorded, told to Optuna."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from runner.execution.devices import processes
from runner.execution.frame_cache import FrameCache
from runner.execution.groups import Group, make_groups, record_key
from runner.execution.observer import Observer
from runner.experiment import RECOMMENDATION, Cell, Experiment, Plan, PlannedCell, Search
from runner.records.files import write_table
from runner.records.tables import keys_and_seeds, read_trials
from runner.search.loop import Proposal, search_loop
from runner.search.objectives import FINALS, ObjectiveValues, objective_values, seen_trials
from runner.search.searcher import Searcher
from runner.search.space import Space
from runner.search.storage import StorageError, open_storage, retried
from runner.search.summary import best_lines, note_text, plan_rows
from runner.search.warm_start import claim_storage, warm_start
from runner.study.folder import check_code
from runner.study.plan import dataset_weight_mean
from runner.study.run import Outcome, StudyRun, open_run

T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """What became of a search, its best cells as lines, and the error that ended it, if one did."""

    outcome: Outcome
    best: list[str]
    error: str = ""


def search_of(experiment: Experiment) -> Search:
    """The experiment's search."""
    assert experiment.design.optuna is not None
    return experiment.design.optuna


def space_of(experiment: Experiment, frames: FrameCache) -> Space:
    """The space of the experiment's search."""
    rate = experiment.training.learning_rate
    mean_weight = partial(dataset_weight_mean, experiment, frames)
    return Space.of(search_of(experiment), experiment.loss, rate, mean_weight)


def sampled_plan(experiment: Experiment, frames: FrameCache) -> Plan:
    """A plan of as many random cells as the search asks for, as an example of what it will train."""
    space, rng, drawn = space_of(experiment, frames), np.random.default_rng(0), dict[str, PlannedCell]()
    for _ in range(4 * search_of(experiment).trials):
        found = space.draw(rng, {}, 0)
        if found is not None and len(drawn) < search_of(experiment).trials:
            point = found[1]
            drawn[point.key] = PlannedCell(
                Cell("optuna", point.key, point.fixes, point.numbers), "trained", point.configuration
            )
    return Plan(experiment, tuple(drawn.values()))


def run_search(
    experiment: Experiment, folder: Path, resume: bool, max_seconds: float | None, observer: Observer | None = None
) -> Found:
    """Propose, train, record, tell, until the trials are there. As `open_run`, which says what it raises.

    Raises:
        StorageError: the search's storage cannot be used, before anything is trained.
    """
    search, observer = search_of(experiment), observer or Observer()
    with open_run(experiment, folder, resume, max_seconds, observer, partial(sampled_plan, experiment)) as run:
        laboratory = Training(run, open_search(run))
        try:
            search_loop(
                laboratory.searcher, laboratory, search.trials, search.batch(run.size, processes(experiment, run.device))
            )
            return laboratory.decide(laboratory.found)
        except StorageError as error:
            if not laboratory.trained:
                raise
            return laboratory.cut_off(f"{error}; what is trained is recorded, and told with --resume")


def open_search(run: StudyRun) -> Searcher:
    """The search as it stands in the folder and its storage, begun where it is not."""
    experiment, folder, space = run.experiment, run.folder, space_of(run.experiment, run.frames)
    search = search_of(experiment)
    storage = open_storage(folder, search.storage)
    searcher = Searcher(search, space, storage, experiment.name)
    claim_storage(searcher.study, folder, search.storage)
    cells = {point.key: point.configuration for point in searcher.points()}
    check_code(folder, cells, experiment, "and a search cannot forget what it was told; take another --out-dir")
    fresh = not (folder / "plan.parquet").exists()
    run.describe(run.plan.table() if fresh else plan_rows(searcher.facts()))
    searcher.note(note_text(experiment, space))
    if search.warm_start is not None:
        warm_start(searcher, experiment, Path(search.warm_start), folder)
    searcher.begin([space.point((), {}), space.point(search.allowed_fixes(RECOMMENDATION), {})])
    planned = search.trials * len(experiment.seeds)
    run.observer.begin(f"a search: {planned} trials at most", len(keys_and_seeds(read_trials(run.records))), planned)
    return searcher


@dataclass
class Training:
    """The laboratory of `search_loop` that really trains."""

    run: StudyRun
    searcher: Searcher
    lost: set[str] = field(default_factory=set)  # keys of cells that the machine failed to train
    trained: bool = False

    @property
    def seeds(self) -> list[int]:
        return self.run.experiment.seeds

    def decide(self, what: Callable[[], T]) -> T:
        return retried(what, self.run.observer.note)

    def values(self) -> dict[str, ObjectiveValues]:
        baseline = self.searcher.space.point((), {}).key
        return objective_values(self.run.folder, self.seeds, self.searcher.search.objectives, baseline)

    def trainable(self, key: str) -> bool:
        return key not in self.lost

    def planned(self) -> None:
        table = plan_rows(self.searcher.facts())
        if len(table):
            write_table(self.run.folder / "plan.parquet", table)

    def train(self, batch: list[Proposal]) -> bool:
        """All seeds at once; where cells may be given up, one seed after another."""
        self.trained = True
        rounds = [[seed] for seed in self.seeds] if self.searcher.search.prune else [list(self.seeds)]
        alive = batch
        for number, seeds in enumerate(rounds, start=1):
            done = keys_and_seeds(read_trials(self.run.records))
            groups = [left for group in self.groups(alive, seeds) if (left := group.without(done))]
            for group in self.run.train(groups):
                self.lost |= {record_key(c, group.rate) for c in group.configurations}
            if number < len(rounds):
                alive = self.worth_going_on(alive, self.seeds[:number])
        return not self.run.budget.spent

    def groups(self, batch: list[Proposal], seeds: Sequence[int]) -> list[Group]:
        """The batch's trainings with these seeds, those of one learning rate together."""
        groups = []
        for rate in sorted({proposal.point.rate or 0.0 for proposal in batch}):
            cells = [proposal for proposal in batch if (proposal.point.rate or 0.0) == rate]
            first = f"trial{min(proposal.number for proposal in cells)}x{len(cells)}"
            for group in make_groups([cell.point.configuration for cell in cells], seeds, self.run.size, False):
                name = f"{first}-{group.configurations[0].key}-{group.name}"
                groups.append(Group(name, group.seed, group.configurations, group.size, rate or None))
        return groups

    def worth_going_on(self, batch: list[Proposal], seeds: Sequence[int]) -> list[Proposal]:
        """The cells that are not worse than the best on these seeds; the search is told of the others."""
        column = FINALS[self.searcher.search.objectives[0]]
        errors = seen_trials(self.run.records, seeds).set_index(["key", "seed"])[column]
        kept = []
        for proposal in batch:
            own = [errors.get((proposal.point.key, seed), math.nan) for seed in seeds]
            whole = bool(np.isfinite(own).all())
            logs = [math.log(value) for value in own] if whole else []
            if not (whole and self.decide(partial(self.searcher.hopeless, proposal.number, logs))):
                kept.append(proposal)
        return kept

    def found(self) -> Found:
        """What became of it; cells that were given up do not count."""
        searcher, keys = self.searcher, self.searcher.kept()
        trials = read_trials(self.run.records)
        trials = trials[trials["key"].isin(keys)] if len(trials) else trials
        diverged = int((trials["status"] == "diverged").sum()) if len(trials) else 0
        planned, done = len(self.seeds) * len(keys), len(keys_and_seeds(trials))
        stopped = self.run.budget.spent and (done < planned or searcher.distinct() < searcher.search.trials)
        lines = best_lines(searcher.best(), searcher.steadiest(), searcher.search.objectives, len(self.seeds))
        return Found(Outcome(planned, done, diverged, self.run.failed, stopped, damaged=self.run.damaged), lines)

    def cut_off(self, error: str) -> Found:
        """What became of it where the storage has been away for too long."""
        planned, trials = self.searcher.search.trials * len(self.seeds), read_trials(self.run.records)
        outcome = Outcome(planned, len(trials), 0, self.run.failed, False, damaged=self.run.damaged)
        return Found(outcome, [], error)
