"""Execution of groups in one process: on which device, how many networks together, and from a group to its records."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import torch

from nfloss import Configuration
from runner.data.dataset import SeedData, keep, kept_name, kept_seed_data, make_seed_data
from runner.data.settings import Data
from runner.endings import Ending, Results, ending
from runner.experiment.experiment import Experiment
from runner.groups import Group
from runner.readers.frames import read_seed_data
from runner.records.checkpoints import write_checkpoints
from runner.records.fingerprint import fingerprint
from runner.records.tables import Records
from runner.space import record_key
from runner.training.loop import History, train
from runner.waiting import Waiting

#: A user's networks are run one after another: together they share the batch and the loss, and each needs its own memory.
OWN_GROUP = 4
#: Reckoned, not measured (benchmarks/gpu.py does): a step launches some 2,000 kernels however many networks there are, and
#: moves 82 MB a network at 64x96; so many keep an H200's memory busy for longer than the launches take.
LARGEST_GPU_GROUP = 512

Progress = Callable[[str, int, int], None]  # (group, steps done, diverged so far)


def resolve_device(wanted: str) -> torch.device:
    """`auto`: CUDA where there is one, else the CPU. Raises ValueError where the wanted device is not there."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        raise ValueError(f"device {wanted}: this machine has {found} CUDA devices; take cpu or auto")
    return device


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes(experiment: Experiment, device: torch.device) -> int:
    """How many train at once: one on a GPU; on the CPU as many as the experiment says, else one per core."""
    return 1 if device.type == "cuda" else experiment.workers or cores()


def gpu_group(experiment: Experiment, device: torch.device) -> int:
    """How many networks fit: from the memory of a step of 2 and of 4, as many as fill 80 % of what is free."""
    data = seed_data(experiment.data, experiment.seeds[0], device)
    brief = experiment.training.model_copy(update={"steps": 2, "evaluate_every": 2, "cuda_graphs": False})
    peaks = []
    for count in (2, 4):
        torch.cuda.reset_peak_memory_stats(device)
        train([Configuration.of()], data, brief, experiment.model.depth_range, device, size=count)
        peaks.append(torch.cuda.max_memory_allocated(device))
    each = max((peaks[1] - peaks[0]) // 2, 1)
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(LARGEST_GPU_GROUP, int(0.8 * free) // each))


def run_here(waiting: Waiting, experiment: Experiment, device: torch.device, progress: Progress) -> Iterator[Ending]:
    """One group after another in this process; on the CPU with one thread, so that results do not depend on cores."""
    with one_thread(device):
        while (group := waiting.take()) is not None:
            yield from ending(group, partial(run_group, group, experiment, device, progress), waiting)


@contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """On the CPU, one thread for the while."""
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


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


def use_shelf(shelf: Path) -> None:
    """From now on in this process, frames are mapped from files that several processes share."""
    global _shelf
    _shelf = shelf


def keep_networks(group: Group, keys: Sequence[str], history: History, experiment: Experiment) -> None:
    """Write the checkpoints that the experiment asks for; before the records, so that a recorded trial has them."""
    if group.checkpoints is None:
        return
    facts = {"model": experiment.model.model_dump(mode="json")}
    for key, configuration, kept in zip(keys, group.configurations, history.checkpoints, strict=True):
        own = {**facts, "fixes": list(configuration.fixes), "numbers": dict(configuration.used_numbers)}
        write_checkpoints(group.checkpoints, key, group.seed, kept, own)


@lru_cache(maxsize=2)
def seed_data(data: Data, seed: int, device: torch.device) -> SeedData:
    """A seed's data, made once for all of its groups; in a worker, mapped from what one of them made for all."""
    if _shelf is None:
        # Plain folders and scenes keep to the code that their records' fingerprints are of.
        return (make_seed_data if data.plain else read_seed_data)(data, seed, device)
    if not data.plain and not (_shelf / kept_name(seed)).exists():
        keep(_shelf, read_seed_data(data, seed, torch.device("cpu")))
    return kept_seed_data(_shelf, data, seed)
