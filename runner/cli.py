"""The command line: `nfloss issues | check | audit | data | plan | run | status | confirm | report | power | export | sync |
mlflow | dashboard`.

Exit status: 0 all trials accounted for, 1 some crashed (of `check`: a fix breaks a promise), 2 bad input (one clear line),
130 interrupted (resumable).
The standard library alone, and heavy imports wait inside the commands: --help and a mistyped word are answered at once.
"""

from __future__ import annotations

import argparse
import difflib
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from runner.experiment import Experiment

BAD_INPUT, CRASHED, INTERRUPTED = 2, 1, 130
REPORT_NEEDS = ("scipy", "statsmodels", "matplotlib", "nbformat", "nbclient", "nbconvert", "ipykernel")

ABOUT = "Which of ten documented fixes of a near-field-weighted depth loss help, do nothing, or harm?"
EXAMPLES = """\
nfloss issues --extensions examples/own_fix.py
nfloss check examples/own_fix.py
nfloss data formats
nfloss data stats ../frames --format tum --out depth.png
nfloss plan experiments/ablation.yaml
nfloss plan experiments/ablation.yaml --budget 200
nfloss run experiments/ablation.yaml --set training.steps=600 --seeds 10 --out-dir runs/longer
nfloss run experiments/ablation.yaml --resume
nfloss run experiments/ablation.yaml --device cuda --no-tracking --no-report
nfloss status runs/ablation
nfloss confirm runs/ablation --seeds 10
nfloss report runs/ablation
nfloss report runs/ablation --compare runs/real_data
nfloss power runs/ablation --gain 3
nfloss export runs/ablation --fixes 8-2 5-2
nfloss mlflow runs/ablation --port 5001
nfloss dashboard runs/optuna
""".splitlines()


def issues(extensions: list[str], as_json: bool) -> None:
    """List the ten issues and your own, their fixes, and the slots these fill."""
    from nfloss import ISSUES, load_extension
    from nfloss.extensions import load_installed
    from runner.study import describe

    load_installed()
    for extension in extensions:
        load_extension(extension)
    if as_json:
        print(json.dumps([describe(number) for number in sorted(ISSUES)], indent=1, ensure_ascii=False))
        return
    for number, issue in sorted(ISSUES.items()):
        print(f"{number:2} {issue.title} ({issue.severity}): {issue.says}")
        for fix in issue.fixes:
            beyond = "" if fix.origin == "document" else f"  [{fix.origin}]"
            print(f"     {fix.id:5} {fix.name:24} {fix.summary}; fills {', '.join(fix.fills)}{beyond}")


def check(extension: str, as_json: bool) -> int:
    """Try fixes of your own against the contract that every fix keeps to; says in plain words what breaks it."""
    from runner.own_fixes import check_lines, check_table

    table = check_table(extension)
    print(json.dumps(table, indent=1) if as_json else "\n".join(check_lines(table)))
    return CRASHED if any(entry["broken"] for entry in table) else 0


def audit(as_json: bool) -> None:
    """Recompute every number of the source document: claimed, computed, verdict."""
    from dataclasses import asdict

    from nfloss import audit as all_claims

    claims = all_claims()
    if as_json:
        print(json.dumps([asdict(claim) for claim in claims], indent=1, ensure_ascii=False))
        return
    print_table(
        ["issue", "quantity", "document", "computed", "verdict"],
        [[str(c.issue), c.quantity, c.claimed, c.computed, c.verdict] for c in claims],
    )
    verdicts = [claim.verdict for claim in claims]
    print("\n" + ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts)) + f"; {len(claims)} in all")


