"""One GPU: microseconds of a network's step, and memory, by the number of networks trained together and by how they are
trained, beside the plain eager loop on the same GPU.

    python benchmarks/gpu.py                                                     64x96, batch 8: minutes
    python benchmarks/gpu.py --groups 64,256 --modes fp32,fp32+graphs --steps 64 --rounds 1
    python benchmarks/gpu.py --device cpu --size 32x48 --groups 4 --steps 8 --rounds 1 --modes fp32,bf16    a try without one

A mode is a precision (fp32, tf32, bf16), `+graphs` where each step is replayed as one CUDA graph. Everything that a study does
of a trial is in the time: steps, evaluations every 32 of them, the end. The losses of the first steps are compared with the
plain loop's. The report and every raw timing as JSON are kept in benchmarks/results/, in the files of this device and date.
Exit status: 0, 1 where a float32 mode did not train what the plain loop trains, 2 for bad input.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

import code_paths  # noqa: F401
import roofline
import torch
from bench import counts, positive, sizes
from equality import FIRST, FIRST_LIMIT, LIMIT, relative
from hardware import bytes_per_second, flops_per_second
from machine import RESULTS, describe_machine, keep, this_processor
from plain import spec_data, train_plain
from report import spread, table
from trial_spec import Spec, draw

from nfloss import Configuration
from nfloss.evaluation.rows import code_path
from runner.data import SeedData
from runner.networks import DepthRange
from runner.training import Training, train
from runner.training.precision import Precision, convolutions_in

STEPS_OF_AN_EPOCH = 64  # as in experiments/full_factorial.yaml; a scheduled threshold moves once an epoch
GRAPHS = "+graphs"
WHAT_IS_MEASURED = """\
{steps} steps of {batch} images, evaluations every {every} on {held_out} images, all in the time; median (least to most) of the
rounds, after one that warmed up. The networks are distinct trainings drawn from the whole product. The plain loop trains one
after another, in fp32. "Of the bandwidth": the bytes that a step must move at least ({megabytes:.1f} MB, counted in float32 by
benchmarks/roofline.py) against the best copy here, {copied:.0f} GB/s; the best matrix product was {product:.1f} TFLOP/s. The
last two columns: largest relative difference of a network's first loss, and of its first {first}, from the plain loop's."""


@dataclass(frozen=True)
class Mode:
    """How networks are trained."""

    precision: Precision
    graphs: bool

    def __str__(self) -> str:
        return self.precision + GRAPHS * self.graphs


@dataclass
class Timed:
    """Some networks trained together, or (no mode) by the plain loop one after another: the seconds of each time, the largest
    memory in bytes where there is a GPU, and the first losses of each network, by its fixes."""

    mode: Mode | None
    networks: int
    steps: int
    seconds: list[float] = field(default_factory=list)
    peak: int = 0
    first_losses: dict[str, list[float]] = field(default_factory=dict)
    error: str = ""

    @property
    def name(self) -> str:
        return "plain loop" if self.mode is None else f"{self.networks} together, {self.mode}"

    @property
    def microseconds(self) -> list[float]:
        """Of a network's step."""
        return [1e6 * seconds / self.steps / self.networks for seconds in self.seconds]


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("no CUDA device; --device cpu tries the program, and its figures are no GPU's", file=sys.stderr)
        return 2
    try:
        trials = draw(max(options.plain, *options.groups))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    ((height, width),) = options.size
    spec = Spec(trials, height, width, options.steps, evaluate_every=32)
    machine = describe_machine(("torch", "numpy")) | facts_of(device)
    runs = measured(spec, options, device)
    hardware = {"flops": flops_per_second(device), "bytes": bytes_per_second(device)}
    text = report_of(spec, runs, hardware, machine)
    print(text)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else this_processor()
    content = {"machine": machine, "hardware": hardware, "configurations": trials, "runs": [asdict(run) for run in runs]}
    keep(options.out, text, content, where, brief=device.type != "cuda")
    return 0 if all(equal(run, runs[0]) for run in runs if run.mode and run.mode.precision == "fp32") else 1


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--size", type=sizes, default=sizes("64x96"), help="of the images (64x96)")
    parser.add_argument("--groups", type=counts, default=counts("32,128,256,512"), help="networks together (32,128,256,512)")
    everything = "fp32,fp32+graphs,tf32+graphs,bf16,bf16+graphs"
    parser.add_argument("--modes", type=modes, default=modes(everything), help=f"({everything})")
    parser.add_argument("--steps", type=positive, default=192, help="of a training (192)")
    parser.add_argument("--rounds", type=positive, default=3, help="timed, after a first that warms up (3)")
    parser.add_argument("--plain", type=positive, default=3, help="trials of the plain loop in a round (3)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results (benchmarks/results)")
    options = parser.parse_args(arguments)
    if len(options.size) > 1:
        parser.error(f"argument --size: one size at a time, got {len(options.size)}")
    return options


def modes(text: str) -> tuple[Mode, ...]:
    """fp32,bf16+graphs"""
    wanted = [Mode(mode.removesuffix(GRAPHS), mode.endswith(GRAPHS)) for mode in text.split(",")]  # type: ignore[arg-type]
    unknown = [mode for mode in wanted if mode.precision not in get_args(Precision)]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown mode {unknown[0]}; a precision is one of {', '.join(get_args(Precision))}")
    return tuple(wanted)


