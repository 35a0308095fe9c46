"""Write the MLflow view of a study's records. It can be deleted and written again at any time.

There is one store for all studies (`runs/mlflow.db`, or MLFLOW_TRACKING_URI), one experiment per study, and one run per
configuration, with its seeds as child runs or, where they are too many, as files. A run whose content has not changed stays.
Figures and report are artifacts of the baseline's run, since every comparison includes it; a run of their own would be an
empty row in every chart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from runner.records import word_table
from runner.tracking.metrics import read_tables, why_no_seed_runs
from runner.tracking.runs import Run, all_runs
from runner.tracking.server import page_link, store_uri
from runner.tracking.store import open_experiment, tracking_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import RunInfo

MOST_METRICS = 1000  # in one request
PARENT = "mlflow.parentRunId"
WORDS_TABLE = "words.json"
CONTENT = "content"  # tag of a configuration's run: `Run.content`


def write_view(folder: Path, uri: str | None = None) -> str:
    """Write a study's runs; returns in one line how many, and where to see them.

    Raises TrackingError: the store cannot be reached or written, or mlflow is not installed."""
    tables, where = read_tables(folder), store_uri(folder, uri)
    no_seeds = why_no_seed_runs(tables)
    with tracking_errors(where):
        client, experiment = open_experiment(where, folder, tables.meta, each_seed=no_seeds is None)
        runs = all_runs(tables, experiment.tags["started"], each_seed=no_seeds is None)
        written = write_runs(client, experiment.experiment_id, runs)
        attach_report(client, written[0] if written else None, folder, tables.words)
    link = page_link(where, experiment.experiment_id) if where.startswith("http") else f"see them with: nfloss mlflow {folder}"
    return "; ".join(filter(None, [f"{len(runs)} configurations in {where}", no_seeds, link]))


def write_runs(client: MlflowClient, experiment: str, runs: list[Run]) -> list[str]:
    """Write new and changed runs, delete those that they replace; returns the run id of each configuration."""
    existing = existing_runs(client, experiment)
    complete = {run.data.tags[CONTENT]: run for run in existing if CONTENT in run.data.tags and run.info.status != "RUNNING"}
    unchanged = {complete[run.content].info.run_id for run in runs if run.content in complete}
    children: dict[str | None, list[Any]] = {}
    for found in existing:
        children.setdefault(found.data.tags.get(PARENT), []).append(found)
        if not {found.info.run_id, found.data.tags.get(PARENT)} & unchanged:
            client.delete_run(found.info.run_id)
    ids = []
    for run in with_progress_bar(runs, "MLflow view"):
        if found := complete.get(run.content):
            update_tags(client, run, found, children.get(found.info.run_id, []))
            ids.append(found.info.run_id)
        else:
            ids.append(write_configuration(client, experiment, run))
    return ids


def existing_runs(client: MlflowClient, experiment: str) -> list[Any]:
    """The experiment's runs that were written here. Runs that a user has added are left out."""
    found, token = [], None
    while True:
        batch = client.search_runs([experiment], max_results=1000, page_token=token)
        found += [run for run in batch if "key" in run.data.tags]
        token = batch.token
        if not token:
            return found


def with_progress_bar(runs: list[Run], what: str) -> Iterator[Run]:
    """The runs, with a progress bar on a terminal where rich is installed."""
    try:
        from rich.console import Console
        from rich.progress import track
    except ModuleNotFoundError:
        yield from runs
        return
    console = Console(stderr=True)
    yield from track(runs, what, console=console, disable=not console.is_terminal)


def write_configuration(client: MlflowClient, experiment: str, run: Run) -> str:
    """Write a configuration's run, its children and its files; returns its id. It ends last, as its end says it is complete."""
    parent = create_run(client, experiment, run, {CONTENT: run.content})
    for child in run.children:
        log_run(client, create_run(client, experiment, child, {PARENT: parent.run_id}), child)
    write_files(client, parent, run)
    log_run(client, parent, run)
    return str(parent.run_id)


def create_run(client: MlflowClient, experiment: str, run: Run, more: dict[str, str]) -> RunInfo:
    return client.create_run(experiment, run.started, {**run.tags, **more}, run.name).info


def log_run(client: MlflowClient, created: RunInfo, run: Run) -> None:
    """Write parameters and metrics in few requests, since one for each value would take minutes; then end the run."""
    from mlflow.entities import Metric, Param

    last = max((step for _, _, step in run.metrics), default=0) or 1
    metrics = [
        Metric(name, value if math.isfinite(value) else math.nan, run.started + (run.ended - run.started) * step // last, step)
        for name, value, step in run.metrics
    ]
    params = [Param(name, value) for name, value in run.params.items()]
    for start in range(0, max(len(metrics), 1), MOST_METRICS):
        client.log_batch(created.run_id, metrics[start : start + MOST_METRICS], params if start == 0 else [])
    client.set_terminated(created.run_id, "FAILED" if run.failed else "FINISHED", run.ended)


def write_files(client: MlflowClient, created: RunInfo, run: Run) -> None:
    """Write the run's files, and a description: MLflow cannot compare runs without artifacts."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    # Not `client.log_artifact`, which reads the run again for each file.
    artifacts = get_artifact_repository(created.artifact_uri, client.tracking_uri)
    about = json.dumps({"params": run.params, "tags": run.tags}, indent=2)
    with TemporaryDirectory() as folder:
        for name, text in {"configuration.json": about, **run.files}.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
            artifacts.log_artifact(str(Path(folder) / name))


def update_tags(client: MlflowClient, run: Run, parent: Any, children: list[Any]) -> None:
    """Write the tags that have changed, such as a verdict from after the runs were written."""
    by_name = {found.info.run_name: found for found in children}
    for mine, found in [(run, parent), *((child, by_name.get(child.name)) for child in run.children)]:
        for tag, text in mine.tags.items() if found else ():
            if found.data.tags.get(tag) != text:
                client.set_tag(found.info.run_id, tag, text)


def attach_report(client: MlflowClient, baseline: str | None, folder: Path, words: dict[str, dict[str, str]]) -> None:
    """Write words, settings, report and figures, where they exist, as artifacts of the baseline's run."""
    if baseline is None:
        return
    if words:
        log_words(client, baseline, words)
    for name in ("study.yaml", "verdicts.json", "report/report.html"):
        if own_file(folder / name):
            client.log_artifact(baseline, str(folder / name))
    for figure in sorted((folder / "report" / "figures").glob("*")):
        if own_file(figure):
            client.log_artifact(baseline, str(figure), "figures")


def own_file(path: Path) -> bool:
    """Whether a file is the study's: a link may lead to one of the user's, and others may read the store."""
    return path.is_file() and not path.is_symlink() and not path.parent.is_symlink()


def log_words(client: MlflowClient, baseline: str, words: dict[str, dict[str, str]]) -> None:
    """The words as a table that MLflow's artifact page shows; not `client.log_table`, which adds to the rows that are there."""
    from mlflow.entities import RunTag

    columns, *rows = word_table(words)
    client.log_text(baseline, json.dumps({"columns": columns, "data": rows}), WORDS_TABLE)
    shown = json.dumps([{"path": WORDS_TABLE, "type": "table"}])
    client.log_batch(baseline, tags=[RunTag("mlflow.loggedArtifacts", shown)])