def data(
    what: str,
    path: str | None,
    format: str,
    depth_scale: float | None,
    near_weight: float | None,
    threshold: float | None,
    expected: float | None,
    batch: int | None,
    frames: int,
    out: Path | None,
) -> None:
    """List the formats of frames (formats), or say how the depth of a data set is spread and what weights suit it (stats)."""
    if what == "formats":
        from runner.data_words import format_lines

        print("\n".join(format_lines()))
        return
    if path is None:
        raise ValueError("data stats: PATH is missing; a folder of frames, an EXPERIMENT.yaml or the word scenes is needed")
    if out is not None and find_spec("matplotlib") is None:
        raise ValueError("--out needs matplotlib, not installed here: pip install matplotlib")
    from runner.data_source import source
    from runner.data_stats import spread
    from runner.data_words import lines, plain

    given = {"near_weight": near_weight, "threshold": threshold, "expected": expected, "batch": batch}
    seen, asked = source(path, format, depth_scale, frames, {name: value for name, value in given.items() if value is not None})
    found = spread(seen, asked)
    *said, conclusion = lines(path, found, asked)
    print("\n".join([*said, conclusion]))
    if out is not None:
        from analysis.plots_data import draw_data

        draw_data(out, path, *plain(found, asked), conclusion.partition(";")[0])
        print(f"figure: {out}")


def plan(experiment: Path, overrides: list[str], seeds: int | None, budget: int | None, as_json: bool) -> None:
    """Account for every cell (trained, same as another, clash) and estimate the time. Writes nothing."""
    from runner.designs import aliases_of
    from runner.estimate import estimate_minutes
    from runner.execution import resolve_device
    from runner.study import plan_experiment, resumption

    settings = read_experiment(experiment, overrides, seeds)
    if budget is not None:
        propose(settings, budget)
        return
    if settings.design.optuna is not None:
        plan_search(settings, as_json)
        return
    the_plan = plan_experiment(settings)
    counts: dict[str, Any] = {
        "experiment": settings.name,
        "cells": len(the_plan.cells),
        "distinct": the_plan.count("trained"),
        "repeats": the_plan.count("same as"),
        "clashes": the_plan.count("clash"),
        "seeds": len(settings.seeds),
        "trials": the_plan.trials,
        "networks": the_plan.networks,
        "minutes": estimate_minutes(the_plan, resolve_device(settings.device)),
    }
    if as_json:
        print(json.dumps(counts, indent=1))
        return
    if len(the_plan.cells) <= 100:
        fates = [f"{a.status} {a.same_as or ''}".strip() for a in the_plan.cells]
        rows = [[a.cell.name, " ".join(a.cell.fixes), f, a.reason] for a, f in zip(the_plan.cells, fates, strict=True)]
        print_table(["cell", "fixes", "becomes", "because"], rows)
        print()
    if aliases := aliases_of(settings.design):
        print("aliases, effects that this design cannot tell apart:")
        print("\n".join(f"  {' = '.join(pair)}" for pair in aliases) + "\n")
    print(", ".join(f"{value} {name}" for name, value in counts.items() if name not in ("experiment", "minutes")))
    print(f"about {counts['minutes']:.1f} minutes on this machine")
    if there := resumption(the_plan, Path("runs") / settings.name):
        print(there)


def propose(settings: Experiment, trials: int) -> None:
    """What so many trials can pay for: a line per design, the best of them as YAML, and what it leaves open."""
    from runner.budget import FEWEST_SEEDS, best, proposals

    found = proposals(settings, trials)
    rows = [[p.name, str(p.distinct), str(p.seeds) if p.fits else f"{p.seeds} (too few)", p.answers] for p in found]
    print_table(["design", "configurations", "seeds", "answers"], rows)
    chosen = best(found)
    if chosen is None:
        least = min(p.distinct for p in found) * FEWEST_SEEDS
        raise ValueError(f"--budget {trials}: no design has {FEWEST_SEEDS} seeds; the smallest needs {least} trials")
    print(f"\nWith {trials} trials: {chosen.name}, {chosen.distinct} configurations with {chosen.seeds} seeds each.")
    print(f"It answers {chosen.answers}. It leaves open: {chosen.leaves_open}.\n")
    print(chosen.block())