def facts_of(device: torch.device) -> dict[str, Any]:
    if device.type != "cuda":
        return {"device": "CPU: not a GPU's figures", "threads": torch.get_num_threads()}
    known = torch.cuda.get_device_properties(device)
    libraries = f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    return {"device": f"{known.name}, {known.total_memory / 2**30:.0f} GiB", "libraries": libraries}


# --- measured -----------------------------------------------------------------------------------------------------------


def measured(spec: Spec, options: argparse.Namespace, device: torch.device) -> list[Timed]:
    """The plain loop, then each group size in each mode. In a round each has its turn, so that a drift meets all alike."""
    data = spec_data(spec, device)
    settings = spec.training.model_copy(update={"epochs": -(-spec.steps // STEPS_OF_AN_EPOCH)})
    usable = [mode for mode in options.modes if device.type == "cuda" or not mode.graphs]
    runs = [Timed(None, options.plain, spec.steps)]
    runs += [Timed(mode, count, spec.steps) for count in options.groups for mode in usable]
    for number in range(1 + options.rounds):
        for run in (run for run in runs if not run.error):
            if device.type == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats(device)
            try:
                seconds = trained(run, spec.trials[: run.networks], data, settings)
            except torch.OutOfMemoryError as error:
                run.error = str(error).split(". ")[0]
                continue
            if number:  # the first warms up
                run.seconds.append(seconds)
            run.peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
            print(f"round {number} of {options.rounds}: {run.name}, {seconds:.1f} s", file=sys.stderr, flush=True)
    return runs


def trained(run: Timed, trials: Sequence[tuple[str, ...]], data: SeedData, settings: Training) -> float:
    """Train once: the seconds of it; first losses are noted in the run."""
    device = data.train.rgb.device
    if run.mode is None:
        with convolutions_in("fp32"):
            results = [train_plain(fixes, data, settings) for fixes in trials]
        run.first_losses = {title(fixes): one["losses"][:FIRST] for fixes, one in zip(trials, results, strict=True)}
        return float(sum(one["ended"] - one["began"] for one in results))
    settings = settings.model_copy(update={"precision": run.mode.precision, "cuda_graphs": run.mode.graphs})
    group = sorted(trials, key=lambda fixes: code_path(Configuration.of(*fixes).simplified()))
    configurations = [Configuration.of(*fixes).simplified() for fixes in group]
    history = train(configurations, data, settings, DepthRange(), device)
    losses = history.series["loss"][:FIRST].T.tolist()
    run.first_losses = {title(fixes): values for fixes, values in zip(group, losses, strict=True)}
    return history.seconds


def title(fixes: Sequence[str]) -> str:
    return "+".join(fixes) or "baseline"


def differences(run: Timed, plain: Timed) -> tuple[float, float]:
    """From the plain loop's: largest relative difference of a network's first loss, and of its first losses."""
    pairs = [(run.first_losses[name], losses) for name, losses in plain.first_losses.items() if name in run.first_losses]
    apart = [[relative(one, other) for one, other in zip(*pair, strict=True)] for pair in pairs]
    return max(of_one[0] for of_one in apart), max(map(max, apart))


def equal(run: Timed, plain: Timed) -> bool:
    """Whether it trained what the plain loop trained; what did not run broke nothing."""
    if run.error or plain.error:
        return True
    first, later = differences(run, plain)
    return first <= FIRST_LIMIT and later <= LIMIT


# --- reported -----------------------------------------------------------------------------------------------------------


def report_of(spec: Spec, runs: Sequence[Timed], hardware: dict[str, float], machine: dict[str, Any]) -> str:
    plain, moved = runs[0], roofline.step(spec).bytes
    what = WHAT_IS_MEASURED.format(
        steps=spec.steps,
        batch=spec.training.batch,
        every=spec.evaluate_every,
        held_out=spec.held_out,
        megabytes=moved / 1e6,
        copied=hardware["bytes"] / 1e9,
        product=hardware["flops"] / 1e12,
        first=FIRST,
    )
    header = ["", "us a network and step", "times plain", "of the bandwidth", "MB a network", "first loss", f"first {FIRST}"]
    rows = [row_of(run, plain, moved / hardware["bytes"]) for run in runs if not run.error]
    parts = [
        f"# One device: nfloss and the plain eager loop, {spec.size}",
        "\n".join(f"- {name}: {value}" for name, value in machine.items()),
        what,
        table(header, rows),
        *(f"{run.name}: {run.error}" for run in runs if run.error),
    ]
    return "\n\n".join(parts) + "\n"


def row_of(run: Timed, plain: Timed, least: float) -> list[str]:
    """`least`: seconds that a network's step takes if nothing but the memory's bandwidth matters."""
    middle, usual = statistics.median(run.microseconds), statistics.median(plain.microseconds)
    apart = [f"{difference:.0e}" for difference in differences(run, plain)] if run is not plain else ["", ""]
    memory = f"{run.peak / run.networks / 1e6:.0f}" if run.peak and run is not plain else ""
    return [run.name, spread(run.microseconds, ""), f"{usual / middle:.1f}", f"{1e8 * least / middle:.1f} %", memory, *apart]


if __name__ == "__main__":
    sys.exit(main())
