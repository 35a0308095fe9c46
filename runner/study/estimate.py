"""How long a plan takes on this machine: its first groups begun as the run would begin them, and timed for some steps."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import mean, median

import torch

from runner.data import SeedData, make_seed_data
from runner.execution import (
    FrameCache,
    Group,
    StartBlock,
    context,
    group_size,
    one_line,
    one_thread,
    processes,
    start_blocks,
    start_fork_server,
    wait_for_fork_server,
    worker_environment,
)
from runner.experiment import Experiment, Plan
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


def estimate_minutes(plan: Plan, device: torch.device, frames: FrameCache) -> float:
    """Minutes that the plan's trials take, report and MLflow not counted.

    A search goes in batches, each of which ends before the next begins; workers stay.

    Raises:
        ValueError: training fails.
    """
    if not plan.trained:
        return 0.0
    loading, experiment = time.process_time(), plan.experiment  # this process has loaded and planned what a run does
    size, workers = group_size(plan, device, frames), processes(plan.experiment, device)
    search = experiment.design.optuna
    at_once = search.batch(size, workers) if search else len(plan.cells)
    groups, batches = groups_of(replace(plan, cells=plan.cells[:at_once]), size), -(-len(plan.trained) // at_once)
    busy = min(workers, len(groups))
    try:
        timings = (
            time_together(groups[:busy], experiment) if busy > 1 else [time_group(groups[0], experiment, device, time.time())]
        )
    except RuntimeError as error:  # of PyTorch, of the user's network; a worker that was killed
        raise ValueError(f"the first groups, tried for some steps, failed: {one_line(error)}") from error
    starting = loading + mean(t.starting for t in timings)  # while workers load, the study is prepared
    drawing = -(-len(experiment.seeds) // busy) * mean(t.frames for t in timings)
    each = mean(t.group(experiment.training) for t in timings)
    training = batches * longest(groups, busy, alike=experiment.model.custom is None) * each
    blocks = len(start_blocks(experiment, experiment.seeds, device))
    return round((starting + drawing + -(-blocks // workers) * mean(t.start for t in timings) + training) / 60.0, 2)


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
