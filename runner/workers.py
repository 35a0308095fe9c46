"""A worker process per core."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from runner.dataset import keep
from runner.endings import Ending, Results, ending
from runner.execution import Progress, run_group, seed_data, use_shelf
from runner.experiment import Experiment
from runner.groups import Group
from runner.waiting import Waiting

#: glibc's allocator gives memory back to the system after every step and asks for it again; told not to, it is twice as fast.
#: In large pages, a step is another tenth faster.
ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "67108864",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
WORKER_ENVIRONMENT = {**ALLOCATOR, "OMP_NUM_THREADS": "1"}


def run_in_workers(waiting: Waiting, experiment: Experiment, workers: int, progress: Progress) -> Iterator[Ending]:
    """A process per core with one thread each: two threads in one process get in each other's way."""
    context = multiprocessing.get_context("spawn")
    news: Any = context.Queue()
    running = dict[Future[Results], Group]()
    with workers_environment(), TemporaryDirectory(prefix="nfloss-frames-") as shelf:
        keep(Path(shelf), seed_data(experiment.data, waiting.groups[0].seed, torch.device("cpu")))

        def new_pool() -> ProcessPoolExecutor:
            return ProcessPoolExecutor(workers, mp_context=context, initializer=start_worker, initargs=(news, Path(shelf)))

        pool = new_pool()
        try:
            while True:
                while len(running) < workers and (group := waiting.take()) is not None:
                    running[pool.submit(work, group, experiment)] = group
                if not running:
                    break
                done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                pass_on(news, progress)
                if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                    done = set(running)  # a worker that dies takes all that runs in its pool along
                    stop(pool)
                    pool = new_pool()
                for future in done:
                    yield from ending(running.pop(future), future.result, waiting)
        finally:
            stop(pool)


@contextmanager
def workers_environment() -> Iterator[None]:
    """For the while, what a worker reads as it starts: the allocator's settings, and one thread."""
    saved = {name: os.environ.get(name) for name in WORKER_ENVIRONMENT}
    os.environ.update(WORKER_ENVIRONMENT)
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


def pass_on(news: Any, progress: Progress) -> None:
    """Everything the workers have reported since the last look."""
    while True:
        try:
            progress(*news.get_nowait())
        except queue.Empty:
            return


_news: Any = None


def start_worker(news: Any, shelf: Path) -> None:
    """Once in each worker."""
    global _news
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    torch.set_num_threads(1)
    threading.Thread(target=leave_with_parent, daemon=True).start()
    _news = news
    use_shelf(shelf)


def leave_with_parent() -> None:
    """A parent that is killed cannot stop its workers, and they would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def work(group: Group, experiment: Experiment) -> Results:
    """One group in a worker."""
    return run_group(group, experiment, torch.device("cpu"), lambda *news: _news.put(news))
