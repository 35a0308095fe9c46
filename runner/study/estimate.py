"""How long a plan takes on this machine: its first groups begun as the run would begin them, and timed for some steps."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch

from nfloss import Configuration
from runner.data import SeedData, make_seed_data
from runner.execution import (
    FrameCache,
    Group,
    StartBlock,
    context,
    cores,
    group_size,
    one_line,
    one_thread,
    processes,
    software,
    start_blocks,
    start_fork_server,
    wait_for_fork_server,
    worker_environment,
)
from runner.experiment import Experiment, Plan, open_after
from runner.records import WriteError, write_bytes
from runner.records.fingerprint import fingerprint, short
from runner.study.run import groups_of
from runner.training import Training, evaluated, train, train_neutral, validated

#: Scenes drawn to train on in a try, and the most steps between its evaluations: of a user's network, each step is long.
FEW, STEPS, OWN_STEPS = 64, 8, 2
#: Steps of the first part of a try, each evaluated: all but the first and the last are timed, and the median taken.
OFTEN, OWN_OFTEN = 11, 3
#: Steps of neutral training in a try: what the further ones take more, is timed.
BRIEF, LONGER, OWN_BRIEF, OWN_LONGER = 3, 11, 1, 3


@dataclass(frozen=True)
class Timing:
    """Seconds: until the worker was there; a seed's frames; a step, an evaluation on the probe, one on the validation set,
    and what comes after the last; a block of start networks, where there are any."""

    starting: float
    frames: float
    step: float
    probe: float
    validation: float
    end: float
    start: float = 0.0

    def group(self, settings: Training) -> float:
        """Seconds that a group trains."""
        evaluations = len(evaluated(settings)) * self.probe + len(validated(settings)) * self.validation
        return settings.steps * self.step + evaluations + self.end


@dataclass(frozen=True)
class Estimate:
    """Minutes that a plan's trials take, report and MLflow not counted: to expect, and at most, if no fix is decided before the
    last look. `timed`: the day on which this machine was timed."""

    minutes: float
    most: float
    timed: str


def estimate_minutes(plan: Plan, device: torch.device, frames: FrameCache, again: bool = False) -> Estimate:
    """How long a plan takes here. What the machine does in a second is timed once and remembered.

    A search goes in batches, each of which ends before the next begins; workers stay.

    Args:
        again: time it anew.

    Raises:
        ValueError: training fails.
    """
    if not plan.trained:
        return Estimate(0.0, 0.0, "")
    loading, experiment = time.process_time(), plan.experiment  # this process has loaded and planned what a run does
    size, workers = group_size(plan, device, frames), processes(plan.experiment, device)
    search = experiment.design.optuna
    at_once = search.batch(size, workers) if search else len(plan.cells)
    groups, batches = groups_of(replace(plan, cells=plan.cells[:at_once]), size), -(-len(plan.trained) // at_once)
    busy = min(workers, len(groups))
    shelf = Remembered(remembered_as(experiment, device, groups[:busy]))
    timings, timed_on = ([], "") if again else shelf.read()
    if not timings:
        timings, timed_on = try_groups(groups[:busy], experiment, device), str(date.today())
        shelf.write(timings, timed_on)
    starting = loading + mean(t.starting for t in timings)  # while workers load, the study is prepared
    each = mean(t.group(experiment.training) for t in timings)

    def preparing(seeds: Sequence[int]) -> float:
        blocks = len(start_blocks(experiment, seeds, device))
        return -(-len(seeds) // busy) * mean(t.frames for t in timings) + -(-blocks // workers) * mean(t.start for t in timings)

    first = experiment.seeds[: plan.looks[0]]
    alike = experiment.model.custom is None
    seconds = starting + preparing(first) + batches * longest(groups, busy, alike) * each
    expected = most = seconds
    for before, at in pairwise(plan.looks):
        seeds = experiment.seeds[before:at]
        stays, alone = len(plan.stays), len(plan.alone)
        expected += preparing(seeds) + share(stays + open_after(before) * alone, size, len(seeds), busy) * each
        most += preparing(seeds) + share(stays + alone, size, len(seeds), busy) * each
    return Estimate(round(expected / 60.0, 2), round(most / 60.0, 2), timed_on)


def share(configurations: float, size: int, seeds: int, workers: int) -> float:
    """How many full groups the longest at work trains, of so many configurations with so many seeds.

    >>> share(10, 20, 4, 2)  # half a group for each seed, two seeds for each worker
    1.0
    """
    groups = -(-configurations // size)
    return float(-(-seeds * groups // workers) * configurations / groups / size)


def try_groups(groups: Sequence[Group], experiment: Experiment, device: torch.device) -> list[Timing]:
    """Train groups for some steps, at once. Raises ValueError: training fails."""
    try:
        if len(groups) > 1:
            return time_together(groups, experiment)
        return [time_group(groups[0], experiment, device, time.time())]
    except RuntimeError as error:  # of PyTorch, of the user's network; a worker that was killed
        raise ValueError(f"the first groups, tried for some steps, failed: {one_line(error)}") from error


def remembered_as(experiment: Experiment, device: torch.device, groups: Sequence[Group]) -> str:
    """What the seconds of a step and of an evaluation depend on, as a hash: code, settings, machine, first groups."""
    data, model, training = experiment.data, experiment.model, experiment.training
    code = fingerprint(Configuration.of(), data, model.network, training)
    settings = training.model_dump(mode="json", exclude={"steps", "learning_rate", "start_rate", "checkpoints"})
    at_once = [[group.size, *(c.key for c in group.configurations)] for group in groups]
    machine = [software(experiment, device), cores(), str(device)]
    parts = [code, data.model_dump(mode="json"), model.model_dump(mode="json"), settings, at_once, machine]
    return short(json.dumps(parts, sort_keys=True))


class Remembered:
    """Timings of this machine in the user's cache; a few months are enough for it to have changed."""

    MOST, DAYS = 100, 90

    def __init__(self, name: str) -> None:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        self.path, self.name = Path(cache) / "nfloss" / "timings.json", name

    def read(self) -> tuple[list[Timing], str]:
        """The timings and the day they are of; none where there are none, or they cannot be read."""
        try:
            found = self._all()[self.name]
            recent = (date.today() - date.fromisoformat(found["day"])).days <= self.DAYS
            return ([Timing(**one) for one in found["timings"]], str(found["day"])) if recent else ([], "")
        except (OSError, ValueError, KeyError, TypeError):
            return [], ""

    def write(self, timings: Sequence[Timing], day: str) -> None:
        """Add timings; where the cache cannot be written, they are taken again another time."""
        try:
            others = self._all()
        except (OSError, ValueError):
            others = {}
        others.pop(self.name, None)
        kept = dict(list(others.items())[1 - self.MOST :])
        content = {**kept, self.name: {"day": day, "timings": [asdict(timing) for timing in timings]}}
        with suppress(WriteError):
            write_bytes(self.path, json.dumps(content, indent=1).encode())

    def _all(self) -> dict[str, Any]:
        content = json.loads(self.path.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}


