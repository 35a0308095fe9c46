"""The Weights & Biases view of a study's records: offline runs in the study's folder; nothing is sent anywhere.

The same runs as MLflow's: one for each configuration, with its means, and one for each of its seeds in the group of its name.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from runner.records import WORD_COLUMNS
from runner.tracking.metrics import read_tables, why_no_seed_runs
from runner.tracking.runs import Run, all_runs
from runner.tracking.server import TrackingError
from runner.tracking.store import environment
from runner.tracking.view import with_progress_bar

FOLDER = "wandb"  # in the study's; the name is theirs
OF_THE_END = ("final/", "sd_final/", "steadiness/", "validation/")  # metrics without a curve
QUIET = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
#: Nothing of the machine, the working directory or the console is recorded, and nothing is sent.
SETTINGS: dict[str, Any] = {
    "mode": "offline",
    "silent": True,
    "console": "off",
    "save_code": False,
    "disable_git": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}


def write_wandb_view(folder: Path) -> str:
    """Write a study's runs anew; returns in one line how many, where, and how they are sent.

    Raises TrackingError: wandb is not installed, or the runs cannot be written."""
    tables, place = read_tables(folder), folder / FOLDER
    if place.is_symlink():
        raise TrackingError(f"{place}: a link; a folder of the study's own is needed")
    no_seeds = why_no_seed_runs(tables)
    runs = all_runs(tables, str(tables.meta["started"]), each_seed=no_seeds is None)
    name, started = str(tables.meta["name"]), str(tables.meta["started"])
    with environment(QUIET), TemporaryDirectory(prefix=".wandb-", dir=folder) as new:
        write_runs(Path(new), name, started, runs)
        shutil.rmtree(place, ignore_errors=True)
        os.replace(Path(new) / FOLDER, place)
    said = [f"{len(runs)} configurations in {place}", no_seeds, f"send them with: wandb sync {place}/offline-run-*"]
    return "; ".join(filter(None, said))


def write_runs(root: Path, name: str, started: str, runs: list[Run]) -> None:
    """Write the runs of a study of this name into `root`/wandb."""
    try:
        import wandb
    except ImportError as error:
        raise TrackingError(f"{error.name or 'wandb'} is not installed: pip install 'nfloss[wandb]'") from None
    (root / FOLDER).mkdir()
    try:
        for run in with_progress_bar(runs, "W&B view"):
            for own, kind in ((run, "configuration"), *((child, "seed") for child in run.children)):
                identity = hashlib.sha256(f"{name} {started} {own.name}".encode()).hexdigest()[:16]
                settings = wandb.Settings(root_dir=str(root), run_id=identity, **SETTINGS)
                about = {"project": name, "name": own.name, "group": run.name, "job_type": kind, "config": config(own)}
                with wandb.init(**about, settings=settings, reinit="create_new") as open_run:
                    write_run(open_run, own)
        wandb.teardown()
    except (wandb.Error, OSError) as error:
        raise TrackingError(f"{root}: {(str(error).strip() or type(error).__name__).splitlines()[0][:200]}") from error


def write_run(open_run: Any, run: Run) -> None:
    """Write curves, final errors, words and files into a run that has begun."""
    for step, values in curves(run):
        open_run.log(values, step=step)
    open_run.summary.update({name: value for name, value, _ in run.metrics if name.startswith(OF_THE_END)})
    open_run.summary.update({column: run.tags[column] for column in WORD_COLUMNS})
    for file, text in run.files.items():
        path = Path(open_run.dir) / file
        path.write_text(text, encoding="utf-8")
        open_run.save(str(path), base_path=open_run.dir, policy="end")


def config(run: Run) -> dict[str, str]:
    """What the run is: its parameters, and its tags without those of MLflow's pages and without words."""
    return run.params | {tag: text for tag, text in run.tags.items() if "." not in tag and tag not in WORD_COLUMNS}


def curves(run: Run) -> Iterator[tuple[int, dict[str, float]]]:
    """Step -> what was measured at it, ascending."""
    charted = sorted((step, name, value) for name, value, step in run.metrics if not name.startswith(OF_THE_END))
    for step, points in groupby(charted, lambda point: point[0]):
        yield step, {name: value for _, name, value in points}
