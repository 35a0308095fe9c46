"""The process that workers are forked from: it has loaded everything, and forks in milliseconds."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import Any

from runner.execution.process import ALLOCATOR_ENVIRONMENT, sigint_ignored

WORKER_ENVIRONMENT = {**ALLOCATOR_ENVIRONMENT, "OMP_NUM_THREADS": "1"}


def context() -> Any:
    """The start method of worker processes: forkserver where there is one, else spawn."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["runner.execution.preload"])
    return forking


def start_fork_server() -> None:
    """Start the process that workers are forked from, ignoring SIGINT as they do, without waiting for it."""
    if context().get_start_method() == "forkserver":
        with worker_environment(), sigint_ignored():
            ensure_running()


def wait_for_fork_server() -> None:
    """Wait for the fork server's imports, so that Ctrl-C cannot hit a half-started worker."""
    if context().get_start_method() == "forkserver":
        with worker_environment():
            first = context().Process(target=int)
            first.start()
            first.join()


@contextmanager
def worker_environment() -> Iterator[None]:
    """The environment that a worker reads as it starts: the allocator's settings, one thread, where the code is, its parent."""
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    wanted = {**WORKER_ENVIRONMENT, "PYTHONPATH": path, "NFLOSS_PARENT": str(os.getpid())}
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


def terminate(pool: ProcessPoolExecutor) -> None:
    """End the workers at once, whatever they do."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)
