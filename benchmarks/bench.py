"""How many trials a minute: nfloss beside a plain loop, Ray Tune, Optuna and mushin-py, in one go and on the same trials.

    python benchmarks/bench.py                      all that is installed, small images: some ten minutes
    python benchmarks/bench.py --full               the figures to publish, an hour: two sizes, the most trials for everyone
    python benchmarks/bench.py --only plain,nfloss  two of them
    python benchmarks/bench.py --sizes 32x48 --trials 4 --rounds 1 --steps 10 --scale 4 --only plain,nfloss    a try

Close everything else on the machine first: PyTorch's threads, which the plain loop uses, suffer most from company.
First the losses of the first steps are compared between nfloss and the plain loop; then the contenders run in turn, round after
round, so that a machine that drifts is unfair to all alike; then nfloss alone with more and more trials, and with --full every
contender with the most. It prints the report and keeps it, with every raw timing as JSON, in benchmarks/results/:
in the files of this machine and date.
Exit status: 0, 1 where nfloss and the plain loop did not train the same or a contender failed, 2 for bad input.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

import code_paths  # noqa: F401
import report
from campaign import Settings, carry_out
from contender import CONTENDERS
from machine import RESULTS, describe_machine, keep, this_processor
from trial_spec import draw

PACKAGES = ("torch", "numpy", "pandas", "ray", "optuna", "mushin-py")
SIZES, FULL_SIZES = "32x48", "32x48,64x96"  # height x width
MODULES = {"ray": "ray.tune", "optuna": "optuna", "mushin": "mushin"}


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    missing = {name: reason for name in options.only if (reason := absent(name))}
    contenders = tuple(name for name in options.only if name not in missing)
    chosen = options.sizes or sizes(FULL_SIZES if options.full else SIZES)
    settings = Settings(chosen, options.trials, options.rounds, options.steps, options.scale, options.full, contenders)
    machine = describe_machine(PACKAGES)
    try:
        drawn = draw(settings.most)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    campaign = carry_out(settings, drawn, lambda line: print(line, file=sys.stderr, flush=True))
    text = report.markdown(campaign, machine, missing)
    print(text)
    keep(options.out, text, report.as_json(campaign, machine, missing), this_processor(), brief=not options.full)
    equal = all(found.holds for found in campaign.equality.values())
    return 0 if equal and all(run.trials for run in campaign.runs) else 1


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=sizes, help=f"image sizes ({SIZES}; with --full {FULL_SIZES})")
    parser.add_argument("--trials", type=positive, default=32, help="trials of each contender in a round (32)")
    parser.add_argument("--rounds", type=positive, default=3, help="rounds; the spread of a ratio is over them (3)")
    parser.add_argument("--steps", type=positive, default=30, help="steps of a trial (30)")
    parser.add_argument("--scale", type=counts, default=counts("16,64,256"), help="numbers of trials for nfloss (16,64,256)")
    parser.add_argument("--full", action="store_true", help="every contender once with the most trials")
    parser.add_argument("--only", type=names, default=tuple(CONTENDERS), help=f"some of {','.join(CONTENDERS)}")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results (benchmarks/results)")
    return parser.parse_args(arguments)


def sizes(text: str) -> tuple[tuple[int, int], ...]:
    """32x48,64x96"""
    pairs = tuple(tuple(map(int, size.split("x"))) for size in text.split(","))
    if any(len(pair) != 2 or min(pair) < 16 or pair[0] % 16 or pair[1] % 16 for pair in pairs):
        raise argparse.ArgumentTypeError(f"{text}: heights and widths are multiples of 16, such as 32x48,64x96")
    return pairs  # type: ignore[return-value]


def counts(text: str) -> tuple[int, ...]:
    return tuple(sorted({positive(count) for count in text.split(",")}))


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: a number of at least 1 is needed")
    return int(text)


def names(text: str) -> tuple[str, ...]:
    """In the order of CONTENDERS, whatever order they are given in."""
    asked = text.split(",")
    unknown = [name for name in asked if name not in CONTENDERS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown contender {unknown[0]!r}; known: {', '.join(CONTENDERS)}")
    return tuple(name for name in CONTENDERS if name in asked)


def absent(name: str) -> str:
    """Why a contender cannot run; empty where it can."""
    module = MODULES.get(name, "torch")
    try:
        found = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError as error:
        return f"not installed ({error.msg}); pip install -c constraints.txt '{CONTENDERS[name][2]}'"
    return (
        "" if found else f"not installed (No module named {module!r}); pip install -c constraints.txt '{CONTENDERS[name][2]}'"
    )


if __name__ == "__main__":
    sys.exit(main())
