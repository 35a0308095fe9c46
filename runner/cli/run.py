"""Commands that train: a study, a search, a confirmation."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from runner.cli.plan import read_experiment
from runner.cli.terminal import (
    CRASHED,
    INTERRUPTED,
    interrupted,
    need_optuna,
    need_report,
    need_trust,
    report_lacks,
    say,
    say_code,
)
from runner.cli.views import draw_report, draw_report_and_track, reads_a_study, say_conclusions, track

if TYPE_CHECKING:
    from runner.cli.progress import Display
    from runner.experiment import Experiment
    from runner.study import Outcome

T = TypeVar("T")


class EarlyStudy(ValueError):
    """A study from which nothing may be concluded yet, in one line."""


def run(
    experiment: Path,
    overrides: list[str],
    seeds: int | None,
    device: str | None,
    execution: str | None,
    out_dir: Path | None,
    resume: bool,
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
    overrides = [*overrides, *(f"{key}={value}" for key, value in given.items() if value)]
    settings = read_experiment(experiment, overrides, seeds, say_code)
    folder = out_dir or Path("runs") / settings.name
    began = time.monotonic()
    if settings.design.optuna is None:
        code = train(settings, folder, resume, max_seconds)
    else:
        code = train_search(settings, folder, resume, max_seconds)
    if code:
        return code
    missing = "" if no_report else report_lacks()
    if missing:
        say(f"no report here ({missing}); the records are safe, draw it elsewhere: nfloss report {folder}")
    drawn = not (no_report or missing)
    if drawn and settings.confirm:
        left = None if max_seconds is None else max(0.0, max_seconds - (time.monotonic() - began))
        try:
            code = train_confirmation(folder, settings.confirm, left)
        except EarlyStudy as error:
            say(str(error))
    tracked = settings.tracking.mlflow and not no_tracking
    if drawn and tracked:
        draw_report_and_track(folder, settings.tracking.uri)
    elif drawn:
        draw_report(folder)
    elif tracked:
        track(folder, settings.tracking.uri)
    if drawn:
        say_conclusions(folder)
    return code


def train(settings: Experiment, folder: Path, resume: bool, max_seconds: float | None, starts_of: Path | None = None) -> int:
    """Run a study; says what became of it and gives the exit status. `starts_of`: another, whose start networks may be used."""
    from runner.study import run_study

    if settings.looks and (missing := report_lacks()):
        raise ValueError(f"seeds until decided: {missing}; install it with pip, or give a number of seeds")
    work = partial(run_study, settings, folder, resume, max_seconds, starts_of=starts_of, decide=still_open)
    outcome = displayed(settings, folder, work)
    if isinstance(outcome, int):
        return outcome
    if outcome.stopped:
        print(outcome.part)
    return conclude(outcome, outcome.done == outcome.planned, folder, max_seconds)


def still_open(folder: Path, seeds: int) -> set[str]:
    """Keys of the fixes that have no word by a study's first so many seeds."""
    from analysis.judge import open_fixes

    return open_fixes(folder, seeds)


def train_search(settings: Experiment, folder: Path, resume: bool, max_seconds: float | None) -> int:
    """Run a search; says what it found and gives the exit status."""
    need_optuna("a search")
    from runner.search import run_search

    found = displayed(settings, folder, partial(run_search, settings, folder, resume, max_seconds))
    if isinstance(found, int):
        return found
    if found.error:
        say_damaged(found.outcome.damaged, folder)
        say(found.error)
        return CRASHED
    print("\n".join(found.best_cells) or "nothing is complete yet")
    complete = found.outcome.done >= found.outcome.planned and not found.outcome.failed
    return conclude(found.outcome, complete, folder, max_seconds)


def displayed(settings: Experiment, folder: Path, work: Callable[[Display], T]) -> T | int:
    """Do the work with its progress shown; the exit status where it is interrupted, or the disk takes no more."""
    from runner.cli.progress import Display
    from runner.records import WriteError

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # also where SIGINT is ignored, as in a script's background
    try:
        with Display(settings, folder) as display:
            return work(display)
    except KeyboardInterrupt:
        return interrupted("interrupted; what was recorded is safe, continue with --resume")
    except WriteError as error:
        if not any((folder / "records").glob("trials-*.parquet")):
            raise  # nothing is there yet: the folder was a bad choice
        say(f"{error}; what was recorded is safe, make room and continue with --resume")
        return CRASHED


def conclude(outcome: Outcome, complete: bool, folder: Path, max_seconds: float | None) -> int:
    """Print how the run ended; returns the exit status."""
    say_damaged(outcome.damaged, folder)
    line = f"{outcome.planned} planned, {outcome.done} done, {outcome.diverged} diverged, {outcome.failed} failed"
    if outcome.stopped:
        print(f"{line}; stopped for --max-seconds {max_seconds:g}, continue with --resume")
        return INTERRUPTED
    print(line if complete else f"{line}; continue with --resume")
    return 0 if complete else CRASHED


def say_damaged(groups: Sequence[str], folder: Path) -> None:
    if groups:
        where, names = folder / "records" / "damaged", ", ".join(groups[:5]) + (", ..." if len(groups) > 5 else "")
        say(f"{len(groups)} groups of records could not be read and were trained again: {names}; what was there is in {where}")


def train_confirmation(study: Path, seeds: int, max_seconds: float | None = None, asked: bool = False) -> int:
    """Train what `confirmation_of` a study is.

    Raises:
        EarlyStudy: nothing may be concluded from the study yet.
    """
    from analysis.recommendation import confirmation_folder
    from nfloss.other_losses import loss_name

    experiment = confirmation_of(study, seeds, asked)
    if experiment is None:
        print("nothing to confirm: no fix is supported")
        return 0
    named = ", ".join([*experiment.design.explicit, *map(loss_name, experiment.design.losses)])
    print(f"confirming on seeds {experiment.seeds[0]} to {experiment.seeds[-1]}: {named}")
    return train(experiment, confirmation_folder(study), True, max_seconds, starts_of=study)


@reads_a_study
def confirmation_of(study: Path, seeds: int, asked: bool) -> Experiment | None:
    """What the study's evidence supports, the baseline with its near weights, and the document's recommendation, on seeds that
    chose nothing. Where nothing is supported, the document's alone if that is `asked` for, else None."""
    import analysis
    from analysis.recommendation import candidates
    from analysis.regime import is_early, why_early
    from runner.experiment import confirmation_experiment
    from runner.study import read_study

    loaded = analysis.load(study)
    judged = analysis.verdicts(loaded)
    if is_early(judged):
        raise EarlyStudy(f"{study}: early, so there is nothing to confirm: {why_early(judged)}")
    wanted = candidates(loaded, judged["fixes"])
    if not wanted and not asked:
        return None
    return confirmation_experiment(read_study(study)["experiment"], wanted, seeds)


def confirm(study: Path, seeds: int, trust_code: bool) -> int:
    """Train a study's recommendation again on fresh seeds, beside the baseline and the document's; draw the report anew.

    An early study has no recommendation, and is refused.
    """
    from runner.study import read_study

    need_report(study)
    need_trust(study, read_study(study)["experiment"], trust_code)
    code = train_confirmation(study, seeds, asked=True)
    if not code:
        draw_report(study)
        say_conclusions(study)
    return code
