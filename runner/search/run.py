"""A search from its experiment to its records: cells are asked for, trained with all seeds, recorded, told."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from runner.execution.backends import Place, check_place, place_for
from runner.execution.devices import processes, resolve_device
from runner.execution.group_size import group_size
from runner.execution.groups import Group, make_groups, record_key
from runner.execution.process import keep_memory
from runner.execution.queue import Crash
from runner.execution.run_group import Progress
from runner.experiment.cells import RECOMMENDATION, Cell
from runner.experiment.experiment import Experiment
from runner.experiment.plan import Accounted, Plan
from runner.experiment.search import Search
from runner.records.files import write_table
from runner.records.tables import keys_and_seeds, read_trials
from runner.search.loop import Asked, search_loop
from runner.search.objectives import FINALS, Worth, seen_trials, worths
from runner.search.searcher import Searcher
from runner.search.space import Space
from runner.search.storage import StorageError, open_storage, patiently
from runner.search.summary import best_lines, note_text, plan_rows
from runner.search.warm_start import own_storage, warm_start
from runner.study.description import prepare
from runner.study.folder import check_code, check_device, check_folder
from runner.study.lock import only_run
from runner.study.run import Budget, Outcome, check_frames, dataset_weight_mean, mended, plan_experiment, train_groups

T = TypeVar("T")


@dataclass(frozen=True)
class Hooks:
    """What is called as a search goes on: `batch` with the groups to train, trials done and planned; `waits` with why the
    storage is waited for; the others as in `run_study`."""

    batch: Callable[[Sequence[Group], int, int], Progress]
    finished: Callable[[int, int], None]
    crashed: Callable[[Crash], None]
    waits: Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """What became of a search, its best as lines, and what ended it where something did."""

    outcome: Outcome
    best: list[str]
    trouble: str = ""


def search_of(experiment: Experiment) -> Search:
    """The experiment's search."""
    assert experiment.design.optuna is not None
    return experiment.design.optuna


def space_of(experiment: Experiment) -> Space:
    """The space of the experiment's search."""
    rate = experiment.training.learning_rate
    return Space.of(search_of(experiment), experiment.loss, rate, lambda n: dataset_weight_mean(experiment, n))


def run_search(experiment: Experiment, folder: Path, resume: bool, max_seconds: float | None, hooks: Hooks) -> Found:
    """Ask, train, record, tell, until the trials are there."""
    keep_memory()
    search, device = search_of(experiment), resolve_device(experiment.device)
    check_folder(folder, experiment, resume)
    check_device(folder, device)
    check_place(experiment, device)
    plan, size = plan_experiment(experiment), group_size(sampled_plan(experiment), device, folder)
    with place_for(experiment, device, processes(experiment, device)) as place:
        check_frames(experiment)
        with only_run(folder):
            searcher, damaged = opened(plan, folder, device, size)
            bench = Bench(experiment, folder, place, searcher, hooks, Budget(max_seconds), size, damaged)
            try:
                search_loop(searcher, bench, search.trials, search.batch(size, processes(experiment, device)))
                return bench.decide(bench.found)
            except StorageError as error:
                if not bench.trained:
                    raise
                return bench.cut_off(f"{error}; what is trained is recorded, and told with --resume")


def opened(plan: Plan, folder: Path, device: torch.device, size: int) -> tuple[Searcher, tuple[str, ...]]:
    """The search as it stands in the folder and its storage, begun where it is not; and the groups of records that were
    damaged."""
    experiment, space = plan.experiment, space_of(plan.experiment)
    search = search_of(experiment)
    storage = open_storage(folder, search.storage)
    searcher = Searcher(search, space, storage, experiment.name)
    own_storage(searcher.study, folder, search.storage)
    damaged = mended(folder)
    check_code(folder, searcher.points(), experiment, "and a search cannot forget what it was told; take another --out-dir")
    fresh = not (folder / "plan.parquet").exists()
    prepare(folder, plan, plan.table() if fresh else plan_rows(searcher.facts()), device, size)
    searcher.note(note_text(experiment, space))
    if search.warm_start is not None:
        warm_start(searcher, experiment, Path(search.warm_start), folder)
    searcher.begin([space.point((), {}), space.point(search.within(RECOMMENDATION), {})])
    return searcher, damaged


def sampled_plan(experiment: Experiment) -> Plan:
    """A plan of as many random cells as the search asks for: what it is like to train them."""
    space, rng, drawn = space_of(experiment), np.random.default_rng(0), dict[str, Accounted]()
    for _ in range(4 * search_of(experiment).trials):
        found = space.draw(rng, {}, 0)
        if found is not None and len(drawn) < search_of(experiment).trials:
            point = found[1]
            drawn[point.key] = Accounted(Cell("optuna", point.key, point.fixes, point.numbers), "trained", point.configuration)
    return Plan(experiment, tuple(drawn.values()))


