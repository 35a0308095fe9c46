"""Execution of groups in one process: on which device, how many networks together, and from a group to its records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from runner.execution.devices import one_thread
from runner.execution.frame_cache import seed_data
from runner.execution.groups import Group, record_key
from runner.execution.queue import Ending, Results, Waiting, ending
from runner.experiment.experiment import Experiment
from runner.records.checkpoints import write_checkpoints
from runner.records.fingerprint import fingerprint
from runner.records.tables import Records
from runner.training.loop import History, train

Progress = Callable[[str, int, int], None]  # (group, steps done, diverged so far)


def run_here(waiting: Waiting, experiment: Experiment, device: torch.device, progress: Progress) -> Iterator[Ending]:
    """One group after another in this process; on the CPU with one thread, so that results do not depend on cores."""
    with one_thread(device):
        while (group := waiting.take()) is not None:
            yield from ending(group, partial(run_group, group, experiment, device, progress), waiting)


def run_group(group: Group, experiment: Experiment, device: torch.device, progress: Progress) -> Results:
    """Train a group and make its records."""
    data = seed_data(experiment.data, group.seed, device)
    settings = experiment.training
    history = train(
        group.configurations,
        data,
        settings if group.rate is None else settings.model_copy(update={"learning_rate": group.rate}),
        experiment.model.depth_range,
        device,
        lambda steps, diverged: progress(group.name, steps, diverged),
        group.size,
        experiment.model.own,
    )
    keys = [record_key(configuration, group.rate) for configuration in group.configurations]
    keep_networks(group, keys, history, experiment)
    constant = {"steps": settings.steps, "group": group.name, "device": str(device)}
    records = Records.of(keys, data, history, constant, first=group.seed == experiment.seeds[0])
    return Results(group, replace(records, trials=records.trials.assign(fingerprint=fingerprints(group, experiment))))


def fingerprints(group: Group, experiment: Experiment) -> list[str]:
    """Of each of the group's configurations, what its result depends on."""
    return [fingerprint(configuration, experiment.data, experiment.model.network) for configuration in group.configurations]


_shelf: Path | None = None


def keep_networks(group: Group, keys: Sequence[str], history: History, experiment: Experiment) -> None:
    """Write the checkpoints that the experiment asks for; before the records, so that a recorded trial has them."""
    if group.checkpoints is None:
        return
    facts = {"model": experiment.model.model_dump(mode="json")}
    for key, configuration, kept in zip(keys, group.configurations, history.checkpoints, strict=True):
        own = {**facts, "fixes": list(configuration.fixes), "numbers": dict(configuration.used_numbers)}
        write_checkpoints(group.checkpoints, key, group.seed, kept, own)
