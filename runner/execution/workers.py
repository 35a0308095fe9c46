"""A worker process per core."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from queue import Empty
from typing import Any

import torch

from runner.data import Data
from runner.execution.fork_server import context, start_fork_server, terminate, wait_for_fork_server, worker_environment
from runner.execution.frame_cache import FrameCache
from runner.execution.queue import Ending, GroupQueue, Results, Work, ending
from runner.execution.run_group import carry_out
from runner.execution.shared_folder import SharedFolder
from runner.execution.starts import Progress, StartBlock, TrainedStarts
from runner.experiment import Experiment


class Workers:
    """A process per core with one thread each: two threads in one process slow each other down.

    Workers are forked from one server process that has loaded everything; it starts to load on entry, while the parent plans
    (where there is no fork, each worker loads by itself). They end on exit.

    Args:
        count: of processes.
        experiment: whose groups they train.
        frames: the parent's; workers share the frames of each seed in files.
    """

    def __init__(self, count: int, experiment: Experiment, frames: FrameCache) -> None:
        self.count, self.experiment, self.frames = count, experiment, frames
        self._context = context()
        self._messages: Any = self._context.Queue()
        self._folder = SharedFolder()
        self._pool = self._new_pool()

    def __enter__(self) -> Workers:
        start_fork_server()
        return self

    def __exit__(self, *why: object) -> None:
        terminate(self._pool)
        self._folder.remove()

    def _new_pool(self) -> ProcessPoolExecutor:
        setting = (self._messages, self.experiment.data, self._folder.path)
        return ProcessPoolExecutor(self.count, self._context, initializer=start_worker, initargs=setting)

    def run(self, queue: GroupQueue, progress: Progress) -> Iterator[Ending]:
        """Run the groups and give their records, or their crashes, as they finish."""
        running = dict[Future[Results | TrainedStarts], Work]()
        if any(isinstance(work, StartBlock) for work in queue.groups):
            self.frames.start_data(self.experiment.seeds[0])  # drawn here, by all cores
        self.frames.share(self._folder.path)
        wait_for_fork_server()
        while True:
            while len(running) < self.count and (group := queue.take()) is not None:
                running[self._submit(group)] = group
            if not running:
                break
            done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            pass_on(self._messages, progress)
            if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                done = set(running)  # a worker that dies breaks its pool, and all that runs in it
                self._replace_pool()
            for future in done:
                yield from ending(running.pop(future), future.result, queue)

    def _submit(self, group: Work) -> Future[Results | TrainedStarts]:
        with worker_environment():  # the pool starts processes as it needs them
            try:
                return self._pool.submit(train_in_worker, group, self.experiment)
            except BrokenProcessPool:  # a worker has died while it had nothing to do
                self._replace_pool()
                return self._pool.submit(train_in_worker, group, self.experiment)

    def _replace_pool(self) -> None:
        terminate(self._pool)
        self._pool = self._new_pool()


def pass_on(messages: Any, progress: Progress) -> None:
    """Report everything that the workers have sent since the last call."""
    while True:
        try:
            progress(*messages.get_nowait())
        except Empty:
            return


# --- In a worker --------------------------------------------------------------------------------------------------------

_messages: Any = None
_frames: FrameCache | None = None


def start_worker(messages: Any, data: Data, folder: Path) -> None:
    global _messages, _frames
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    torch.set_num_threads(1)
    threading.Thread(target=exit_with_parent, daemon=True).start()
    _messages, _frames = messages, FrameCache(data, folder)


def exit_with_parent() -> None:
    """A parent that is killed cannot stop its workers: they end by themselves."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def train_in_worker(group: Work, experiment: Experiment) -> Results | TrainedStarts:
    assert _frames is not None
    return carry_out(group, experiment, _frames, torch.device("cpu"), lambda *message: _messages.put(message))