def start_networks(experiment: Experiment, device: torch.device) -> int:
    """How many start networks an experiment needs in all; 0 where trainings start from scratch."""
    return sum(len(block.seeds) for block in start_blocks(experiment, experiment.seeds, device))


def longest(groups: Sequence[Group], workers: int, alike: bool) -> float:
    """Of workers that take one group after another, how many full groups the longest at work trains.

    `alike`: groups are filled up with copies to one size; a user's networks are not, and take the time that they are.
    """
    done = [0.0] * workers
    for group in groups:
        done[done.index(min(done))] += 1.0 if alike else len(group.configurations) / len(groups[0].configurations)
    return max(done)


def time_together(groups: Sequence[Group], experiment: Experiment) -> list[Timing]:
    """A group in each of as many workers, all at once: they share caches and memory, and each is slower than one alone."""
    cpu = torch.device("cpu")
    asked, ignored = time.time(), (signal.SIGINT, signal.SIG_IGN)  # the parent decides
    start_fork_server()
    wait_for_fork_server()
    with worker_environment(), ProcessPoolExecutor(len(groups), context(), signal.signal, ignored) as pool:
        running = [pool.submit(time_group, group, experiment, cpu, asked) for group in groups]
        return [future.result() for future in running]


def time_group(group: Group, experiment: Experiment, device: torch.device, asked: float) -> Timing:
    """Train a group for a few steps; `asked` is the time of the request."""
    starting = time.time() - asked
    data, frames = timed_frames(experiment, group.seed, device)
    own = experiment.model.custom
    every = min(experiment.training.evaluate_every, OWN_STEPS if own else STEPS)
    with one_thread(device):
        # Evaluated at every step, then more seldom: what a step takes, and what an evaluation, is in the difference.
        few = replace(data, validation=data.probe)
        often, _, _ = timed(group, few, experiment, device, steps=OWN_OFTEN if own else OFTEN, every=1)
        seldom, last, end = timed(group, data, experiment, device, steps=3 * every, every=every)
        blocks = start_blocks(experiment, [group.seed], device)
        start = timed_start(blocks[0], data, experiment, device, frames) if blocks else 0.0
    step = max(seldom - often, 0.0) / (every - 1) if every > 1 else often
    return Timing(starting, frames, step, max(often - step, 0.0), max(last - seldom, 0.0), end, start)


def timed(
    group: Group, data: SeedData, experiment: Experiment, device: torch.device, steps: int, every: int
) -> tuple[float, float, float]:
    """Train so many steps, and give the seconds from one evaluation on the probe to the next (the median), to the last of all,
    which is on the validation set as well, and what came after it."""
    brief = experiment.training.model_copy(update={"steps": steps, "evaluate_every": every, "checkpoints": "none"})
    clock, model = list[float](), experiment.model

    def look(steps: int, diverged: int) -> None:
        clock.append(time.monotonic())

    train(group.configurations, data, brief, model.depth_range, device, look, group.size, model.custom)
    *usual, last, end = (after - before for before, after in pairwise([*clock, time.monotonic()]))
    return median(usual), last, end


def timed_start(block: StartBlock, data: SeedData, experiment: Experiment, device: torch.device, frames: float) -> float:
    """The seconds of a block of start networks, from a brief training and a longer one; `frames`: a seed's frames take so long,
    and about as long those that start networks alone are trained on."""
    model, training = experiment.model, experiment.training
    brief, longer = (OWN_BRIEF, OWN_LONGER) if model.custom else (BRIEF, LONGER)
    took = []
    for steps in (brief, longer):
        began, settings = time.monotonic(), training.model_copy(update={"start_steps": steps})
        train_neutral(block.seeds, data, settings, model.depth_range, device, custom=model.custom)
        took.append(time.monotonic() - began)
    step = max(took[1] - took[0], 0.0) / (longer - brief)
    return training.start_steps * step + (0.0 if experiment.data.folder else frames)


def timed_frames(experiment: Experiment, seed: int, device: torch.device) -> tuple[SeedData, float]:
    """A seed's frames with few to train on, and the seconds that they take with all of them."""
    data, started = experiment.data, time.monotonic()
    frames = make_seed_data(data.model_copy(update={"train": min(FEW, data.train)}), seed).to(device)
    seconds = time.monotonic() - started
    if data.folder:
        return frames, seconds  # read whole
    few = len(frames.train) + data.probe + data.validation
    return frames, seconds * (few + data.train - len(frames.train)) / few
