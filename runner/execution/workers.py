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
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from runner.execution import process as allocator
from runner.execution.frame_cache import keep, kept_name, seed_data, use_shelf
from runner.execution.groups import Group
from runner.execution.process import deaf
from runner.execution.queue import Ending, Results, Waiting, ending
from runner.execution.run_group import Progress, run_group
from runner.experiment.experiment import Experiment

WORKER_ENVIRONMENT = {**allocator.ENVIRONMENT, "OMP_NUM_THREADS": "1"}


class Workers:
    """A process per core with one thread each: two threads in one process get in each other's way.

    They are forked from one process that has loaded everything, which it begins to do as this is entered, while its parent
    plans (where there is no fork, each loads by itself); they stay until it is left.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._context = context()
        self._news: Any = self._context.Queue()
        self._shelf = TemporaryDirectory(prefix="nfloss-frames-")
        self._pool = self._new_pool()

    def __enter__(self) -> Workers:
        begin_to_load()
        return self

    def __exit__(self, *why: object) -> None:
        stop(self._pool)
        self._shelf.cleanup()

    def _new_pool(self) -> ProcessPoolExecutor:
        setting = (self._news, Path(self._shelf.name))
        return ProcessPoolExecutor(self.count, self._context, initializer=start_worker, initargs=setting)

    def run(self, waiting: Waiting, experiment: Experiment, progress: Progress) -> Iterator[Ending]:
        """Run the groups and give their records, or their crashes, as they finish."""
        running = dict[Future[Results], Group]()
        keep_first(Path(self._shelf.name), experiment, waiting)
        wait_until_loaded()
        while True:
            while len(running) < self.count and (group := waiting.take()) is not None:
                running[self._submit(group, experiment)] = group
            if not running:
                break
            done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            pass_on(self._news, progress)
            if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                done = set(running)  # a worker that dies takes all that runs in its pool along
                self._begin_anew()
            for future in done:
                yield from ending(running.pop(future), future.result, waiting)

    def _submit(self, group: Group, experiment: Experiment) -> Future[Results]:
        with workers_environment():  # processes are begun as there is work for them
            try:
                return self._pool.submit(work, group, experiment)
            except BrokenProcessPool:  # a worker has died while it had nothing to do
                self._begin_anew()
                return self._pool.submit(work, group, experiment)

    def _begin_anew(self) -> None:
        stop(self._pool)
        self._pool = self._new_pool()


def context() -> Any:
    """How worker processes come to be."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["runner.execution.preload"])
    return forking


def begin_to_load() -> None:
    """Begin the process that workers are forked from, deaf to Ctrl-C as they are to be, and do not wait for it."""
    if context().get_start_method() == "forkserver":
        with workers_environment(), deaf():
            ensure_running()


def wait_until_loaded() -> None:
    """Until workers can be forked at once: begun before, they would stumble where Ctrl-C ends the wait."""
    if context().get_start_method() == "forkserver":
        with workers_environment():
            first = context().Process(target=int)
            first.start()
            first.join()


def keep_first(shelf: Path, experiment: Experiment, waiting: Waiting) -> None:
    """Put the first seed's frames where workers look for them: this process has made them already."""
    seed = waiting.groups[0].seed
    if not (shelf / kept_name(seed)).exists():
        keep(shelf, seed_data(experiment.data, seed, torch.device("cpu")))


@contextmanager
def workers_environment() -> Iterator[None]:
    """For the while, what a worker reads as it starts: the allocator's settings, one thread, and where this very code is."""
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    wanted = {**WORKER_ENVIRONMENT, "PYTHONPATH": path}
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