@dataclass
class Bench:
    """The laboratory of `search_loop` that really trains."""

    experiment: Experiment
    folder: Path
    place: Place
    searcher: Searcher
    hooks: Hooks
    budget: Budget
    size: int
    damaged: tuple[str, ...]
    lost: set[str] = field(default_factory=set)  # keys of cells that the machine failed to train
    failed: int = 0
    trained: bool = False

    def decide(self, what: Callable[[], T]) -> T:
        return patiently(what, self.hooks.waits)

    def worths(self) -> dict[str, Worth]:
        objectives = self.searcher.search.objectives
        return worths(self.folder, self.experiment.seeds, objectives, self.searcher.space.point((), {}).key)

    def trainable(self, key: str) -> bool:
        return key not in self.lost

    def planned(self) -> None:
        table = plan_rows(self.searcher.facts())
        if len(table):
            write_table(self.folder / "plan.parquet", table)

    def train(self, batch: list[Asked]) -> bool:
        """All seeds at once; where cells may be given up, one seed after another."""
        self.trained = True
        rounds = [[seed] for seed in self.experiment.seeds] if self.searcher.search.prune else [list(self.experiment.seeds)]
        alive = batch
        for place, seeds in enumerate(rounds):
            there = keys_and_seeds(read_trials(self.folder / "records"))
            groups = [left for group in self.groups(alive, seeds) if (left := group.without(there))]
            planned = self.searcher.search.trials * len(self.experiment.seeds)
            progress = self.hooks.batch(groups, len(there), planned)
            hooks = (progress, self.hooks.finished, self.hooks.crashed)
            for group in train_groups(groups, self.experiment, self.place, self.folder / "records", self.budget, *hooks):
                self.failed += len(group.configurations)
                self.lost |= {record_key(c, group.rate) for c in group.configurations}
            if len(rounds) > 1 and place + 1 < len(rounds):
                alive = self.worth_going_on(alive, self.experiment.seeds[: place + 1])
        return not self.budget.spent

    def groups(self, batch: list[Asked], seeds: Sequence[int]) -> list[Group]:
        """The batch's trainings with these seeds, those of one learning rate together."""
        groups = []
        for rate in sorted({asked.point.rate or 0.0 for asked in batch}):
            cells = [asked for asked in batch if (asked.point.rate or 0.0) == rate]
            first = f"trial{min(asked.number for asked in cells)}x{len(cells)}"
            for group in make_groups([asked.point.configuration for asked in cells], seeds, self.size, False):
                name = f"{first}-{group.configurations[0].key}-{group.name}"
                groups.append(Group(name, group.seed, group.configurations, group.size, rate or None))
        return groups

    def worth_going_on(self, batch: list[Asked], seeds: Sequence[int]) -> list[Asked]:
        """The cells that are not worse than the best on these seeds; the others are told so."""
        column = FINALS[self.searcher.search.objectives[0]]
        errors = seen_trials(self.folder / "records", seeds).set_index(["key", "seed"])[column]
        kept = []
        for asked in batch:
            own = [errors.get((asked.point.key, seed), math.nan) for seed in seeds]
            whole = bool(np.isfinite(own).all())
            logs = [math.log(value) for value in own] if whole else []
            if not (whole and patiently(partial(self.searcher.hopeless, asked.number, logs), self.hooks.waits)):
                kept.append(asked)
        return kept

    def found(self) -> Found:
        """What became of it; of cells that were given up, nothing counts."""
        searcher, seeds, keys = self.searcher, self.experiment.seeds, self.searcher.kept()
        trials = read_trials(self.folder / "records")
        trials = trials[trials["key"].isin(keys)] if len(trials) else trials
        diverged = int((trials["status"] == "diverged").sum()) if len(trials) else 0
        planned, done = len(seeds) * len(keys), len(keys_and_seeds(trials))
        stopped = self.budget.spent and (done < planned or searcher.distinct() < searcher.search.trials)
        lines = best_lines(searcher.best(), searcher.steadiest(), searcher.search.objectives, len(seeds))
        return Found(Outcome(planned, done, diverged, self.failed, stopped, "", self.damaged), lines)

    def cut_off(self, trouble: str) -> Found:
        """What became of it where the storage has been away for too long."""
        planned, trials = self.searcher.search.trials * len(self.experiment.seeds), read_trials(self.folder / "records")
        return Found(Outcome(planned, len(trials), 0, self.failed, False, "", self.damaged), [], trouble)
