"""How many networks a CPU core trains together best: milliseconds per network and step, all in, by group size.

    python benchmarks/group_size.py --size 64x96 --groups 1,2,4,8,16,32 --processes 2

Processes with one thread each and the workers' allocator settings, all at once, as workers are: they share the last cache and
the memory, and a size that is best for one alone need not be for two. The group's configurations are drawn from the whole
product. The shipped choice is `CPU_GROUP`, and in lanes `LANES`, in runner/training/machine_code.py.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import code_paths  # noqa: F401

from runner.execution import ALLOCATOR_ENVIRONMENT

STEPS = 16


def milliseconds(count: int, height: int, width: int, rounds: int, machine_code: bool) -> list[float]:
    """Per network and step, a value for each round; rounds of the same group, probes every 8 steps."""
    import torch

    from nfloss.evaluation.rows import code_path
    from runner.data import Data, make_seed_data
    from runner.execution import balanced, by_training
    from runner.experiment import parse_experiment
    from runner.networks import DepthRange
    from runner.study import plan_experiment
    from runner.training import Training, train

    torch.set_num_threads(1)
    plan = plan_experiment(parse_experiment({"name": "x", "design": {"cartesian": [1, 2, 3, 4, 5, 8, 9]}, "seeds": 1}, "x"))
    trainings = balanced(list(by_training(a.configuration for a in plan.trained if a.configuration)))
    chosen = sorted(trainings[:count], key=code_path)
    data = make_seed_data(Data(train=64, probe=32, validation=8, height=height, width=width), 0)
    settings = Training(steps=STEPS, evaluate_every=8, machine_code=machine_code)
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        train(chosen, data, settings, DepthRange(), torch.device("cpu"))
        times.append(1e3 * (time.perf_counter() - started) / STEPS / count)
    return times[1:]  # the first warms up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="64x96", help="height x width of the images (default: %(default)s)")
    parser.add_argument("--groups", default="1,4,8,16,32", help="numbers of networks (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at once (default: one per core, %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds of each (default: %(default)s)")
    parser.add_argument("--torch-alone", action="store_true", help="as where numba is not installed")
    arguments = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ALLOCATOR_ENVIRONMENT.items()):  # read by a process as it starts
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATOR_ENVIRONMENT, "OMP_NUM_THREADS": "1"})
    height, width = map(int, arguments.size.split("x"))
    many, rounds = arguments.processes, arguments.rounds
    print(f"{arguments.size}, batch 8, {many} processes: networks in each, then ms of the machine per network and step")
    print(f"(min, median, max of {rounds} rounds in each process)")
    with ProcessPoolExecutor(many, mp_context=get_context("spawn")) as pool:
        for count in map(int, arguments.groups.split(",")):
            runs = [pool.submit(milliseconds, count, height, width, rounds, not arguments.torch_alone) for _ in range(many)]
            times = [time / many for run in runs for time in run.result()]
            print(f"{count:4}  {min(times):7.2f} {statistics.median(times):7.2f} {max(times):7.2f}", flush=True)


if __name__ == "__main__":
    main()
