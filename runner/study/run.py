"""A run of a study, from its experiment to its records. Interrupted, it resumes where it stood."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pandas as pd
import torch

from runner.data import NEAR, DataError, SeedData
from runner.execution import (
    STARTS,
    Backend,
    Crash,
    FrameCache,
    Group,
    GroupQueue,
    Observer,
    Results,
    Starts,
    TrainedStarts,
    check_backend,
    group_size,
    keep_memory,
    make_groups,
    open_backend,
    resolve_device,
    signals_deferred,
    software,
)
from runner.experiment import Experiment, ExperimentError, Plan
from runner.records import keys_and_seeds, read_trials, remove_temporary_files, set_aside_damaged, write_group
from runner.study.description import describe
from runner.study.folder import check_device, check_folder, recorded_group_size
from runner.study.lock import only_run
from runner.study.looks import Decide, read_looks, wanted_trials, write_looks
from runner.study.plan import plan_experiment
from runner.study.status import balanced_part, differing_software
from runner.training import in_range


@dataclass(frozen=True)
class Outcome:
    """What became of a run, in trials.

    failed:  the machine did not finish them; a resumed run trains them again
    stopped: the run ended early for its limit of seconds
    part:    which part of the plan is complete, in a line
    damaged: groups whose records could not be read
    """

    planned: int
    done: int
    diverged: int
    failed: int
    stopped: bool
    part: str = ""
    damaged: tuple[str, ...] = ()


class Budget:
    """Seconds that a run may take: no group starts that, going by the longest of its kind so far, would end too late."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds, self.started = seconds, time.monotonic()
        self.longest, self.asked, self.spent = dict[type, float](), False, False

    def may_start(self, kind: type = Group) -> bool:
        """Asked before each group, or block of start networks; the first always may."""
        elapsed = time.monotonic() - self.started
        if self.asked and self.seconds is not None and elapsed + self.longest.get(kind, 0.0) > self.seconds:
            self.spent = True
        self.asked = True
        return not self.spent

    def took(self, seconds: float, kind: type = Group) -> None:
        self.longest[kind] = max(self.longest.get(kind, 0.0), seconds)


@dataclass
class StudyRun:
    """A run that holds its study's folder: `describe` it, `train` groups, say what the `outcome` is.

    plan: of the whole study; of a search, of its first cells
    size: networks that are trained together
    starts: the networks that trainings go on from, where they do not start from scratch
    """

    plan: Plan
    folder: Path
    device: torch.device
    frames: FrameCache
    size: int
    backend: Backend
    starts: Starts
    budget: Budget
    observer: Observer
    damaged: tuple[str, ...] = ()
    failed: int = 0

    @property
    def experiment(self) -> Experiment:
        return self.plan.experiment

    @property
    def records(self) -> Path:
        return self.folder / "records"

    @property
    def first(self) -> SeedData:
        """The data of the first seed, on the CPU."""
        return self.frames.seed_data(self.experiment.seeds[0])

    def describe(self, table: pd.DataFrame) -> None:
        """Write what the study is; `table` is the plan's."""
        describe(self.folder, self.plan, table, self.first, self.device, self.size)

    def train(self, groups: Sequence[Group]) -> list[Group]:
        """Train groups, with the start networks that they need, and write what they give as they finish; gives those that the
        machine failed to finish."""
        if self.experiment.training.checkpoints != "none":
            groups = [replace(group, checkpoints=self.folder / "checkpoints") for group in groups]
        starts = self.starts.missing(groups)
        self.observer.starts(starts)
        self.observer.groups(groups)
        queue, lost = GroupQueue([*starts, *groups], self.budget.may_start, self.starts.given), list[Group]()
        for result in self.backend(queue, self.observer.progress) if groups else ():
            if isinstance(result, Crash):
                lost += [result.group] if isinstance(result.group, Group) else []
                self.observer.crashed(result)
            else:
                self.budget.took(self.keep(result), type(result.group))
        lost += [group for group in queue.groups if isinstance(group, Group)]  # whose start network was not finished
        self.failed += sum(len(group.configurations) for group in lost)
        return lost

    def keep(self, result: Results | TrainedStarts) -> float:
        """Write what a group, or a block of start networks, gave; returns the seconds that it took."""
        with signals_deferred():
            if isinstance(result, TrainedStarts):
                self.starts.keep(result)
                return result.seconds
            write_group(self.records, result.group.name, result.records)
        trials = result.records.trials
        self.observer.finished(len(trials), int((trials["status"] == "diverged").sum()))
        return float(trials["seconds"].sum())

    def train_plan(self, table: pd.DataFrame, decide: Decide | None) -> None:
        """Train what is missing of the plan, whose table is given. Where it is looked at several times, only what is open by
        `decide` goes on after each look, with the baseline and the near weights."""
        plan, looked, going = self.plan, dict[int, frozenset[str]](), None
        for before, at in pairwise((0, *plan.looks)):
            done, seeds = keys_and_seeds(read_trials(self.records, table)), self.experiment.seeds[before:at]
            groups = groups_of(plan, self.size, seeds, going)
            todo = [left for group in groups if (left := group.without(done))]
            planned, missing = (sum(len(group.configurations) for group in some) for some in (groups, todo))
            further = len(plan.stays | plan.alone if going is None else going) * (plan.looks[-1] - at)
            self.observer.begin(look_line(plan, before, at, going), planned - missing, planned, further)
            if self.train(todo) or self.budget.spent:
                return
            if at < plan.looks[-1]:
                assert decide is not None, "an experiment with looks needs somebody who decides"
                still_open = frozenset(decide(self.folder, at)) & plan.alone
                looked[at] = going = plan.stays | still_open if still_open else frozenset()
                write_looks(self.folder, looked)
            self.observer.looked()
            if not going and at < plan.looks[-1]:
                return

    def outcome(self, table: pd.DataFrame) -> Outcome:
        """What the records say has become of the plan, whose table is given, as far as it has been looked at."""
        trials, keys = read_trials(self.records, table), list(table.loc[table["status"] == "trained", "key"])
        wanted = wanted_trials(keys, self.experiment.seeds, self.plan.looks, read_looks(self.folder))
        done = keys_and_seeds(trials) & set(wanted)
        diverged = int((trials["status"] == "diverged").sum())
        part = balanced_part(table, self.experiment.seeds[: self.plan.looks[0]], done, in_blocks(self.experiment))
        stopped = self.budget.spent and len(done) < len(wanted)
        return Outcome(len(wanted), len(done), diverged, self.failed, stopped, part, self.damaged)


