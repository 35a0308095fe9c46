"""Tracking: from the records to MLflow. A view: it can be deleted and written again. Only `tracking*.py` import mlflow.

One store for all studies (`runs/mlflow.db`, or MLFLOW_TRACKING_URI), one experiment per study, a run per configuration with
its seeds as children (`runner/tracking/runs.py`) or, where those are too many, as files (`runner/tracking/runs.py`). A
configuration whose content is there already is left as it is.
Figures and the report hang on the baseline's run: every comparison starts there, while a run of their own would have no
curves and stand as an empty row in every chart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from runner.tracking.metrics import read_tables, why_no_seeds
from runner.tracking.runs import Run, all_runs
from runner.tracking.server import TrackingError, page, serve, store_uri
from runner.tracking.store import one_line, open_experiment

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import RunInfo

__all__ = ["TrackingError", "serve", "write_view"]

MOST_METRICS = 1000  # in one request
PARENT = "mlflow.parentRunId"
CONTENT = "content"  # tag: a hash of what a configuration's run holds once it has ended


def write_view(folder: Path, uri: str | None = None) -> str:
    """Write a study's runs; returns where they can be seen, in one line.

    Raises:
        TrackingError: the store cannot be reached or written, or mlflow is missing; one line.
    """
    tables, where = read_tables(folder), store_uri(folder, uri)
    no_seeds = why_no_seeds(tables)
    with one_line(where):
        client, experiment = open_experiment(where, folder, tables.meta, each_seed=no_seeds is None)
        runs = all_runs(tables, experiment.tags["started"], each_seed=no_seeds is None)
        written = write_runs(client, experiment.experiment_id, runs)
        attach(client, written[0] if written else None, folder)
    link = page(where, experiment.experiment_id) if where.startswith("http") else f"see them with: nfloss mlflow {folder}"
    return "; ".join(filter(None, [f"{len(runs)} configurations in {where}", no_seeds, link]))


def write_runs(client: MlflowClient, experiment: str, runs: list[Run]) -> list[str]:
    """Write what is new or has changed, delete what it replaces; gives the run id of each configuration."""
    there = existing_runs(client, experiment)
    complete = {run.data.tags[CONTENT]: run for run in there if CONTENT in run.data.tags and run.info.status != "RUNNING"}
    kept = {complete[run.content].info.run_id for run in runs if run.content in complete}
    children: dict[str | None, list[Any]] = {}
    for found in there:
        children.setdefault(found.data.tags.get(PARENT), []).append(found)
        if not {found.info.run_id, found.data.tags.get(PARENT)} & kept:
            client.delete_run(found.info.run_id)
    ids = []
    for run in progress(runs):
        if found := complete.get(run.content):
            refresh(client, run, found, children.get(found.info.run_id, []))
            ids.append(found.info.run_id)
        else:
            ids.append(write_configuration(client, experiment, run))
    return ids


def existing_runs(client: MlflowClient, experiment: str) -> list[Any]:
    """The runs of ours that the experiment holds; whatever else a user has put there is left alone."""
    found, token = [], None
    while True:
        batch = client.search_runs([experiment], max_results=1000, page_token=token)
        found += [run for run in batch if "key" in run.data.tags]
        token = batch.token
        if not token:
            return found


def progress(runs: list[Run]) -> Iterator[Run]:
    """A bar on the terminal; nothing in a pipe, where the caller's last line says enough, and nothing without rich."""
    try:
        from rich.console import Console
        from rich.progress import track
    except ModuleNotFoundError:
        yield from runs
        return
    console = Console(stderr=True)
    yield from track(runs, "MLflow view", console=console, disable=not console.is_terminal)


def write_configuration(client: MlflowClient, experiment: str, run: Run) -> str:
    """A configuration's run, its seeds and its files. It is ended last: while it runs it does not count as written."""
    parent = create(client, experiment, run, {CONTENT: run.content})
    for child in run.children:
        log(client, create(client, experiment, child, {PARENT: parent.run_id}), child)
    write_files(client, parent, run)
    log(client, parent, run)
    return str(parent.run_id)


def create(client: MlflowClient, experiment: str, run: Run, more: dict[str, str]) -> RunInfo:
    """A run that has only its tags."""
    return client.create_run(experiment, run.started, {**run.tags, **more}, run.name).info


def log(client: MlflowClient, made: RunInfo, run: Run) -> None:
    """Parameters and metrics in one request, since one for each value would take minutes; then the end."""
    from mlflow.entities import Metric, Param

    last = max((step for _, _, step in run.metrics), default=0) or 1
    metrics = [
        Metric(name, value if math.isfinite(value) else math.nan, run.started + (run.ended - run.started) * step // last, step)
        for name, value, step in run.metrics
    ]
    params = [Param(name, value) for name, value in run.params.items()]
    for start in range(0, max(len(metrics), 1), MOST_METRICS):
        client.log_batch(made.run_id, metrics[start : start + MOST_METRICS], params if start == 0 else [])
    client.set_terminated(made.run_id, "FAILED" if run.failed else "FINISHED", run.ended)


def write_files(client: MlflowClient, made: RunInfo, run: Run) -> None:
    """The run's files, and one that says what it is: MLflow cannot compare runs without any."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    place = get_artifact_repository(made.artifact_uri, client.tracking_uri)  # the client would read the run again for it
    about = json.dumps({"params": run.params, "tags": run.tags}, indent=2)
    with TemporaryDirectory() as folder:
        for name, text in {"configuration.json": about, **run.files}.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
            place.log_artifact(str(Path(folder) / name))


def refresh(client: MlflowClient, run: Run, parent: Any, children: list[Any]) -> None:
    """Tags that have changed since, such as a verdict reached after the runs were written."""
    by_name = {found.info.run_name: found for found in children}
    for mine, found in [(run, parent), *((child, by_name.get(child.name)) for child in run.children)]:
        for tag, text in mine.tags.items() if found else ():
            if found.data.tags.get(tag) != text:
                client.set_tag(found.info.run_id, tag, text)


def attach(client: MlflowClient, baseline: str | None, folder: Path) -> None:
    """Settings, report and figures, where they are there, as artifacts of the baseline's run."""
    if baseline is None:
        return
    for name in ("study.yaml", "verdicts.json", "report/report.html"):
        if (folder / name).exists():
            client.log_artifact(baseline, str(folder / name))
    if (folder / "report" / "figures").is_dir():
        client.log_artifacts(baseline, str(folder / "report" / "figures"), "figures")
