"""Execution on a Ray cluster, a group for each task. The only file that imports ray.

A task does what a worker process of this machine does: one thread, the same sizes, frames drawn from the seed on its own node;
so its records are the same to the bit on processors of one kind. A task whose worker or node is lost is tried again elsewhere
by Ray. Progress passes through an actor that may be lost: nothing depends on it.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from runner.data import Data
from runner.execution.devices import cores, one_thread
from runner.execution.fork_server import WORKER_ENVIRONMENT
from runner.execution.frame_cache import FrameCache
from runner.execution.queue import Ending, GroupQueue, Results, Work, ending, one_line
from runner.execution.run_group import carry_out, fingerprints
from runner.execution.starts import Progress, TrainedStarts
from runner.experiment import Experiment, Ray
from runner.records.fingerprint import changed_in

#: Read by Ray as it is imported: nothing is sent anywhere or printed, and what runs out of memory is tried in halves, not for
#: ever.
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_task_oom_retries": "0",
}
REACH = 10.0  # seconds to wait for a cluster's port; Ray itself would try for minutes
OBJECT_STORE = 256 * 1024**2  # bytes, of a Ray started here: records are small
LOOK = 0.5  # seconds between looks at the tasks


class ClusterError(ValueError):
    """Why the cluster cannot be used, in one line."""


def connect(experiment: Experiment, device: torch.device) -> Any:
    """Join the cluster, or start Ray on this machine, once for this process; gives the module.

    Raises ClusterError: Ray is not installed, the cluster is not reached, or no node of it has room for a task."""
    os.environ.update(RAY_ENVIRONMENT)
    try:
        import ray
    except ImportError:
        raise ClusterError("execution: ray needs ray, not installed here: pip install 'nfloss[ray]'") from None
    settings = settings_of(experiment)
    if settings.gpus_per_task and device.type != "cuda":
        raise ClusterError(f"execution.ray.gpus_per_task: {settings.gpus_per_task:g}, and the device here is {device}")
    if not ray.is_initialized():
        start(ray, settings, experiment.workers or cores())
    if not slots(ray, settings, device):
        raise ClusterError(f"no node of the Ray cluster has {needs(settings, device)} for a task")
    return ray


def start(ray: Any, settings: Ray, cpus: int) -> None:
    """Reach the cluster that is named, or start one here; quietly, and what SIGTERM does stays as it was."""
    address = settings.address or os.environ.get("RAY_ADDRESS") or "local"
    here = {"num_cpus": cpus, "object_store_memory": OBJECT_STORE, "include_dashboard": False} if address == "local" else {}
    on_terminate = signal.getsignal(signal.SIGTERM)
    environment = {"env_vars": WORKER_ENVIRONMENT}
    try:
        if ":" in address:
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=REACH).close()
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=environment, **here)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise ClusterError(f"the Ray cluster {address} cannot be used: {one_line(error)}") from None
    finally:
        signal.signal(signal.SIGTERM, on_terminate)


def settings_of(experiment: Experiment) -> Ray:
    assert experiment.execution.ray is not None
    return experiment.execution.ray


def gpus(settings: Ray, device: torch.device) -> float:
    """The share of a GPU that a task has."""
    return (settings.gpus_per_task or 1.0) if device.type == "cuda" else 0.0


def needs(settings: Ray, device: torch.device) -> str:
    """What a task needs of its node, as text."""
    share = gpus(settings, device)
    return f"{settings.cpus_per_task:g} CPUs" + (f" and {share:g} of a GPU" if share else "")


def slots(ray: Any, settings: Ray, device: torch.device) -> int:
    """How many tasks the nodes that live have room for."""
    wanted = {"CPU": settings.cpus_per_task, "GPU": gpus(settings, device)}
    wanted = {name: share for name, share in wanted.items() if share}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(min(int(has.get(name, 0.0) / share + 1e-9) for name, share in wanted.items()) for has in nodes)


def run_on_ray(queue: GroupQueue, experiment: Experiment, device: torch.device, progress: Progress) -> Iterator[Ending]:
    """As many tasks at a time as the cluster has room for."""
    ray, settings = connect(experiment, device), settings_of(experiment)
    task = ray.remote(train_on_node).options(
        name="nfloss", num_cpus=settings.cpus_per_task, num_gpus=gpus(settings, device), max_retries=settings.retries
    )
    board, everywhere = ProgressBoard(ray, progress), with_absolute_folder(experiment)
    running = dict[Any, Work]()
    try:
        while True:
            while len(running) < max(1, slots(ray, settings, device)) and (group := queue.take()) is not None:
                running[task.remote(group, everywhere, device.type, group_software(group, everywhere), board.actor)] = group
            if not running:
                break
            done, _ = ray.wait(list(running), timeout=LOOK)
            board.pass_on()
            for reference in done:
                yield from ending(running.pop(reference), partial(result_of, ray, reference), queue)
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        board.close()


def result_of(ray: Any, reference: Any) -> Results | TrainedStarts:
    """A task's results; raises what it raised, or what the machine did to it, as a worker process would."""
    try:
        return ray.get(reference)
    except ray.exceptions.OutOfMemoryError as error:
        raise MemoryError(one_line(error)) from None
    except ray.exceptions.RayTaskError as error:
        own = isinstance(error.cause, Exception) and not isinstance(error.cause, ray.exceptions.RayError)
        raise (error.cause if own else RuntimeError(one_line(error))) from None
    except ray.exceptions.RayError as error:
        raise RuntimeError(one_line(error)) from None


