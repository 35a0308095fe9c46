"""What was measured, as Markdown whose tables also read well in a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

import roofline
from campaign import Campaign
from contender import CONTENDERS
from equality import FIRST, FIRST_LIMIT, LIMIT, final_ratios
from measured import CLOCKS, Run

WHAT_IS_COMPARED = """\
Each contender trains the same configurations, on the same images in the same order, from the same weights, in float32, alone
on the machine, in a fresh process. The plain loop, Optuna and mushin-py train one trial after another with PyTorch's default
threads; Ray Tune and nfloss use a process per core with one thread each. The allocator settings of nfloss's workers are part
of nfloss and given to no other. Configurations are distinct trainings: what nfloss recognises as a repetition, or trains once
for several BatchNorm momenta, is not counted in its favour.
"whole" is from launch to exit, start-up included. "after start-up" is from the first training step to the end of the last
trial. "training alone" is what the workers would do if nothing but training took time: what long trials tend to, for then the
cost of starting and of handling a trial vanishes. Memory is the largest sum over all processes; what they share counts twice.
The trials are short ({steps} steps of 8 images, a few evaluations on 16): per-trial costs of the peers weigh more than in a
long study. Of a process's first trial a second or two is PyTorch's own warming up."""


def markdown(campaign: Campaign, machine: dict[str, Any], missing: dict[str, str]) -> str:
    """The whole report."""
    return "\n\n".join(sections(campaign, machine, missing)) + "\n"


def sections(campaign: Campaign, machine: dict[str, Any], missing: dict[str, str]) -> Iterator[str]:
    yield "# Benchmark: nfloss, a plain loop, and other runners"
    yield "\n".join(f"- {name}: {value}" for name, value in machine.items())
    yield from headline(campaign)
    yield WHAT_IS_COMPARED.format(steps=campaign.settings.steps)
    if missing:
        yield "\n".join(f"- {CONTENDERS[name][1]}: {reason}" for name, reason in missing.items())
    for size in sizes(campaign):
        yield from of_size(campaign, size)
    failed = [run for run in campaign.runs if not run.trials]
    if failed:
        lines = [f"- {title(run)}, {len(run.spec.trials)} trials at {run.spec.size}: {run.error}" for run in failed]
        yield "## Failed\n\n" + "\n".join(lines)


def of_size(campaign: Campaign, size: str) -> Iterator[str]:
    """The tables of one image size."""
    rounds = [[run for run in one if run.spec.size == size and run.trials] for one in campaign.rounds]
    scale = [run for run in campaign.scale if run.spec.size == size and run.trials]
    largest = [run for run in scale if run.count == max(campaign.settings.scale)]
    if any(rounds):
        yield f"## {size}: {campaign.settings.trials} trials each, in turn, {len(rounds)} times\n\n" + rates_table(rounds)
        yield from ratio_table("Times as fast, nfloss to each: median of the rounds (least to most)", rounds)
    if len(largest) > 1:
        yield f"## {size}: {largest[0].count} trials, once\n\n" + rates_table([largest])
        yield from ratio_table("Times as fast, nfloss to each", [largest])
    nfloss = [run for run in scale if run.contender == "nfloss"]
    if nfloss:
        yield f"## {size}: nfloss with more and more trials\n\n" + scale_table(nfloss)
        yield scale_verdict(nfloss)
    yield from roofline_table(campaign, size, [largest, *rounds])
    yield from equality_table(campaign, size, rounds)


# --- speed --------------------------------------------------------------------------------------------------------------


def headline(campaign: Campaign) -> Iterator[str]:
    """nfloss to each, start-up included, at the largest number of trials that all contenders ran."""
    for size in sizes(campaign):
        scale = [run for run in campaign.scale if run.spec.size == size and run.trials]
        largest = [run for run in scale if run.count == max(campaign.settings.scale)]
        rounds = [[run for run in one if run.spec.size == size and run.trials] for one in campaign.rounds]
        compared = [largest] if len(largest) > 1 else rounds
        ratios = {name: ratios_to(compared, name, "whole") for name in CONTENDERS if name != "nfloss"}
        said = [f"{median(values):.1f}x {CONTENDERS[name][1]}" for name, values in ratios.items() if values]
        if said:
            count = compared[0][0].count
            rate = median(run.per_minute["whole"] for one in compared for run in one if run.contender == "nfloss")
            yield f"**{size}, {count} trials, start-up included: nfloss {rate:.0f} trials per minute; {', '.join(said)}.**"


def rates_table(rounds: Sequence[Sequence[Run]]) -> str:
    """Trials per minute of each contender by each clock, and what they take."""
    header = ["contender", *(f"{clock}, trials/min" for clock in CLOCKS), "start-up, s", "processes training", "peak, MB"]
    rows = []
    for name in CONTENDERS:
        runs = [run for one in rounds for run in one if run.contender == name]
        if runs:
            rates = [spread([run.per_minute[clock] for run in runs], "") for clock in CLOCKS]
            start_up = spread([run.start_up for run in runs], "")
            workers = runs[0].trials.workers if runs[0].trials else 0
            rows.append([CONTENDERS[name][1], *rates, start_up, str(workers), megabytes(runs)])
    return table(header, rows)


def ratio_table(caption: str, rounds: Sequence[Sequence[Run]]) -> Iterator[str]:
    rows = []
    for name in CONTENDERS:
        ratios = {clock: ratios_to(rounds, name, clock) for clock in CLOCKS}
        if name != "nfloss" and ratios["whole"]:
            rows.append([CONTENDERS[name][1], *(spread(ratios[clock], "x") for clock in CLOCKS)])
    if rows:
        yield f"{caption}:\n\n" + table(["nfloss to", *CLOCKS], rows)


def ratios_to(rounds: Sequence[Sequence[Run]], name: str, clock: str) -> list[float]:
    """nfloss's rate / the other's, in each round that has both."""
    by_name = [{run.contender: run.per_minute[clock] for run in one} for one in rounds]
    return [rates["nfloss"] / rates[name] for rates in by_name if {"nfloss", name} <= set(rates)]


# --- growth -------------------------------------------------------------------------------------------------------------


def scale_table(runs: Sequence[Run]) -> str:
    header = ["trials", "whole, s", "s per trial", "after start-up, s per trial", "processes training", "peak, MB"]
    rows = [
        [
            str(run.count),
            f"{run.wall:.1f}",
            f"{run.wall / run.count:.3f}",
            f"{60.0 / run.per_minute['after start-up']:.3f}",
            str(run.trials.workers if run.trials else 0),
            megabytes([run]),
        ]
        for run in runs
    ]
    return table(header, rows)


def scale_verdict(runs: Sequence[Run]) -> str:
    """In words. Cost has a margin of a tenth; memory of a quarter, for groups are not of quite the same size. Memory is
    compared from the first run that has as many processes as the last."""
    first, last = runs[0], runs[-1]
    cost = (last.wall / last.count) / (first.wall / first.count)
    verdict = "falls" if cost < 0.9 else "stays flat" if cost <= 1.1 else "RISES"
    lines = [f"Cost per trial {verdict} from {first.count} to {last.count} trials ({cost:.2f}x)."]
    alike = [run for run in runs if run.trials and last.trials and run.trials.workers == last.trials.workers]
    if len(alike) > 1:
        growth = last.peak / max(alike[0].peak, 1)
        flat = "flat" if growth <= 1.25 else "GROWS"
        lines.append(f"Memory from {alike[0].count} to {last.count} trials, as many processes: {flat} ({growth:.2f}x).")
    return " ".join(lines)


# --- the machine --------------------------------------------------------------------------------------------------------


def roofline_table(campaign: Campaign, size: str, groups: Sequence[Sequence[Run]]) -> Iterator[str]:
    """Share of what this machine could do at most; the fastest run, by the training clock."""
    runs = [fastest([run for one in groups for run in one if run.contender == name]) for name in ("nfloss", "plain")]
    flops, moved = campaign.hardware["flops"], campaign.hardware["bytes"]
    rows, work = [], None
    for run in runs:
        if run:
            work = roofline.trial(run.spec)
            seconds = 60.0 / run.per_minute["training alone"]
            rows.append(
                [
                    title(run),
                    f"{1e3 * seconds:.0f}",
                    f"{100 * work.flops / flops / seconds:.1f} %",
                    f"{100 * work.bytes / moved / seconds:.1f} %",
                    f"{100 * work.seconds(flops, moved) / seconds:.1f} %",
                ]
            )
    if work:
        yield (
            f"### Share of the roofline\n\nA trial is {work.flops / 1e9:.2f} GFLOP and {work.bytes / 1e6:.0f} MB at least; "
            f"this machine's best is {flops / 1e9:.0f} GFLOP/s (matrix product) and {moved / 1e9:.1f} GB/s (copy): "
            f"{1e3 * work.seconds(flops, moved):.1f} ms a trial.\n\n"
            + table(["", "ms a trial", "of the operations", "of the bandwidth", "of the roofline"], rows)
        )


def fastest(runs: Sequence[Run]) -> Run | None:
    return max(runs, key=lambda run: run.per_minute["training alone"], default=None)


# --- equality -----------------------------------------------------------------------------------------------------------


def equality_table(campaign: Campaign, size: str, rounds: Sequence[Sequence[Run]]) -> Iterator[str]:
    """The check of the first steps, then the final errors of the timed runs beside the plain loop's."""
    found = campaign.equality.get(size)
    if found:
        verdict = "equal" if found.holds else "NOT EQUAL"
        yield (
            f"### Equality\n\nnfloss and the plain loop: {verdict}. Largest relative difference of a trial's first loss "
            f"{found.first_loss:.1e} (limit {FIRST_LIMIT:.0e}), of its first {FIRST} losses {found.first_steps:.1e} (limit "
            f"{LIMIT:.0e}). After {campaign.settings.steps} steps the near RMSE of ln depth is {found.final_median:.3f} "
            f"times the plain loop's in the median ({found.final_least:.3f} to {found.final_most:.3f}); float32 training "
            "amplifies round-off."
        )
    rows = []
    for name in CONTENDERS:
        ratios = [ratio for one in rounds for ratio in ratios_of_errors(one, name)]
        if name != "plain" and ratios:
            rows.append([CONTENDERS[name][1], f"{median(ratios):.3f}", f"{min(ratios):.3f}", f"{max(ratios):.3f}"])
    if rows:
        yield "Final near RMSE of ln depth / the plain loop's, trial by trial in the rounds:\n\n" + table(
            ["", "median", "least", "most"], rows
        )