@contextmanager
def open_run(
    experiment: Experiment,
    folder: Path,
    resume: bool,
    max_seconds: float | None,
    observer: Observer,
    typical: Callable[[FrameCache], Plan] | None = None,
    starts_of: Path | None = None,
) -> Iterator[StudyRun]:
    """Check everything that a run depends on, then start what trains and hold the folder. Nothing is written before.

    Args:
        typical: gives a plan like what will be trained, where the experiment's own does not say it (a search); the number of
            networks that are trained together is decided by it.
        starts_of: another study, whose start networks are used where they are the same.

    Raises:
        ValueError: bad input, in one line: the experiment, its frames or network, the device, the cluster, the folder.
    """
    keep_memory()
    device, frames = resolve_device(experiment.device), FrameCache(experiment.data)
    check_folder(folder, experiment, resume)
    plan = plan_experiment(experiment, frames)
    if not plan.trained:
        raise ExperimentError("nothing to train: every cell is a clash")
    check_device(folder, device)
    check_backend(experiment, device)
    trained = typical(frames) if typical else plan
    size = recorded_group_size(folder) or group_size(trained, device, frames)
    with open_backend(experiment, device, frames, len(groups_of(trained, size))) as backend:
        check_frames(experiment, frames)
        with only_run(folder):
            starts = Starts(experiment, folder, device, [starts_of] if starts_of else [])
            run = StudyRun(plan, folder, device, frames, size, backend, starts, Budget(max_seconds), observer)
            run.damaged = repair(folder)
            if differing := differing_software(folder, software(experiment, device)):
                observer.note(f"{folder}: {differing}; the last digits of its trials may differ, and the report says so")
            yield run


def run_study(
    experiment: Experiment,
    folder: Path,
    resume: bool,
    max_seconds: float | None,
    observer: Observer | None = None,
    starts_of: Path | None = None,
    decide: Decide | None = None,
) -> Outcome:
    """Plan, train what is missing, record. As `open_run`, which says what it raises.

    Args:
        decide: says which fixes are open at a look; needed where the experiment has looks.
    """
    observer = observer or Observer()
    with open_run(experiment, folder, resume, max_seconds, observer, starts_of=starts_of) as run:
        table = run.plan.table()
        run.describe(table)
        run.train_plan(table, decide)
        return run.outcome(table)


def look_line(plan: Plan, before: int, at: int, going: Collection[str] | None) -> str:
    """What is trained up to the look at so many seeds, as text."""
    if going is None:
        return plan.summary
    still_open, stays = len(plan.alone & frozenset(going)), len(plan.stays)
    fixes = f"{still_open} fix{'es' * (still_open != 1)} of {len(plan.alone)}"
    return f"after {before} seeds {fixes} open: on to {at} seeds, with the baseline and {stays - 1} near weights"


def groups_of(plan: Plan, largest: int, seeds: Sequence[int] | None = None, keys: Collection[str] | None = None) -> list[Group]:
    """The plan's trials in groups of at most so many networks: those of the first look, or of these seeds and keys."""
    planned = [a.configuration for a in plan.trained if a.configuration]
    configurations = [c for c in planned if keys is None or c.key in keys]
    seeds = plan.experiment.seeds[: plan.looks[0]] if seeds is None else seeds
    return make_groups(configurations, seeds, largest, in_blocks(plan.experiment))


def in_blocks(experiment: Experiment) -> bool:
    """Whether the design is a product, trained in balanced blocks."""
    return experiment.design.cartesian is not None


def repair(folder: Path) -> tuple[str, ...]:
    """Remove what a killed process left half written, set damaged records aside; gives the names of their groups."""
    for place in (folder, folder / "records", folder / STARTS):
        remove_temporary_files(place)
    return set_aside_damaged(folder / "records")


def check_frames(experiment: Experiment, frames: FrameCache) -> None:
    """Raises DataError where frames are not there, or the metrics cannot measure them: known before anything is written."""
    data = frames.seed_data(experiment.seeds[0])
    for name, part in (("probe", data.probe), ("validation", data.validation)):
        for which, where in (("near", f"nearer than {NEAR:g} m"), ("far", f"at {NEAR:g} m or beyond")):
            if not in_range(part.depth, which).any():
                raise DataError(
                    f"{experiment.data.folder or 'scenes'}: no pixel of the {len(part)} {name} frames is {where}, so the "
                    f"{which} error cannot be measured; `nfloss data stats` says how the depth is spread"
                )
