"""One group, from its configurations to its records; or one block of start networks."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from runner.execution.devices import one_thread, processor
from runner.execution.frame_cache import FrameCache
from runner.execution.groups import Group, record_key
from runner.execution.queue import Ending, GroupQueue, Results, Work, ending
from runner.execution.starts import Progress, StartBlock, TrainedStarts, start_fingerprint, train_starts
from runner.experiment import Experiment
from runner.records import Records, write_checkpoints
from runner.records.fingerprint import fingerprint
from runner.training import History, train, uses_machine_code


def run_in_process(
    queue: GroupQueue, experiment: Experiment, frames: FrameCache, device: torch.device, progress: Progress
) -> Iterator[Ending]:
    """One group after another in this process; on the CPU with one thread, so that results do not depend on cores."""
    with one_thread(device):
        while (group := queue.take()) is not None:
            yield from ending(group, partial(carry_out, group, experiment, frames, device, progress), queue)


def carry_out(
    work: Work, experiment: Experiment, frames: FrameCache, device: torch.device, progress: Progress
) -> Results | TrainedStarts:
    if isinstance(work, StartBlock):
        return train_starts(work, experiment, frames, device, progress)
    return run_group(work, experiment, frames, device, progress)


def run_group(group: Group, experiment: Experiment, frames: FrameCache, device: torch.device, progress: Progress) -> Results:
    data, settings = frames.seed_data(group.seed, device), experiment.training
    history = train(
        group.configurations,
        data,
        settings if group.rate is None else settings.model_copy(update={"learning_rate": group.rate}),
        experiment.model.depth_range,
        device,
        lambda steps, diverged: progress(group.name, steps, diverged),
        group.size,
        experiment.model.custom,
        group.start.state if group.start else None,
    )
    keys = [record_key(configuration, group.rate) for configuration in group.configurations]
    keep_networks(group, keys, history, experiment)
    facts = {"steps": settings.steps, "start": settings.start, "group": group.name, "device": str(device)}
    constant = {**facts, **software(experiment, device)}
    records = Records.of(keys, data, history, constant, first=group.seed == experiment.seeds[0])
    trials = records.trials.assign(fingerprint=fingerprints(group, experiment))
    return Results(replace(group, start=None), replace(records, trials=trials))  # the start network need not travel back


def software(experiment: Experiment, device: torch.device) -> dict[str, str | bool]:
    """What decides a trial's last bits besides its code, as the columns of its record: versions, processor, machine code."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "processor": processor(),
        "machine_code": uses_machine_code(device, experiment.training),
    }


def fingerprints(work: Work, experiment: Experiment) -> list[str]:
    """The fingerprint of each of a group's configurations, or that of start networks."""
    if isinstance(work, StartBlock):
        return [start_fingerprint(experiment)]
    data, network, training = experiment.data, experiment.model.network, experiment.training
    return [fingerprint(configuration, data, network, training) for configuration in work.configurations]


def keep_networks(group: Group, keys: Sequence[str], history: History, experiment: Experiment) -> None:
    """Write the checkpoints that the experiment asks for; before the records, so that a recorded trial has them."""
    if group.checkpoints is None:
        return
    facts = {"model": experiment.model.model_dump(mode="json")}
    for key, configuration, kept in zip(keys, group.configurations, history.checkpoints, strict=True):
        own = {**facts, "fixes": list(configuration.fixes), "numbers": dict(configuration.used_numbers)}
        write_checkpoints(group.checkpoints, key, group.seed, kept, own)