def train_on_node(group: Work, experiment: Experiment, kind: str, wanted: list[str], board: Any) -> Results | TrainedStarts:
    """One group in a task; `kind` of device: which of a node's GPUs, Ray decides."""
    check_node(group, experiment, wanted)
    device = torch.device(kind)
    with one_thread(device):
        return carry_out(group, experiment, frames_of(experiment.data), device, lambda *message: board.put.remote(*message))


@lru_cache(maxsize=1)
def frames_of(data: Data) -> FrameCache:
    """The frames of this task's process, which trains one group after another."""
    return FrameCache(data)


def with_absolute_folder(experiment: Experiment) -> Experiment:
    """The experiment as a process elsewhere understands it, which has another working directory."""
    data = experiment.data
    if data.folder is None:
        return experiment
    return experiment.model_copy(update={"data": data.model_copy(update={"folder": str(Path(data.folder).resolve())})})


def group_software(group: Work, experiment: Experiment) -> list[str]:
    """What the group's bits depend on but for the processor, for each configuration: Python, torch, the code, the frames."""
    versions = f"Python:{sys.version_info.major}.{sys.version_info.minor} torch:{torch.__version__}"
    return [f"{versions} {mark}" for mark in fingerprints(group, experiment)]


def check_node(group: Work, experiment: Experiment, wanted: list[str]) -> None:
    """Raises ClusterError where this node has not the frames, or would train something else than was asked for."""
    folder = experiment.data.folder
    if folder is not None and not Path(folder).is_dir():
        raise ClusterError(f"data.folder: {folder} is not on node {socket.gethostname()}; each node needs the frames there")
    if changed := changed_in(zip(wanted, group_software(group, experiment), strict=True)):
        raise ClusterError(f"node {socket.gethostname()} has another {', '.join(changed)} than the run; install the same there")


class ProgressBoard:
    """The progress that tasks report, for the display. Its actor is on this machine; a run goes on if it is lost."""

    def __init__(self, ray: Any, progress: Progress) -> None:
        class Board:  # here, so that its process need not import torch
            def __init__(self) -> None:
                self.latest: dict[str, tuple[int, int]] = {}

            def put(self, group: str, steps: int, diverged: int) -> None:
                self.latest[group] = (steps, diverged)

            def take(self) -> dict[str, tuple[int, int]]:
                latest, self.latest = self.latest, {}
                return latest

        self.ray, self.progress = ray, progress
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        self.actor = ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote()
        self.asked: Any = self.actor.take.remote()

    def pass_on(self) -> None:
        """Report everything new since the last call."""
        if self.asked is None or not self.ray.wait([self.asked], timeout=0)[0]:
            return
        try:
            for group, said in self.ray.get(self.asked).items():
                self.progress(group, *said)
            self.asked = self.actor.take.remote()
        except self.ray.exceptions.RayActorError:
            self.asked = None

    def close(self) -> None:
        self.ray.kill(self.actor)
