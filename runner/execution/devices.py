"""Devices, cores, and how many processes train at once."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

from runner.experiment import Experiment


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
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes(experiment: Experiment, device: torch.device) -> int:
    """How many train at once: one on a GPU; on the CPU as many as the experiment says, else one per core."""
    return 1 if device.type == "cuda" else experiment.workers or cores()


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


@cache
def processor() -> str:
    """The processor's model, as Linux names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
