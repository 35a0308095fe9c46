"""Groups of trials: how large they are, where they run (processes, a GPU, Ray), in which order, and what they come to."""

from runner.execution.backends import Backend, check_backend, open_backend
from runner.execution.devices import cores, one_thread, processes, processor, resolve_device
from runner.execution.fork_server import context, start_fork_server, wait_for_fork_server, worker_environment
from runner.execution.frame_cache import FrameCache
from runner.execution.group_size import group_size
from runner.execution.groups import Group, balanced, by_training, make_groups, record_key
from runner.execution.observer import Observer
from runner.execution.process import ALLOCATOR_ENVIRONMENT, keep_memory, signals_deferred
from runner.execution.queue import Crash, GroupQueue, Results, one_line
from runner.execution.run_group import software
from runner.execution.starts import STARTS, StartBlock, StartError, Starts, TrainedStarts, start_blocks, train_starts

__all__ = [
    "ALLOCATOR_ENVIRONMENT", "STARTS", "Backend", "Crash", "FrameCache", "Group", "GroupQueue", "Observer", "Results",
    "StartBlock", "StartError", "Starts", "TrainedStarts", "balanced", "by_training", "check_backend", "context", "cores",
    "group_size", "keep_memory", "make_groups", "one_line", "one_thread", "open_backend", "processes", "processor",
    "record_key", "resolve_device", "signals_deferred", "software", "start_blocks", "start_fork_server", "train_starts",
    "wait_for_fork_server", "worker_environment",
]  # fmt: skip