def plan_search(settings: Experiment, as_json: bool) -> None:
    """The size of a search's space, what is asked for, and how long it takes."""
    from runner.estimate import estimate_minutes
    from runner.execution import resolve_device

    need_optuna("a search")
    from runner.network_contract import check_network
    from runner.search_run import cells_at_once, sampled_plan, search_of, space_of
    from runner.search_words import size_line

    check_network(settings)
    space, trials, seeds = space_of(settings), search_of(settings).trials, len(settings.seeds)
    device = resolve_device(settings.device)
    minutes = estimate_minutes(sampled_plan(settings), device, cells_at_once(settings, device))
    counts = {"experiment": settings.name, "combinations": space.combinations, "cells": trials, "seeds": seeds}
    if as_json:
        print(json.dumps({**counts, "trials": trials * seeds, "minutes": minutes}, indent=1))
        return
    print(f"the space: {size_line(settings, space)}")
    print(f"{trials} cells asked for x {seeds} seeds = {trials * seeds} trials")
    print(f"about {minutes:.1f} minutes on this machine")


def run(
    experiment: Path,
    overrides: list[str],
    seeds: int | None,
    device: str | None,
    execution: str | None,
    out_dir: Path | None,
    resume: bool,
    worker: bool,
    max_seconds: float | None,
    no_tracking: bool,
    no_report: bool,
) -> int:
    """Train every distinct configuration of an experiment, record, report."""

    if execution and any(override.startswith("execution") for override in overrides):
        raise ValueError(
            f"--execution {execution} and --set execution...: give one of them; --set execution.ray.address=... is enough"
        )
    given = {"device": device, "execution": execution}
    settings = read_experiment(experiment, [*overrides, *(f"{key}={value}" for key, value in given.items() if value)], seeds)
    folder = out_dir or Path("runs") / settings.name
    began = time.monotonic()
    if settings.design.optuna is None:
        code = train(settings, folder, resume, max_seconds, worker)
    else:
        code = train_search(settings, folder, resume or worker, max_seconds)
    if code is None:
        return 0
    if code:
        return code
    missing = "" if no_report else report_lacks()
    if missing:
        say(f"no report here ({missing}); the records are safe, draw it elsewhere: nfloss report {folder}")
    drawn = not (no_report or missing)
    if drawn and settings.confirm:
        left = None if max_seconds is None else max(0.0, max_seconds - (time.monotonic() - began))
        code = train_confirmation(folder, settings.confirm, left)
    if drawn:
        draw_report(folder)
    if settings.tracking.mlflow and not no_tracking:  # after the report: the view shows verdicts and figures
        track(folder, settings.tracking.uri)
    if drawn:
        say_conclusions(folder)
    return code


def train(settings: Experiment, folder: Path, resume: bool, max_seconds: float | None, worker: bool = False) -> int | None:
    """Run a study with its progress shown; says what became of it and gives the exit status, None where another worker trains
    the rest of it."""
    from runner.files import WriteError
    from runner.joint import run_jointly
    from runner.progress import Display
    from runner.study import run_study

    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        with Display(settings) as display:
            hooks, elsewhere = (display.begin, display.finished, display.crashed), False
            if worker:
                outcome, elsewhere = run_jointly(settings, folder, max_seconds, *hooks)
            else:
                outcome = run_study(settings, folder, resume, max_seconds, *hooks)
    except KeyboardInterrupt:
        say("interrupted; what was recorded is safe, continue with --resume")
        return INTERRUPTED
    except WriteError as error:
        return stopped_by(error, folder)
    say_damaged(outcome.damaged, folder)
    line = f"{outcome.planned} planned, {outcome.done} done, {outcome.diverged} diverged, {outcome.failed} failed"
    if outcome.stopped:
        print(outcome.part)
        print(f"{line}; stopped for --max-seconds {max_seconds:g}, continue with --resume")
        return INTERRUPTED
    if elsewhere:
        print(f"{line}; another worker trains the rest and draws the report")
        return None
    complete = outcome.done == outcome.planned
    print(line if complete else f"{line}; continue with --resume")
    return 0 if complete else CRASHED


def stopped_by(error: OSError, folder: Path) -> int:
    """A disk that takes no more: what is there is safe. Where nothing is there yet, the folder was a bad choice."""
    if not any((folder / "records").glob("trials-*.parquet")):
        raise error
    say(f"{error}; what was recorded is safe, make room and continue with --resume")
    return CRASHED


