"""Execution: groups of trials on a GPU in this process, or on the CPU in a worker process per core."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from nfloss import Configuration
from nfloss.rows import code_path
from runner.balance import balanced
from runner.checkpoints import write_checkpoints
from runner.dataset import keep, kept_seed_data, make_seed_data
from runner.experiment import Data, Experiment
from runner.fingerprint import fingerprint
from runner.readers.frames import read_seed_data
from runner.records import Records
from runner.space import record_key
from runner.training import History, SeedData, train

#: Networks that a CPU core trains together: measured flat from about here on, at 32x48 and at 64x96 (benchmarks/group_size.py).
CPU_GROUP = 18
#: A user's networks are run one after another: together they share the batch and the loss, and each needs its own memory.
OWN_GROUP = 4
#: More networks at once gain nothing on a GPU: launches are hidden long before.
LARGEST_GPU_GROUP = 256

#: glibc's allocator gives memory back to the system after every step and asks for it again; told not to, it is twice as fast.
#: In large pages, a step is another tenth faster.
ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "67108864",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}

Progress = Callable[[str, int, int], None]  # (group, steps done, diverged so far)


@dataclass(frozen=True)
class Group:
    """Configurations of one seed that are trained together, as so many networks (`runner/training.py` pads): the bits of a
    result depend on how many are trained together, so that number is part of the study. `rate`: their learning rate, where
    that is not the experiment's."""

    name: str
    seed: int
    configurations: tuple[Configuration, ...]
    size: int
    rate: float | None = None
    checkpoints: Path | None = None  # where its networks are kept, if they are

    def halves(self) -> tuple[Group, Group]:
        """The same trainings in two groups."""
        trainings = list(by_training(self.configurations).values())
        middle = -(-len(trainings) // 2)
        first, second = (tuple(c for readings in part for c in readings) for part in (trainings[:middle], trainings[middle:]))
        halves = (("a", first), ("b", second))
        a, b = (replace(self, name=self.name + half, configurations=part, size=middle) for half, part in halves)
        return a, b

    def without(self, done: Collection[tuple[str, int]]) -> Group | None:
        """What of it is not done, where `done` has (key, seed); None if that is nothing."""
        left = tuple(c for c in self.configurations if (record_key(c, self.rate), self.seed) not in done)
        if len(left) in (0, len(self.configurations)):
            return self if left else None
        return replace(self, name=f"{self.name}-rest", configurations=left, size=len(by_training(left)))


@dataclass(frozen=True)
class Results:
    """What a group came to."""

    group: Group
    records: Records


@dataclass(frozen=True)
class Crash:
    """A group that the machine did not finish: out of memory, a worker that died. Not a result; it is trained again."""

    group: Group
    reason: str


Ending = Results | Crash

#: What a machine does to a training: memory (host or device), a killed worker (BrokenProcessPool is a RuntimeError), files.
MACHINE_ERRORS = (RuntimeError, MemoryError, OSError)


def by_training(configurations: Iterable[Configuration]) -> dict[Configuration, list[Configuration]]:
    """Each distinct training, and the configurations that read it: those that differ in BatchNorm's momentum alone."""
    readings: dict[Configuration, list[Configuration]] = {}
    for c in configurations:
        readings.setdefault(c.trained(), []).append(c)
    return readings


def make_groups(configurations: Sequence[Configuration], seeds: Sequence[int], largest: int, in_blocks: bool) -> list[Group]:
    """Groups of equal size, of at most `largest` trainings, in the order in which a run that is stopped leaves most.

    Few configurations are all trained with one seed, then with the next. A whole product goes `in_blocks`: some of its
    trainings, chosen so that every word is among them as often as in the whole, with all seeds; then the next block.
    """
    readings = by_training(configurations)
    trainings = balanced(list(readings)) if in_blocks else sorted(readings, key=code_path)
    size = -(-len(trainings) // -(-len(trainings) // largest))
    chunks = [sorted(trainings[start : start + size], key=code_path) for start in range(0, len(trainings), size)]
    places = range(len(chunks))
    order = [(seed, i) for i in places for seed in seeds] if in_blocks else [(seed, i) for seed in seeds for i in places]
    return [Group(f"seed{seed}-{i}", seed, tuple(c for t in chunks[i] for c in readings[t]), size) for seed, i in order]


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


def run_groups(
    groups: list[Group], experiment: Experiment, device: torch.device, progress: Progress, may_start: Callable[[], bool]
) -> Iterator[Ending]:
    """Run the groups and give their records, or their crashes, as they finish, in any order.

    `may_start` is asked before each group: from its first no on, what runs is finished and nothing more begins.
    """
    workers = min(experiment.workers or cores(), len(groups))
    if device.type == "cuda" or workers <= 1:
        yield from run_here(groups, experiment, device, progress, may_start)
    else:
        yield from run_in_workers(groups, experiment, workers, progress, may_start)


def run_here(
    groups: list[Group], experiment: Experiment, device: torch.device, progress: Progress, may_start: Callable[[], bool]
) -> Iterator[Ending]:
    """One group after another in this process; on the CPU with one thread, so that results do not depend on cores."""
    waiting = deque(groups)
    with one_thread(device):
        while waiting and may_start():
            group = waiting.popleft()
            yield from ending(group, partial(run_group, group, experiment, device, progress), waiting)


def ending(group: Group, outcome: Callable[[], Results], waiting: deque[Group]) -> Iterator[Ending]:
    """The group's records or its crash; or nothing, where its halves wait to be tried instead."""
    try:
        result: Ending = outcome()
    except MACHINE_ERRORS as error:
        if divides(group, error):
            waiting.extendleft(reversed(group.halves()))
            return
        result = Crash(group, one_line(error))
    yield result


#: What torch, and what oneDNN within it, say of memory on the CPU that is not to be had.
NO_MEMORY = ("can't allocate memory", "could not create a primitive")


def divides(group: Group, error: BaseException) -> bool:
    """Whether the group ran out of memory and is to be tried in halves; what the device kept for it is given back."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    out_of_memory = isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(says in str(error) for says in NO_MEMORY)
    return out_of_memory and len(by_training(group.configurations)) > 1


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


def run_in_workers(
    groups: list[Group], experiment: Experiment, workers: int, progress: Progress, may_start: Callable[[], bool]
) -> Iterator[Ending]:
    """A process per core with one thread each: two threads in one process get in each other's way."""
    context = multiprocessing.get_context("spawn")
    news: Any = context.Queue()
    waiting, running = deque(groups), dict[Future[Results], Group]()
    with workers_environment(), TemporaryDirectory(prefix="nfloss-frames-") as shelf:
        keep(Path(shelf), seed_data(experiment.data, groups[0].seed, torch.device("cpu")))

        def new_pool() -> ProcessPoolExecutor:
            return ProcessPoolExecutor(workers, mp_context=context, initializer=start_worker, initargs=(news, Path(shelf)))

        pool = new_pool()
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    if not may_start():
                        waiting.clear()
                        break
                    group = waiting.popleft()
                    running[pool.submit(work, group, experiment)] = group
                done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                pass_on(news, progress)
                if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                    done = set(running)  # a worker that dies takes all that runs in its pool along
                    stop(pool)
                    pool = new_pool()
                for future in done:
                    group = running.pop(future)
                    yield from ending(group, future.result, waiting)
        finally:
            stop(pool)


@contextmanager
def workers_environment() -> Iterator[None]:
    """For the while, what a worker reads as it starts: the allocator's settings, and one thread."""
    wanted = {**ALLOCATOR, "OMP_NUM_THREADS": "1"}
    saved = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def stop(pool: ProcessPoolExecutor) -> None:
    """End the workers at once, whatever they do."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)


def one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"


def pass_on(news: Any, progress: Progress) -> None:
    """Everything the workers have reported since the last look."""
    while True:
        try:
            progress(*news.get_nowait())
        except queue.Empty:
            return


_news: Any = None
_shelf: Path | None = None


def start_worker(news: Any, shelf: Path) -> None:
    """Once in each worker."""
    global _news, _shelf
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    torch.set_num_threads(1)
    threading.Thread(target=leave_with_parent, daemon=True).start()
    _news, _shelf = news, shelf


def leave_with_parent() -> None:
    """A parent that is killed cannot stop its workers, and they would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def work(group: Group, experiment: Experiment) -> Results:
    """One group in a worker."""
    return run_group(group, experiment, torch.device("cpu"), lambda *news: _news.put(news))


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
    marks = [fingerprint(configuration, experiment.data, experiment.model.network) for configuration in group.configurations]
    return Results(group, replace(records, trials=records.trials.assign(fingerprint=marks)))


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
    if not data.plain and not (_shelf / f"seed{seed}.pt").exists():
        keep(_shelf, read_seed_data(data, seed, torch.device("cpu")))
    return kept_seed_data(_shelf, data, seed)
