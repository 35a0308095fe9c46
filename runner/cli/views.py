"""Commands that read a study: its status, report, power, the exported loss, MLflow, the dashboard."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import suppress
from json import JSONDecodeError
from pathlib import Path
from typing import Any, TypeVar

from runner.cli.terminal import need_optuna, need_report, printable, say

T = TypeVar("T")


def reads_a_study(command: Callable[..., T]) -> Callable[..., T]:
    """For a command whose first argument is a study's folder, which may be damaged, or somebody else's: whatever reading it
    raises becomes one line. Our own errors say it better, and go through.

    Raises:
        StudyError: files that reading would never come to an end of; any other error than ours.
    """

    @functools.wraps(command)
    def guarded(study: Path | None, *more: Any, **named: Any) -> T:
        from runner.study import StudyError, check_files

        for folder in filter(None, (study, *(named.get("others") or []))):
            check_files(folder)
        try:
            return command(study, *more, **named)
        except Exception as error:
            if isinstance(error, (ValueError, OSError)) and not isinstance(error, (JSONDecodeError, UnicodeError)):
                raise
            what = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            line = f"{study}: damaged, or not as nfloss writes it ({what}); NFLOSS_TRACEBACK=1 shows where"
            raise StudyError(line) from error

    return guarded


@reads_a_study
def status(study: Path) -> None:
    """Show which trials are done and missing, and the words on the fixes so far; with a report, how good its networks are."""
    from runner.cli.progress import word_lines
    from runner.study import status_lines

    print(printable("\n".join([*status_lines(study), *word_lines(study)])))
    if (study / "verdicts.json").exists():
        from analysis.report import network_lines

        print(printable("\n".join(network_lines(study))))


@reads_a_study
def report(study: Path, others: list[Path] | None, tables: bool) -> None:
    """Draw the conclusions of a study: verdicts, figures, notebook, one HTML page; or compare them with other studies'."""
    from runner.study import read_study

    need_report(study)
    if tables and others:
        raise ValueError("--tables and --compare: give one of them; a comparison is written as Markdown, too")
    if tables:
        from analysis.report import write_tables

        for path in write_tables(study):
            print(path)
        return
    if others:
        for other in others:
            read_study(other)
        from analysis.report import comparison
        from runner.cli.compare import print_comparison

        print_comparison(comparison(study, others))
        return
    draw_report(study)
    say_conclusions(study)


@reads_a_study
def power(study: Path, gain: float) -> None:
    """Compute the smallest gain that a study's seeds can detect, and how many seeds a given gain needs."""
    need_report(study)
    from analysis.power import power_lines

    print(printable("\n".join(power_lines(study, gain))))


@reads_a_study
def export(study: Path, fixes: list[str] | None, trust_code: bool) -> None:
    """Write a study's recommended loss for your training code: YAML blocks, and one Python file that needs torch alone."""
    from runner.study import StudyError, read_study

    read_study(study)
    if not (study / "verdicts.json").exists():
        raise StudyError(f"{study}: no verdicts yet; draw the conclusions first: nfloss report {study}")
    from runner.cli.export import export_loss

    block, files = export_loss(study, fixes, trust_code)
    print(printable(block))
    for path in files:
        say(f"written: {path}")


@reads_a_study
def sync(study: Path, uri: str | None, to: str) -> None:
    """Write the MLflow view of a study again, from its records; or that of Weights & Biases, offline."""
    from runner.study import read_study

    read_study(study)
    if to == "mlflow":
        track(study, uri)
        return
    if uri:
        raise ValueError("--uri is of MLflow; what --to wandb writes lies in the study's folder")
    from runner.tracking import write_wandb_view

    print(f"W&B: {write_wandb_view(study)}")


@reads_a_study
def mlflow(study: Path | None, uri: str | None, port: int) -> int:
    """Open the MLflow UI on 127.0.0.1."""
    from runner.study import read_study
    from runner.tracking import serve_mlflow

    if study is not None:
        read_study(study)
    return serve_mlflow(study, port, uri)


@reads_a_study
def dashboard(study: Path | None, storage: str | None, port: int) -> int:
    """Open the Optuna dashboard on 127.0.0.1, of a search or of any other study."""
    need_optuna("the dashboard", "optuna_dashboard")
    from runner.search import serve_dashboard

    return serve_dashboard(study, port, storage)


def track(folder: Path, uri: str | None) -> None:
    """The MLflow view; where it cannot be written, one warning, and the records are still there."""
    from runner.tracking import TrackingError, write_view

    try:
        where = write_view(folder, uri)
    except TrackingError as error:
        say(f"no MLflow view ({error}); the records are safe, try later: nfloss sync {folder}")
    else:
        print(f"MLflow: {where}")


def draw_report(folder: Path) -> None:
    import analysis

    print(f"drawing the report of {folder} (about half a minute)", file=sys.stderr)
    analysis.write_report(folder)


def draw_report_and_track(folder: Path, uri: str | None) -> None:
    """The report in a process of its own and the runs of the MLflow view beside it; then verdicts and figures into the view."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from runner.tracking import TrackingError, write_view

    # Not forked: torch's autograd, which some figures use, does not work in a fork of a process that has used it.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        drawing = pool.submit(draw_report, folder)
        with suppress(TrackingError):  # `track` says so
            write_view(folder, uri)
        drawing.result()
    track(folder, uri)


def say_conclusions(folder: Path) -> None:
    """How good the networks are, the verdicts, and last the name of the report."""
    import analysis

    print(printable(analysis.terminal_summary(folder)))