def say_damaged(groups: Sequence[str], folder: Path) -> None:
    if groups:
        where, names = folder / "records" / "damaged", ", ".join(groups[:5]) + (", ..." if len(groups) > 5 else "")
        say(f"{len(groups)} groups of records could not be read and were trained again: {names}; what was there is in {where}")


def train_search(settings: Experiment, folder: Path, resume: bool, max_seconds: float | None) -> int | None:
    """Run a search; says what it found and gives the exit status, None where another process trains the rest of it."""
    need_optuna("a search")
    from runner.files import WriteError
    from runner.progress import Display
    from runner.search_run import Hooks, run_search

    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        with Display(settings) as display:
            hooks = Hooks(display.batch, display.finished, display.crashed, display.waits)
            found = run_search(settings, folder, resume, max_seconds, hooks)
    except KeyboardInterrupt:
        say("interrupted; what was recorded is safe, continue with --resume")
        return INTERRUPTED
    except WriteError as error:
        return stopped_by(error, folder)
    outcome = found.outcome
    say_damaged(outcome.damaged, folder)
    line = f"{outcome.planned} planned, {outcome.done} done, {outcome.diverged} diverged, {outcome.failed} failed"
    if found.trouble:
        say(found.trouble)
        return CRASHED
    print("\n".join(found.best) or "nothing is complete yet")
    if outcome.stopped:
        print(f"{line}; stopped for --max-seconds {max_seconds:g}, continue with --resume")
        return INTERRUPTED
    if found.elsewhere:
        print(f"{line}; another process trains the rest and draws the report")
        return None
    complete = outcome.done >= outcome.planned and not outcome.failed
    print(line if complete else f"{line}; continue with --resume")
    return 0 if complete else CRASHED


def train_confirmation(study: Path, seeds: int, max_seconds: float | None = None) -> int:
    """What the study's evidence supports, the baseline and the document's recommendation, on seeds that chose nothing."""
    import analysis
    from analysis.recommendation import candidates, confirmation_folder
    from runner.confirmation import confirming
    from runner.study import read_study

    loaded = analysis.load(study)
    fixes = analysis.verdicts(loaded)["fixes"]
    experiment = confirming(read_study(study)["experiment"], candidates(loaded, fixes), seeds)
    print(f"confirming on seeds {experiment.seeds[0]} to {experiment.seeds[-1]}: {', '.join(experiment.design.explicit)}")
    return train(experiment, confirmation_folder(study), True, max_seconds) or 0


def status(study: Path) -> None:
    """Say what is done and what is missing."""
    from runner.part import balanced_part
    from runner.records import keys_and_seeds, read_trials
    from runner.study import read_study
    from runner.tables import read_table

    settings = read_study(study)
    cells = read_table(study / "plan.parquet")
    trials = read_trials(study / "records", cells)
    if len(trials):
        trials = trials[trials["key"].isin(cells["key"])]  # a search may have given a cell up after its first seeds
    planned = int((cells["status"] == "trained").sum()) * len(settings["seeds"])
    diverged = int((trials["status"] == "diverged").sum()) if len(trials) else 0
    print(f"{settings['name']}: {planned} planned, {len(trials)} done, {diverged} diverged, {planned - len(trials)} missing")
    if len(trials) < planned:
        product = settings["experiment"]["design"]["cartesian"] is not None
        print(balanced_part(cells, settings["seeds"], keys_and_seeds(trials), product))
    for seed in settings["seeds"] if len(trials) < planned else []:
        print(f"  seed {seed}: {int((trials['seed'] == seed).sum()) if len(trials) else 0} trials")


def confirm(study: Path, seeds: int) -> int:
    """Train a study's recommendation again on fresh seeds, beside the baseline and the document's; draw the report anew."""
    need_report(study)
    code = train_confirmation(study, seeds)
    if not code:
        draw_report(study)
        say_conclusions(study)
    return code


def report(study: Path, other: Path | None) -> None:
    """Draw the conclusions of a study: verdicts, figures, notebook, one HTML page; or compare them with another study's."""
    need_report(study)
    if other is not None:
        from analysis.compare import comparison

        print(comparison(study, other))
        return
    draw_report(study)
    say_conclusions(study)


