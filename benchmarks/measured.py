"""Run a contender in a fresh process, and measure it from outside: wall time, start-up, peak memory of all its processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from trial_spec import Spec, Trials

HERE = Path(__file__).resolve().parent
LOOK_EVERY = 0.25  # seconds between looks at the memory
#: What a shell might have set is taken away, so that each contender has its own defaults.
NOT_INHERITED = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GLIBC_TUNABLES", "LD_PRELOAD")
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONWARNINGS": "ignore"}


@dataclass(frozen=True)
class Run:
    """A contender's run, in seconds and bytes. `trials` is None where it failed, and `error` says why.

    `load` is the machine's load average of the minute before: what was run just before counts in it.
    """

    contender: str
    spec: Spec
    wall: float
    peak: int
    launched: float
    load: float
    trials: Trials | None
    error: str = ""

    @property
    def count(self) -> int:
        return len(self.trials.trials) if self.trials else 0

    @property
    def start_up(self) -> float:
        """From the launch of the process to the first training step."""
        assert self.trials is not None
        return self.trials.began - self.launched

    @property
    def per_minute(self) -> dict[str, float]:
        """Trials per minute by three clocks.

        whole: from launch to exit. after start-up: from the first training step to the end of the last trial. training
        alone: what all workers together would do if nothing but training took time, which is what long trials tend to.
        """
        assert self.trials is not None
        training = sum(trial.seconds for trial in self.trials.trials) / self.trials.workers
        clocks = {"whole": self.wall, "after start-up": self.trials.ended - self.trials.began, "training alone": training}
        return {name: 60.0 * self.count / seconds for name, seconds in clocks.items()}


CLOCKS = ("whole", "after start-up", "training alone")


def run_contender(name: str, spec: Spec) -> Run:
    """In a temporary folder of its own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        spec_file, result = Path(folder) / "spec.json", Path(folder) / "result.json"
        spec.save(spec_file)
        command = [sys.executable, str(HERE / "contender.py"), name, str(spec_file), str(result)]
        load = os.getloadavg()[0]
        code, wall, peak, launched, said = run_process(command, Path(folder))
        if code or not result.exists():
            return Run(name, spec, wall, peak, launched, load, None, said or f"exit status {code}")
        return Run(name, spec, wall, peak, launched, load, Trials.load(result))


def run_process(command: list[str], folder: Path) -> tuple[int, float, int, float, str]:
    """Exit status, wall seconds, peak bytes, clock at launch, last line said."""
    output = folder / "output.txt"
    with output.open("w", encoding="utf-8") as handle:
        launched, begin = time.time(), time.perf_counter()
        process = subprocess.Popen(command, env=clean_environment(), cwd=folder, stdout=handle, stderr=subprocess.STDOUT)
        memory = PeakMemory(process.pid)
        try:
            code = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        wall = time.perf_counter() - begin
    lines = [line.strip() for line in output.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return code, wall, memory.stop(), launched, lines[-1] if lines else ""


def clean_environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in NOT_INHERITED and not k.startswith("MALLOC_")}
    return {**kept, **QUIET}


class PeakMemory:
    """Largest sum of the resident memory of a process and all its descendants. Pages that they share count for each."""

    def __init__(self, pid: int) -> None:
        self._pid, self._peak, self._done = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(LOOK_EVERY):
            self._peak = max(self._peak, resident(self._pid))

    def stop(self) -> int:
        self._done.set()
        self._thread.join()
        return self._peak


def resident(pid: int) -> int:
    """Bytes now; a process that is gone has none."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for process in family:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total
