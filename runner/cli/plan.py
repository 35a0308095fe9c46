"""What an experiment would train, and how long that takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

from runner.cli.terminal import need_optuna, print_table, say

if TYPE_CHECKING:
    from runner.experiment import Experiment
    from runner.study import Estimate

USUAL_SECONDS = 10.0


def plan(experiment: Path, overrides: list[str], seeds: int | None, budget: int | None, again: bool, as_json: bool) -> None:
    """Account for every cell (trained, same as another, clash) and estimate the time. Makes no study."""
    with said_if_it_takes_long() as told:
        settings = read_experiment(experiment, overrides, seeds, told)
        if budget is not None:
            propose(settings, budget)
        elif settings.design.optuna is not None:
            plan_search(settings, again, as_json)
        else:
            plan_cells(settings, again, as_json)


@contextmanager
def said_if_it_takes_long() -> Iterator[Callable[[Sequence[str]], None]]:
    """Gives what hears which code an experiment names; if all of it takes longer than usual, that is said: it may never end."""
    named = list[str]()

    def tell() -> None:
        if named:
            say(f"still running the code of {', '.join(named)}; Ctrl-C ends it")

    timer = Timer(USUAL_SECONDS, tell)
    timer.daemon = True
    timer.start()
    try:
        yield named.extend
    finally:
        timer.cancel()


def plan_cells(settings: Experiment, again: bool, as_json: bool) -> None:
    """What becomes of each cell, and how long that takes."""
    from runner.execution import FrameCache, resolve_device
    from runner.experiment import design_aliases
    from runner.study import estimate_minutes, plan_experiment, resumption, start_networks

    frames, device = FrameCache(settings.data), resolve_device(settings.device)
    the_plan = plan_experiment(settings, frames)
    counts: dict[str, Any] = {
        "experiment": settings.name,
        "cells": len(the_plan.cells),
        "distinct": the_plan.count("trained"),
        "repeats": the_plan.count("same as"),
        "clashes": the_plan.count("clash"),
        "seeds": len(settings.seeds),
        "trials": the_plan.trials,
        "networks": the_plan.networks,
    }
    starts = start_networks(settings, device)
    if as_json:
        estimate = estimate_minutes(the_plan, device, frames, again)
        looks = {"expected_trials": the_plan.expected_trials, "most_minutes": estimate.most} if settings.looks else {}
        print(json.dumps({**counts, "starts": starts, "minutes": estimate.minutes, **looks}, indent=1))
        return
    if len(the_plan.cells) <= 100:
        rows = [
            [a.cell.name, " ".join(a.cell.fixes), f"{a.status} {a.same_as or ''}".strip(), a.reason] for a in the_plan.cells
        ]
        print_table(["cell", "fixes", "becomes", "because"], rows)
        print()
    if aliases := design_aliases(settings.design):
        print("aliases, effects that this design cannot separate:")
        print("\n".join(f"  {' = '.join(pair)}" for pair in aliases) + "\n")
    line = ", ".join(f"{value} {name}" for name, value in counts.items() if name != "experiment")
    if settings.looks:
        line += f", at most; about {the_plan.expected_trials} trials expected, looked at after {settings.looks} seeds"
    print(line + start_line(settings, starts), flush=True)
    print(minutes_line(estimate_minutes(the_plan, device, frames, again)))
    if there := resumption(the_plan, Path("runs") / settings.name):
        print(there)


def propose(settings: Experiment, trials: int) -> None:
    """What so many trials can pay for: a line per design, the best of them as YAML, and what it leaves open."""
    from runner.experiment import FEWEST_SEEDS, best_option, design_options

    found = design_options(settings, trials)
    rows = [[p.name, str(p.distinct), str(p.seeds) if p.fits else f"{p.seeds} (too few)", p.answers] for p in found]
    print_table(["design", "configurations", "seeds", "answers"], rows)
    chosen = best_option(found)
    if chosen is None:
        least = min(p.distinct for p in found) * FEWEST_SEEDS
        raise ValueError(f"--budget {trials}: no design has {FEWEST_SEEDS} seeds; the smallest needs {least} trials")
    print(f"\nWith {trials} trials: {chosen.name}, {chosen.distinct} configurations with {chosen.seeds} seeds each.")
    print(f"It answers {chosen.answers}. It leaves open: {chosen.leaves_open}.\n")
    print(chosen.block())


def plan_search(settings: Experiment, again: bool, as_json: bool) -> None:
    """The size of a search's space, what is asked for, and how long it takes."""
    from runner.execution import FrameCache, resolve_device
    from runner.study import estimate_minutes, plan_experiment, start_networks

    need_optuna("a search")
    from runner.search import sampled_plan, search_settings, search_space, space_size

    frames, device = FrameCache(settings.data), resolve_device(settings.device)
    plan_experiment(settings, frames)  # says what is wrong with a network of yours
    space, trials, seeds = search_space(settings, frames), search_settings(settings).trials, len(settings.seeds)
    the_plan = sampled_plan(settings, frames)
    counts = {"experiment": settings.name, "combinations": space.combinations, "cells": trials, "seeds": seeds}
    starts = start_networks(settings, device)
    if as_json:
        counts |= {"trials": trials * seeds, "starts": starts}
        print(json.dumps({**counts, "minutes": estimate_minutes(the_plan, device, frames, again).minutes}, indent=1))
        return
    print(f"the space: {space_size(space)}")
    print(f"{trials} cells asked for x {seeds} seeds = {trials * seeds} trials" + start_line(settings, starts), flush=True)
    print(minutes_line(estimate_minutes(the_plan, device, frames, again)))


def start_line(settings: Experiment, starts: int) -> str:
    """A further line on the start networks; empty where trainings start from scratch."""
    training = settings.training
    of_each = f"{training.start_steps} steps of {training.start_batch} images each"
    return f"\nstart: {starts} start networks first, {of_each}, once for all configurations" if starts else ""


def minutes_line(estimate: Estimate) -> str:
    """The estimate as text."""
    most = f", {estimate.most:.1f} at most," if estimate.most > estimate.minutes else ""
    return (
        f"about {estimate.minutes:.1f} minutes{most} to train on this machine (timed {estimate.timed}; --again times it anew); "
        "report and MLflow come after"
    )


def schema() -> None:
    """Print the JSON schema of the experiment file, with which an editor completes and checks it."""
    from runner.experiment import experiment_schema

    print(json.dumps(experiment_schema(), indent=1))


def read_experiment(
    path: Path, overrides: list[str], seeds: int | None, told: Callable[[Sequence[str]], None] = lambda _: None
) -> Experiment:
    """The experiment of a command line; `told` hears, before it is imported, which code the file names."""
    from runner.experiment import load_experiment

    return load_experiment(path, [*overrides, *([f"seeds={seeds}"] if seeds else [])], told)
