"""A study: one directory with its plan, what it was run with, and its records. Interrupted, it resumes where it stood."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch

from nfloss import Configuration
from nfloss.numbers import Numbers
from runner.data import DataError
from runner.data.frames import NEAR
from runner.execution.backends import Place, check_place, place_for
from runner.execution.devices import resolve_device
from runner.execution.frame_cache import seed_data
from runner.execution.group_size import (
    group_size,
)
from runner.execution.groups import Group, make_groups
from runner.execution.process import keep_memory, undisturbed
from runner.execution.queue import Crash, Waiting
from runner.execution.run_group import Progress
from runner.experiment.experiment import Experiment, ExperimentError
from runner.experiment.plan import Plan, make_plan
from runner.networks.custom_check import check_contract
from runner.records.files import sweep
from runner.records.integrity import set_aside_damaged
from runner.records.tables import keys_and_seeds, read_trials, write_group
from runner.study.description import prepare
from runner.study.folder import check_device, check_folder
from runner.study.lock import only_run
from runner.study.status import balanced_part
from runner.training.metrics import in_range


@dataclass(frozen=True)
class Outcome:
    """What became of a run: trials planned, recorded, diverged, failed (the machine's fault); whether it stopped early, and
    what part of the plan is complete."""

    planned: int
    done: int
    diverged: int
    failed: int
    stopped: bool
    part: str
    damaged: tuple[str, ...] = ()  # groups whose records could not be read


def plan_experiment(experiment: Experiment) -> Plan:
    """The plan, with the training set measured where a fix divides by its mean weight; a user's network is checked first."""
    check_network(experiment)
    plan = make_plan(experiment)
    uses_mean = any("dataset_weight_mean" in a.configuration.used_numbers for a in plan.trained if a.configuration)
    if not uses_mean or "dataset_weight_mean" in experiment.loss:
        return plan
    return make_plan(experiment, dataset_weight_mean(experiment))


def dataset_weight_mean(experiment: Experiment, numbers: Numbers | None = None) -> float:
    """Mean weight of the first seed's training set under the hard boundary: 1 + (near_weight - 1) * near share."""
    numbers = numbers or Configuration.of(**experiment.loss).numbers
    frames = seed_data(experiment.data, experiment.seeds[0], torch.device("cpu")).train
    return round(1.0 + (numbers.near_weight - 1.0) * frames.near_share(numbers.near_threshold), 4)


def groups_of(plan: Plan, largest: int) -> list[Group]:
    """The plan's trials in groups of at most so many networks."""
    configurations = [a.configuration for a in plan.trained if a.configuration]
    return make_groups(configurations, plan.experiment.seeds, largest, in_blocks(plan.experiment))


def in_blocks(experiment: Experiment) -> bool:
    """Whether the design is a product, trained in balanced blocks."""
    return experiment.design.cartesian is not None


def run_study(
    experiment: Experiment,
    folder: Path,
    resume: bool,
    max_seconds: float | None,
    begin: Callable[[Plan, Sequence[Group], int], Progress],
    finished: Callable[[int, int], None],
    crashed: Callable[[Crash], None],
) -> Outcome:
    """Plan, train what is missing, record.

    Args:
        begin: called once with the plan, the groups still to run, and the trials already there; gives the progress hook.
        finished: called with (trials, diverged) of each group as its records are on disk.
        crashed: called with each group that the machine failed to finish; a resumed run trains it again.
    """
    plan, device = checked(experiment, folder, resume)
    groups = groups_of(plan, group_size(plan, device, folder))
    with place_for(experiment, device, len(groups)) as place:
        check_frames(experiment)
        with only_run(folder):
            return carry_out(plan, groups, folder, device, place, max_seconds, begin, finished, crashed)


def checked(experiment: Experiment, folder: Path, resume: bool) -> tuple[Plan, torch.device]:
    """The plan and the device, once all but the frames is known to be well; nothing is written yet."""
    keep_memory()
    device = resolve_device(experiment.device)
    check_folder(folder, experiment, resume)
    plan = plan_experiment(experiment)
    if not plan.trained:
        raise ExperimentError("nothing to train: every cell is a clash")
    check_device(folder, device)
    check_place(experiment, device)
    return plan, device


def carry_out(
    plan: Plan,
    groups: Sequence[Group],
    folder: Path,
    device: torch.device,
    place: Place,
    max_seconds: float | None,
    begin: Callable[[Plan, Sequence[Group], int], Progress],
    finished: Callable[[int, int], None],
    crashed: Callable[[Crash], None],
) -> Outcome:
    """What `run_study` does once all is known to be well and the folder is held."""
    records = folder / "records"
    table, damaged = plan.table(), mended(folder)
    prepare(folder, plan, table, device, groups[0].size)
    there = keys_and_seeds(read_trials(records, table))
    todo = [left for group in groups if (left := group.without(there))]
    budget = Budget(max_seconds)
    progress = begin(plan, todo, plan.trials - sum(len(g.configurations) for g in todo))
    lost = train_groups(todo, plan.experiment, place, records, budget, progress, finished, crashed)
    return outcome(plan, table, records, sum(len(group.configurations) for group in lost), budget, damaged)


def outcome(plan: Plan, table: pd.DataFrame, records: Path, failed: int, budget: Budget, damaged: tuple[str, ...]) -> Outcome:
    """What the records say has become of the plan."""
    experiment, trials = plan.experiment, read_trials(records, table)
    diverged = int((trials["status"] == "diverged").sum()) if len(trials) else 0
    part = balanced_part(table, experiment.seeds, keys_and_seeds(trials), in_blocks(experiment))
    return Outcome(plan.trials, len(trials), diverged, failed, budget.spent and len(trials) < plan.trials, part, damaged)


def mended(folder: Path) -> tuple[str, ...]:
    """Sweep up after a process that was killed, set damaged records aside; gives the names of their groups."""
    for place in (folder, folder / "records"):
        sweep(place)
    return set_aside_damaged(folder / "records")


def train_groups(
    groups: list[Group],
    experiment: Experiment,
    place: Place,
    records: Path,
    budget: Budget,
    progress: Progress,
    finished: Callable[[int, int], None],
    crashed: Callable[[Crash], None],
) -> list[Group]:
    """Train groups and write their records as they finish; gives those that the machine failed to finish."""
    if experiment.training.checkpoints != "none":
        groups = [replace(group, checkpoints=records.parent / "checkpoints") for group in groups]
    lost, waiting = [], Waiting(groups, budget.may_start)
    for result in place(waiting, progress) if groups else ():
        if isinstance(result, Crash):
            lost.append(result.group)
            crashed(result)
            continue
        new = result.records.trials
        budget.took(float(new["seconds"].sum()))
        with undisturbed():
            write_group(records, result.group.name, result.records)
        finished(len(new), int((new["status"] == "diverged").sum()))
    return lost


class Budget:
    """Seconds that a run may take: no group begins that, going by the longest so far, would end too late."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds, self.started = seconds, time.monotonic()
        self.longest, self.asked, self.spent = 0.0, False, False

    def may_start(self) -> bool:
        """Asked before each group; the first always may."""
        elapsed = time.monotonic() - self.started
        if self.asked and self.seconds is not None and elapsed + self.longest > self.seconds:
            self.spent = True
        self.asked = True
        return not self.spent

    def took(self, seconds: float) -> None:
        """A group took so long."""
        self.longest = max(self.longest, seconds)


def check_frames(experiment: Experiment) -> None:
    """Bad data must be known before anything is written: frames that are not there, or that the rulers cannot measure."""
    data = seed_data(experiment.data, experiment.seeds[0], torch.device("cpu"))
    for name, frames in (("probe", data.probe), ("validation", data.validation)):
        for which, where in (("near", f"nearer than {NEAR:g} m"), ("far", f"at {NEAR:g} m or beyond")):
            if not in_range(frames.depth, which).any():
                raise DataError(
                    f"{experiment.data.folder or 'scenes'}: no pixel of the {len(frames)} {name} frames is {where}, so the "
                    f"{which} error cannot be measured; `nfloss data stats` says how the depth is spread"
                )


def check_network(experiment: Experiment) -> None:
    """Nothing where the house's network is trained.

    Raises:
        NetworkError: the user's cannot be, or breaks the contract of `check_contract`.
    """
    if (network := experiment.model.own) is not None:
        data, training = experiment.data, experiment.training
        check_contract(network, -(-training.batch // training.accumulate), data.height, data.width)
