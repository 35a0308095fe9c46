"""The command line: `nfloss issues | audit | plan | run | status | report | export | sync | mlflow`.

Exit status: 0 all trials accounted for, 1 some crashed, 2 bad input (one clear line), 130 interrupted (resumable).
Heavy imports wait inside the commands, so that --help is instant.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from runner.experiment import Experiment

app = typer.Typer(
    help="Which of ten documented fixes of a near-field-weighted depth loss help, do nothing, or harm?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

BAD_INPUT, CRASHED, INTERRUPTED = 2, 1, 130

ExperimentFile = Annotated[Path, typer.Argument(metavar="EXPERIMENT.yaml", help="Such as experiments/ablation.yaml.")]
StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY_DIR", help="A study's folder, such as runs/ablation.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Such as training.steps=100.")]
Seeds = Annotated[int | None, typer.Option(help="Number of paired seeds (0, 1, ...), in place of the file's.", min=1)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def issues(as_json: AsJson = False) -> None:
    """List the ten issues, their fixes, and the slots these fill."""
    from nfloss import ISSUES
    from runner.study import describe

    if as_json:
        print(json.dumps([describe(number) for number in sorted(ISSUES)], indent=1, ensure_ascii=False))
        return
    for number, issue in sorted(ISSUES.items()):
        print(f"{number:2} {issue.title} ({issue.severity}): {issue.says}")
        for fix in issue.fixes:
            beyond = "" if fix.origin == "document" else f"  [{fix.origin}]"
            print(f"     {fix.id:5} {fix.name:24} {fix.summary}; fills {', '.join(fix.fills)}{beyond}")


@app.command()
def audit(as_json: AsJson = False) -> None:
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


@app.command()
def plan(experiment: ExperimentFile, overrides: Overrides = None, seeds: Seeds = None, as_json: AsJson = False) -> None:
    """Account for every cell (trained, same as another, clash) and estimate the time. Writes nothing."""
    from runner.estimate import estimate_minutes
    from runner.execution import resolve_device
    from runner.study import plan_experiment

    settings = read_experiment(experiment, overrides, seeds)
    the_plan = plan_experiment(settings)
    counts: dict[str, Any] = {
        "experiment": settings.name,
        "cells": len(the_plan.cells),
        "distinct": the_plan.count("trained"),
        "repeats": the_plan.count("same as"),
        "clashes": the_plan.count("clash"),
        "seeds": len(settings.seeds),
        "trials": the_plan.trials,
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
    print(", ".join(f"{value} {name}" for name, value in counts.items() if name not in ("experiment", "minutes")))
    print(f"about {counts['minutes']:.1f} minutes on this machine")


@app.command()
def run(
    experiment: ExperimentFile,
    overrides: Overrides = None,
    seeds: Seeds = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")] = None,
    out_dir: Annotated[Path | None, typer.Option(help="The study's folder; default runs/<name>.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a study: train what is missing.")] = False,
    max_seconds: Annotated[float | None, typer.Option(help="Stop after the group that passes this; resumable.", min=0)] = None,
    no_tracking: Annotated[bool, typer.Option("--no-tracking", help="Do not write the MLflow view.")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Train and record, without the report.")] = False,
) -> None:
    """Train every distinct configuration of an experiment, record, report."""
    from runner.progress import Display
    from runner.study import run_study

    extra = [f"device={device}"] if device else []
    settings = read_experiment(experiment, [*(overrides or []), *extra], seeds)
    folder = out_dir or Path("runs") / settings.name
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        with Display(settings) as display:
            hooks = (display.begin, display.finished, display.crashed)
            outcome = run_study(settings, folder, resume, max_seconds, *hooks)
    except KeyboardInterrupt:
        print("nfloss: interrupted; what was recorded is safe, continue with --resume", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    line = f"{outcome.planned} planned, {outcome.done} done, {outcome.diverged} diverged, {outcome.failed} failed"
    if outcome.stopped:
        print(f"{line}; stopped after {max_seconds:g} s, continue with --resume")
        raise typer.Exit(INTERRUPTED)
    if outcome.done < outcome.planned:
        print(f"{line}; continue with --resume")
        raise typer.Exit(CRASHED)
    if not no_report:
        draw_report(folder)
    if settings.tracking.mlflow and not no_tracking:  # after the report: the view shows verdicts and figures
        track(folder, settings.tracking.uri)
    print(line)
    if not no_report:
        say_conclusions(folder)


@app.command()
def status(study: StudyFolder) -> None:
    """Say what is done and what is missing."""
    import pandas as pd

    from runner.records import read_trials
    from runner.study import read_study

    settings = read_study(study)
    cells = pd.read_parquet(study / "plan.parquet")
    trials = read_trials(study / "records")
    planned = int((cells["status"] == "trained").sum()) * len(settings["seeds"])
    diverged = int((trials["status"] == "diverged").sum()) if len(trials) else 0
    print(f"{settings['name']}: {planned} planned, {len(trials)} done, {diverged} diverged, {planned - len(trials)} missing")
    for seed in settings["seeds"] if len(trials) < planned else []:
        print(f"  seed {seed}: {int((trials['seed'] == seed).sum()) if len(trials) else 0} trials")


@app.command()
def report(study: StudyFolder) -> None:
    """Draw the conclusions of a study: verdicts, figures, notebook, one HTML page."""
    from runner.study import read_study

    read_study(study)
    draw_report(study)
    say_conclusions(study)


@app.command()
def export(study: StudyFolder) -> None:
    """Print the adopted fixes as a YAML block for your training file, and as code."""
    from runner.export import take_home

    print(take_home(study))


@app.command()
def sync(study: StudyFolder, uri: Annotated[str | None, typer.Option(help="MLflow tracking URI.")] = None) -> None:
    """Write the MLflow view of a study again, from its records."""
    from runner.study import read_study

    read_study(study)
    track(study, uri)


@app.command()
def mlflow(
    study: Annotated[Path | None, typer.Argument(metavar="[STUDY_DIR]", help="Open at this study.")] = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 5000,
) -> None:
    """Open the MLflow UI on 127.0.0.1."""
    from runner.study import read_study
    from runner.tracking import serve

    if study is not None:
        read_study(study)
    raise typer.Exit(serve(study, port))


def read_experiment(path: Path, overrides: list[str] | None, seeds: int | None) -> Experiment:
    from runner.experiment import load_experiment

    return load_experiment(path, [*(overrides or []), *([f"seeds={seeds}"] if seeds else [])])


def track(folder: Path, uri: str | None) -> None:
    """The MLflow view; where it cannot be written, one warning, and the records are still there."""
    from runner.tracking import TrackingError, write_view

    try:
        where = write_view(folder, uri)
    except TrackingError as error:
        print(f"nfloss: no MLflow view ({error}); the records are safe, try later: nfloss sync {folder}", file=sys.stderr)
    else:
        print(f"MLflow: {where}")


def draw_report(folder: Path) -> None:
    import analysis

    print(f"drawing the report of {folder} (about half a minute)", file=sys.stderr)
    analysis.report(folder)


def say_conclusions(folder: Path) -> None:
    """Three lines, the last of which names the report."""
    import analysis

    print(analysis.terminal_summary(folder))


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """Columns aligned, the last one free."""
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header) - 1)]
    for line in [header, *rows]:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip())


def main() -> None:
    """Entry point: one line for every error that the user can mend."""
    try:
        code = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        print("nfloss: interrupted", file=sys.stderr)
        code = INTERRUPTED
    except typer.TyperException as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        print(f"nfloss: {message}", file=sys.stderr)
        code = BAD_INPUT
    except (ValueError, OSError) as error:  # the errors that are the user's to mend
        if os.environ.get("NFLOSS_TRACEBACK"):
            raise
        print(f"nfloss: {error}", file=sys.stderr)
        code = BAD_INPUT
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