def power(study: Path, gain: float) -> None:
    """Say what a study's seeds can tell apart, and how many would tell a gain of so many percent."""
    need_report(study)
    from analysis.power import power_lines

    print("\n".join(power_lines(study, gain)))


def export(study: Path, fixes: list[str] | None) -> None:
    """Write a study's recommended loss for your training code: YAML blocks, and one Python file that needs torch alone."""
    from runner.study import StudyError, read_study

    read_study(study)
    if not (study / "verdicts.json").exists():
        raise StudyError(f"{study}: no verdicts yet; draw the conclusions first: nfloss report {study}")
    from runner.export import export_loss

    block, files = export_loss(study, fixes)
    print(block)
    for path in files:
        say(f"written: {path}")


def sync(study: Path, uri: str | None) -> None:
    """Write the MLflow view of a study again, from its records."""
    from runner.study import read_study

    read_study(study)
    track(study, uri)


def mlflow(study: Path | None, port: int) -> int:
    """Open the MLflow UI on 127.0.0.1."""
    from runner.study import read_study
    from runner.tracking import serve

    if study is not None:
        read_study(study)
    return serve(study, port)


def dashboard(study: Path | None, port: int) -> int:
    """Open the Optuna dashboard on 127.0.0.1, of a search or of any other study."""
    need_optuna("the dashboard", "optuna_dashboard")
    from runner.dashboard import serve

    return serve(study, port)


def read_experiment(path: Path, overrides: list[str], seeds: int | None) -> Experiment:
    from runner.experiment import load_experiment

    return load_experiment(path, [*overrides, *([f"seeds={seeds}"] if seeds else [])])


def track(folder: Path, uri: str | None) -> None:
    """The MLflow view; where it cannot be written, one warning, and the records are still there."""
    from runner.tracking import TrackingError, write_view

    try:
        where = write_view(folder, uri)
    except TrackingError as error:
        say(f"no MLflow view ({error}); the records are safe, try later: nfloss sync {folder}")
    else:
        print(f"MLflow: {where}")


def report_lacks() -> str:
    """What the report needs and this machine lacks, as words; empty where it can be drawn. Training needs none of it."""
    missing = [name for name in REPORT_NEEDS if find_spec(name) is None]
    return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed" if missing else ""


def need_report(study: Path) -> None:
    """A study, and what its conclusions need installed."""
    from runner.study import read_study

    read_study(study)
    if missing := report_lacks():
        raise ValueError(f"no report here ({missing}); install it with pip")


def need_optuna(what: str, *more: str) -> None:
    """Say in one line what is to be installed."""
    missing = [name.replace("_", "-") for name in ("optuna", *more) if find_spec(name) is None]
    if missing:
        raise ValueError(f"{what} needs {' and '.join(missing)}, not installed here: pip install {' '.join(missing)}")


def draw_report(folder: Path) -> None:
    import analysis

    print(f"drawing the report of {folder} (about half a minute)", file=sys.stderr)
    analysis.report(folder)


def say_conclusions(folder: Path) -> None:
    """Three lines, the last of which names the report."""
    import analysis

    print(analysis.terminal_summary(folder))


def say(line: str) -> None:
    print(f"nfloss: {line}", file=sys.stderr)


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """Columns aligned, the last one free."""
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header) - 1)]
    for line in [header, *rows]:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip())


def number(kind: type[int] | type[float], least: int, most: float = math.inf) -> Callable[[str], float]:
    """Reads a number for argparse; its refusal says what is allowed."""

    def read(text: str) -> float:
        try:
            if least <= (value := kind(text)) <= most:
                return value
        except ValueError:
            pass
        allowed = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(f"{text!r}; a {'whole ' * (kind is int)}number {allowed} is needed")

    return read


Argument = tuple[tuple[str, ...], dict[str, Any]]


def argument(*names: str, **how: Any) -> Argument:
    return names, how


