"""Execution: groups of trials on a GPU in this process, or on the CPU in a worker process per core."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd
import torch

from nfloss import Configuration
from runner.dataset import make_seed_data
from runner.experiment import Data, Experiment
from runner.records import curve_rows, trial_rows
from runner.training import SeedData, train

# Networks trained together: on a CPU core the gain is flat from about eight on.
CPU_GROUP, GPU_GROUP = 18, 64

#: glibc's allocator gives memory back to the system after every step and asks for it again; told not to, it is twice as fast.
ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "17179869184", "MALLOC_TOP_PAD_": "67108864"}

Progress = Callable[[str, int, int], None]  # (group, steps done, diverged so far)


@dataclass(frozen=True)
class Group:
    """Trials of one seed that are trained together. Padded with the first configuration to a study-wide size: the bits of
    a result depend on how many are trained together, so that number is part of the study."""

    name: str
    seed: int
    configurations: tuple[Configuration, ...]
    padding: int

    @property
    def padded(self) -> tuple[Configuration, ...]:
        return self.configurations + self.configurations[:1] * self.padding


@dataclass(frozen=True)
class Results:
    """A group's records."""

    group: Group
    trials: pd.DataFrame
    curves: pd.DataFrame


@dataclass(frozen=True)
class Crash:
    """A group that the machine did not finish: out of memory, a worker that died. Not a result; it is trained again."""

    group: Group
    reason: str


Ending = Results | Crash

#: What a machine does to a training: memory (host or device), a killed worker (BrokenProcessPool is a RuntimeError), files.
MACHINE_ERRORS = (RuntimeError, MemoryError, OSError)


def make_groups(configurations: list[Configuration], seeds: list[int], largest: int) -> list[Group]:
    """Groups of equal size, at most `largest`, seed by seed so that early stopping leaves whole seeds."""
    count = -(-len(configurations) // largest)
    size = -(-len(configurations) // count)
    chunks = [configurations[start : start + size] for start in range(0, len(configurations), size)]
    return [
        Group(f"seed{seed}-{place}", seed, tuple(chunk), size - len(chunk))
        for seed in seeds
        for place, chunk in enumerate(chunks)
    ]


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


def run_groups(groups: list[Group], experiment: Experiment, device: torch.device, progress: Progress) -> Iterator[Ending]:
    """Run all groups and give their records, or their crashes, as they finish, in any order."""
    workers = min(experiment.workers or cores(), len(groups))
    if device.type == "cuda" or workers <= 1:
        yield from run_here(groups, experiment, device, progress)
    else:
        yield from run_in_workers(groups, experiment, workers, progress)


def run_here(groups: list[Group], experiment: Experiment, device: torch.device, progress: Progress) -> Iterator[Ending]:
    """One group after another in this process; on the CPU with one thread, so that results do not depend on cores."""
    with one_thread(device):
        for group in groups:
            try:
                result: Ending = run_group(group, experiment, device, progress)
            except MACHINE_ERRORS as error:
                result = Crash(group, one_line(error))
            yield result


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


def run_in_workers(groups: list[Group], experiment: Experiment, workers: int, progress: Progress) -> Iterator[Ending]:
    """A process per core with one thread each: two threads in one process get in each other's way."""
    context = multiprocessing.get_context("spawn")
    news: Any = context.Queue()
    saved = {name: os.environ.get(name) for name in (*ALLOCATOR, "OMP_NUM_THREADS")}
    os.environ.update(ALLOCATOR, OMP_NUM_THREADS="1")  # read by a process as it starts
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=start_worker, initargs=(news,))
    try:
        of: dict[Future[Results], Group] = {pool.submit(work, group, experiment): group for group in groups}
        waiting = set(of)
        while waiting:
            done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            pass_on(news, progress)
            for future in done:
                try:
                    yield future.result()
                except MACHINE_ERRORS as error:
                    yield Crash(of[future], one_line(error))
    finally:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        restore_environment(saved)


def one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"


def restore_environment(saved: dict[str, str | None]) -> None:
    for name, value in saved.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def pass_on(news: Any, progress: Progress) -> None:
    """Everything the workers have reported since the last look."""
    while True:
        try:
            progress(*news.get_nowait())
        except queue.Empty:
            return


_news: Any = None


def start_worker(news: Any) -> None:
    """Once in each worker."""
    global _news
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    torch.set_num_threads(1)
    _news = news


def work(group: Group, experiment: Experiment) -> Results:
    """One group in a worker."""
    return run_group(group, experiment, torch.device("cpu"), lambda *news: _news.put(news))


def run_group(group: Group, experiment: Experiment, device: torch.device, progress: Progress) -> Results:
    """Train a group and make its records; padding is trained and thrown away."""
    data = seed_data(experiment.data, group.seed, device)
    history = train(
        group.padded,
        data,
        experiment.training,
        experiment.model.depth_range,
        device,
        lambda steps, diverged: progress(group.name, steps, diverged),
    )
    keys = [configuration.key for configuration in group.configurations]
    history = history.first(len(keys))
    constant = {"steps": experiment.training.steps, "group": group.name, "device": str(device)}
    return Results(group, trial_rows(keys, data, history, constant), curve_rows(keys, data, history))


@lru_cache(maxsize=2)
def seed_data(data: Data, seed: int, device: torch.device) -> SeedData:
    """A seed's data, made once for all of its groups."""
    return make_seed_data(data, seed, device)