def ratios_of_errors(runs: Sequence[Run], name: str) -> list[float]:
    by_name = {run.contender: run.trials for run in runs}
    one, plain = by_name.get(name), by_name.get("plain")
    return final_ratios(one, plain) if one and plain else []


# --- form ---------------------------------------------------------------------------------------------------------------


def sizes(campaign: Campaign) -> list[str]:
    return [f"{height}x{width}" for height, width in campaign.settings.sizes]


def title(run: Run) -> str:
    return CONTENDERS[run.contender][1]


def megabytes(runs: Sequence[Run]) -> str:
    return f"{max(run.peak for run in runs) / 1e6:.0f}"


def spread(values: Sequence[float], unit: str) -> str:
    """Median, and least to most where there are several."""
    middle = f"{median(values):.1f}{unit}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.1f} to {max(values):.1f})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown, its columns aligned."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (header, *rows)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_json(campaign: Campaign, machine: dict[str, Any], missing: dict[str, str]) -> dict[str, Any]:
    """Every raw timing; the configurations once."""
    drawn = max((run.spec.trials for run in campaign.runs), key=len, default=())
    return {
        "machine": machine,
        "settings": asdict(campaign.settings),
        "hardware": campaign.hardware,
        "missing": missing,
        "configurations": drawn,
        "equality": {size: asdict(found) for size, found in campaign.equality.items()},
        "rounds": [[run_json(run) for run in one] for one in campaign.rounds],
        "scale": [run_json(run) for run in campaign.scale],
    }


def run_json(run: Run) -> dict[str, Any]:
    facts = {"contender": run.contender, "size": run.spec.size, "asked": len(run.spec.trials), "trained": run.count}
    facts |= {"wall_s": run.wall, "peak_bytes": run.peak, "load_before": run.load, "error": run.error}
    if run.trials:
        facts |= {"start_up_s": run.start_up, "workers": run.trials.workers, "per_minute": run.per_minute}
        facts |= {"span_s": run.trials.ended - run.trials.began, "trial_s": [trial.seconds for trial in run.trials.trials]}
        facts["near_rmse_log"] = [trial.near for trial in run.trials.trials]
    return facts
