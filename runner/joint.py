"""Several processes on one study: each takes the groups that no other has, whoever ends last draws the conclusions."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch

from runner.claims import Claims
from runner.description import prepare
from runner.designs import Plan
from runner.endings import Crash
from runner.execution import Progress
from runner.experiment import Experiment
from runner.groups import Group
from runner.lock import among_workers
from runner.places import Place, place_for
from runner.records import keys_and_seeds
from runner.space import record_key
from runner.staleness import stale, what_changed
from runner.study import Budget, Outcome, check_frames, checked, group_size, groups_of, mended, outcome, train_groups
from runner.study_folder import StudyError
from runner.tables import read_table

CONCLUSIONS = "conclusions"  # the claim of whoever draws them


def run_jointly(
    experiment: Experiment,
    folder: Path,
    max_seconds: float | None,
    begin: Callable[[Plan, Sequence[Group], int], Progress],
    finished: Callable[[int, int], None],
    crashed: Callable[[Crash], None],
) -> tuple[Outcome, bool]:
    """Train what no other worker trains; as `run_study`, and whether another worker goes on and draws the conclusions."""
    plan, device = checked(experiment, folder, resume=True)
    check_frames(experiment)
    table, damaged, groups = plan.table(), list[str](), groups_of(plan, group_size(plan, device, folder))

    def first() -> None:
        damaged.extend(mended(folder))
        prepare(folder, plan, table, device, groups[0].size)

    with place_for(experiment, device, len(groups)) as place, among_workers(folder, first):
        check_same(folder, table)
        worker = Worker(plan, table, folder, device, place, Budget(max_seconds))
        try:
            worker.train(begin, finished, crashed)
        finally:
            worker.claims.release()
        others = worker.claims.any_held()  # asked before the records are looked at: who has let go of a group has recorded it
        became = outcome(plan, table, folder / "records", worker.failed, worker.budget, tuple(damaged))
        elsewhere = others or (became.done == became.planned and not worker.claims.take(CONCLUSIONS))
    atexit.register(worker.claims.release)
    return became, elsewhere


def check_same(folder: Path, table: pd.DataFrame) -> None:
    """Raises StudyError where the other workers train other code or frames: each would train anew what they have done."""
    if changed := what_changed(read_table(folder / "plan.parquet"), table):
        raise StudyError(f"{folder}: workers are at work on it that have another {', '.join(changed)}; install the same here")


class Worker:
    """What one of several processes does on a study."""

    def __init__(
        self, plan: Plan, table: pd.DataFrame, folder: Path, device: torch.device, place: Place, budget: Budget
    ) -> None:
        self.plan, self.table, self.place, self.budget = plan, table, place, budget
        self.records, self.claims = folder / "records", Claims(folder / "claims")
        self.groups = groups_of(plan, group_size(plan, device, folder))
        self.read, self.settled = set[Path](), set[tuple[str, int]]()
        self.failed, self.took = 0, False

    def train(
        self,
        begin: Callable[[Plan, Sequence[Group], int], Progress],
        finished: Callable[[int, int], None],
        crashed: Callable[[Crash], None],
    ) -> None:
        """Round after round, until one finds nothing to take: what another worker has given up is there in the next."""
        todo = self.left()
        progress = begin(self.plan, todo, self.plan.trials - sum(len(group.configurations) for group in todo))
        hooks = (progress, finished, crashed)
        while self.left() and not self.budget.spent:
            self.took = False
            lost = train_groups(
                self.groups, self.plan.experiment, self.place, self.records, self.budget, *hooks, claim=self.claim
            )
            self.claims.release()
            self.failed += sum(len(group.configurations) for group in lost)
            self.settled |= {(record_key(c, group.rate), group.seed) for group in lost for c in group.configurations}
            if not self.took:
                break

    def claim(self, group: Group) -> Group | None:
        """What of the group is this process's to train. The records are looked at with the claim in hand: whoever had it
        wrote them before giving it up."""
        if not group.without(self.settled) or not self.claims.take(group.name):
            return None
        self.look()
        left = group.without(self.settled)
        self.took |= left is not None
        return left

    def left(self) -> list[Group]:
        """What is neither recorded nor lost here."""
        self.look()
        return [left for group in self.groups if (left := group.without(self.settled))]

    def look(self) -> None:
        """Read the records that have come since the last look."""
        for path in set(self.records.glob("trials-*.parquet")) - self.read:
            trials = read_table(path)
            self.settled |= keys_and_seeds(trials[~stale(trials, self.table)])
            self.read.add(path)