EXPERIMENT = argument("experiment", metavar="EXPERIMENT.yaml", type=Path, help="such as experiments/ablation.yaml")
STUDY = argument("study", metavar="STUDY_DIR", type=Path, help="a study's folder, such as runs/ablation")
SET = argument(
    "--set",
    dest="overrides",
    metavar="KEY=VALUE",
    action="append",
    default=[],
    help="in place of the file's, such as training.steps=100; may be given several times",
)
SEEDS = argument("--seeds", metavar="N", type=number(int, 1), help="number of paired seeds (0, 1, ...); default: the file's")
EXTENSIONS = argument(
    "--extensions",
    metavar="PATH_OR_MODULE",
    action="append",
    default=[],
    help="own fixes, such as my_fixes.py; may be given several times; those of installed packages are there",
)
JSON = argument("--json", dest="as_json", action="store_true", help="print JSON, not a table")

#: Each command with what it takes; its name and its help are the function's.
COMMANDS: dict[Callable[..., int | None], list[Argument]] = {
    issues: [EXTENSIONS, JSON],
    check: [argument("extension", metavar="PATH_OR_MODULE", help="such as my_fixes.py or my_package.fixes"), JSON],
    audit: [JSON],
    data: [
        argument("what", metavar="stats|formats", choices=("stats", "formats"), help="what is asked"),
        argument("path", metavar="PATH", nargs="?", help="of stats: a folder, an EXPERIMENT.yaml, or the word scenes"),
        argument("--format", default="folder", help="how a folder is laid out; default: %(default)s, rgb/ and depth/"),
        argument("--depth-scale", metavar="S", type=number(float, 0), help="of a plain folder: the 16-bit value of one metre"),
        argument("--near-weight", metavar="W", type=number(float, 0), help="default: the experiment's, else 5"),
        argument("--threshold", metavar="METRES", type=number(float, 0), help="default: the experiment's, else 1"),
        argument(
            "--expected-weight-mean",
            dest="expected",
            metavar="W",
            type=number(float, 0),
            help="the fixed mean that may fit; default: the experiment's, else 1.75",
        ),
        argument("--batch", metavar="N", type=number(int, 1), help="images in a batch; default: the experiment's, else 8"),
        argument("--frames", metavar="N", type=number(int, 1), default=1000, help="read at most; default: %(default)s"),
        argument("--out", metavar="FILE.png", type=Path, help="draw it, too"),
    ],
    plan: [
        EXPERIMENT,
        SET,
        SEEDS,
        argument(
            "--budget",
            metavar="TRIALS",
            type=number(int, 1),
            help="which design so many trials pay for, and what it leaves open",
        ),
        JSON,
    ],
    run: [
        EXPERIMENT,
        SET,
        SEEDS,
        argument("--device", help="auto, cpu, cuda or cuda:N; default: the file's, else auto: CUDA where there is one"),
        argument("--execution", help="local, or ray: groups as tasks of a cluster; default: the file's, else local"),
        argument("--out-dir", metavar="DIR", type=Path, help="the study's folder; default: runs/<name of the experiment>"),
        argument("--resume", action="store_true", help="continue a study: train what is missing"),
        argument("--worker", action="store_true", help="begin or continue a study together with other such processes"),
        argument(
            "--max-seconds",
            metavar="SECONDS",
            type=number(float, 0),
            help="begin no group that would end later, going by the longest; resumable; default: no limit",
        ),
        argument("--no-tracking", action="store_true", help="do not write the MLflow view"),
        argument("--no-report", action="store_true", help="train and record, without the report"),
    ],
    status: [STUDY],
    confirm: [
        STUDY,
        argument("--seeds", metavar="N", type=number(int, 2), default=6, help="fresh seeds; default: %(default)s"),
    ],
    report: [
        STUDY,
        argument(
            "--compare", dest="other", metavar="OTHER", type=Path, help="another study: which verdicts agree, which do not"
        ),
    ],
    power: [
        STUDY,
        argument("--gain", metavar="PERCENT", type=number(float, 0, 99), default=5.0, help="to be told from none; default: 5"),
    ],
    export: [
        STUDY,
        argument("--fixes", metavar="FIX", nargs="*", help="these instead of the recommended ones; none: the baseline"),
    ],
    sync: [STUDY, argument("--uri", help="MLflow tracking URI; default: the study's, else MLFLOW_TRACKING_URI, else sqlite")],
    mlflow: [
        argument("study", metavar="STUDY_DIR", nargs="?", type=Path, help="open at this study; default: at all of them"),
        argument(
            "--port", metavar="N", type=number(int, 1, 65535), default=5000, help="port on 127.0.0.1; default: %(default)s"
        ),
    ],
    dashboard: [
        argument("study", metavar="STUDY_DIR", nargs="?", type=Path, help="a study's folder; default: the newest in runs/"),
        argument(
            "--port", metavar="N", type=number(int, 1, 65535), default=8080, help="port on 127.0.0.1; default: %(default)s"
        ),
    ],
}


