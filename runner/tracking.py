"""Tracking: from the records to MLflow. A view: it can be deleted and written again. Only `tracking*.py` import mlflow.

One store for all studies (`runs/mlflow.db`, or MLFLOW_TRACKING_URI), one experiment per study, a run per configuration with
its seeds as children (`runner/tracking_runs.py`). A configuration whose content is there already is left as it is.
Figures and the report hang on the baseline's run: every comparison starts there, while a run of their own would have no
curves and stand as an empty row in every chart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.tracking_runs import Run, all_runs
from runner.tracking_server import TrackingError, page, serve, store_uri
from runner.tracking_store import one_line, open_experiment
from runner.tracking_tables import read_tables

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["TrackingError", "serve", "write_view"]

MOST_METRICS = 1000  # in one request
PARENT = "mlflow.parentRunId"
COMPLETE = "content"  # tag, set last: a run without it was interrupted


def write_view(folder: Path, uri: str | None = None) -> str:
    """Write a study's runs; returns where they can be seen, in one line.

    Raises:
        TrackingError: the store cannot be reached or written, or mlflow is missing; one line.
    """
    tables, where = read_tables(folder), store_uri(folder, uri)
    with one_line(where):
        client, experiment = open_experiment(where, folder, tables.meta)
        runs = all_runs(tables, experiment.tags["started"])
        written = write_runs(client, experiment.experiment_id, runs)
        attach(client, written[0] if written else None, folder)
    link = page(where, experiment.experiment_id) if where.startswith("http") else f"see them with: nfloss mlflow {folder}"
    return f"{len(runs)} configurations in {where}; {link}"


def write_runs(client: MlflowClient, experiment: str, runs: list[Run]) -> list[str]:
    """Write what is new or has changed, delete what it replaces; gives the run id of each configuration."""
    there = existing_runs(client, experiment)
    complete = {found.data.tags[COMPLETE]: found for found in there if COMPLETE in found.data.tags}
    kept = {complete[run.content].info.run_id for run in runs if run.content in complete}
    for found in there:
        if not {found.info.run_id, found.data.tags.get(PARENT)} & kept:
            client.delete_run(found.info.run_id)
    ids = []
    for run in progress(runs):
        if run.content in complete:
            refresh(client, run, complete[run.content], there)
            ids.append(complete[run.content].info.run_id)
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
    """A bar on the terminal; nothing in a pipe, where the caller's last line says enough."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(runs, "MLflow view", console=console, disable=not console.is_terminal)


def write_configuration(client: MlflowClient, experiment: str, run: Run) -> str:
    """A configuration's run, its seeds, and last the mark that it is complete."""
    parent = write_run(client, experiment, run, {})
    for child in run.children:
        write_run(client, experiment, child, {PARENT: parent})
    client.log_dict(
        parent, {"params": run.params, "tags": run.tags}, "configuration.json"
    )  # compare fails on a run without any
    client.set_tag(parent, COMPLETE, run.content)
    return parent


def write_run(client: MlflowClient, experiment: str, run: Run, more: dict[str, str]) -> str:
    """One run in four requests: a request per value would take minutes."""
    from mlflow.entities import Metric, Param

    made = client.create_run(experiment, run.started, {**run.tags, **more}, run.name).info.run_id
    last = max((step for _, _, step in run.metrics), default=0) or 1
    metrics = [
        Metric(name, value if math.isfinite(value) else math.nan, run.started + (run.ended - run.started) * step // last, step)
        for name, value, step in run.metrics
    ]
    params = [Param(name, value) for name, value in run.params.items()]
    for start in range(0, max(len(metrics), 1), MOST_METRICS):
        client.log_batch(made, metrics[start : start + MOST_METRICS], params if start == 0 else [])
    client.set_terminated(made, "FAILED" if run.failed else "FINISHED", run.ended)
    return str(made)


def refresh(client: MlflowClient, run: Run, parent: Any, there: list[Any]) -> None:
    """Tags that have changed since, such as a verdict reached after the runs were written."""
    children = {found.info.run_name: found for found in there if found.data.tags.get(PARENT) == parent.info.run_id}
    for mine, found in [(run, parent), *((child, children.get(child.name)) for child in run.children)]:
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