class Parser(argparse.ArgumentParser):
    """No guessing at abbreviations; errors are one line that names the help."""

    def __init__(self, **how: Any) -> None:
        how["allow_abbrev"], how["formatter_class"] = False, argparse.RawDescriptionHelpFormatter
        shown = [f"  {line}" for line in EXAMPLES if line.startswith(how["prog"])]
        super().__init__(**how, epilog="\n".join(["examples:", *shown]) if shown else None)

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"nfloss: {message.removeprefix('argument ')}; see {self.prog} --help\n")


def make_parsers() -> tuple[Parser, dict[str, Parser]]:
    """The parser, and that of each command."""
    parser = Parser(prog="nfloss", description=ABOUT)
    choice = parser.add_subparsers(title="commands", metavar="COMMAND")
    commands = {}
    for command, takes in COMMANDS.items():
        name, about = command.__name__, command.__doc__
        commands[name] = choice.add_parser(name, prog=f"nfloss {name}", help=about, description=about)
        for names, how in takes:
            commands[name].add_argument(*names, **how)
        commands[name].set_defaults(command=command)
    return parser, commands


def parse(given: Sequence[str]) -> dict[str, Any]:
    """The command and its arguments. What is not known is answered with what is, and the nearest to it."""
    parser, commands = make_parsers()
    if given and given[0] not in (*commands, "-h", "--help"):
        parser.error(unknown("command", given[0], commands))
    arguments, beyond = parser.parse_known_args(given)
    if beyond:
        refuse(beyond, COMMANDS[arguments.command], commands[arguments.command.__name__])
    return vars(arguments)


def refuse(beyond: Sequence[str], takes: list[Argument], parser: Parser) -> NoReturn:
    """Name the first word that a command does not take; an option before a stray word, which may be its value."""
    word = next((word for word in beyond if word.startswith("-")), beyond[0])
    options = [name for names, _ in takes for name in names if name.startswith("--")]
    if word.startswith("-"):
        parser.error(unknown("option", word.partition("=")[0], [*options, "--help"]))
    hint = f" (did you mean '--set {word}'?)" if "=" in word and "--set" in options else ""
    parser.error(f"{word!r} is one argument too many{hint}")


def unknown(what: str, given: str, known: Collection[str]) -> str:
    """Like `nfloss.yaml_block.nearest`, which would load torch first; dashes are no likeness."""
    bare = {name.lstrip("-"): name for name in known}
    close = difflib.get_close_matches(given.lstrip("-"), bare, n=1)
    hint = f" (did you mean {bare[close[0]]!r}?)" if close else ""
    return f"unknown {what} {given!r}{hint}; known: {', '.join(known)}"


def main(given: Sequence[str] | None = None) -> NoReturn:
    """Entry point: one line for every error that the user can mend."""
    given = sys.argv[1:] if given is None else given
    if not given:
        make_parsers()[0].print_help()
        sys.exit(0)
    arguments = parse(given)
    try:
        code = arguments.pop("command")(**arguments)
    except KeyboardInterrupt:
        say("interrupted")
        code = INTERRUPTED
    except (ValueError, OSError) as error:  # the errors that are the user's to mend
        if os.environ.get("NFLOSS_TRACEBACK"):
            raise
        say(str(error))
        code = BAD_INPUT
    sys.exit(code or 0)


if __name__ == "__main__":
    main()
