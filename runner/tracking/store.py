"""The MLflow store: opened without MLflow's messages, made where it is missing, its errors reported in one line."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.records import WORD_COLUMNS
from runner.tracking.metrics import DECIDING_ERRORS
from runner.tracking.server import SAVED_VIEW, TrackingError, experiment_name, sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

PRIMARY, FAR, _ = (f"final/{name}" for name in DECIDING_ERRORS.values())
RUN_COLUMNS = [f"tags.`{tag}`" for tag in (*WORD_COLUMNS, "seeds")]
SEEDS_ARE_RUNS = "unfold it for the seeds"
SEEDS_ARE_TABLES = (
    "its artifacts `curves.csv` and `trials.csv` have the records of each seed, its charts a few points of the mean curves"
)
EXPERIMENT_NOTE = (
    "A row is a configuration, with means over its seeds (`sd_*`: their standard deviations); {seeds}. "
    "To compare, tick `baseline` and others, then **Compare**. Settings, report and figures are artifacts of `baseline`. "
    "Errors are RMSE of ln depth (0.10: typically 10 % off) and, beside it, other rulers. "
    "This page is a view of the study's records: delete it and write it again with `nfloss sync`."
)
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_LOGGING_LEVEL": "ERROR"}
LOCK_SECONDS = 5.0  # how long to wait for another process that writes
FAIL_FAST = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}  # seconds


@contextmanager
def tracking_errors(where: str) -> Iterator[None]:
    """Raise what MLflow and its store raise as a TrackingError, one line that names the store."""
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    try:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise TrackingError(f"{error.name or 'mlflow'} is not installed: pip install mlflow") from None
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TrackingError(f"{where}: {reason[:200]}") from error


def open_experiment(where: str, folder: Path, meta: dict[str, Any], each_seed: bool) -> tuple[MlflowClient, Any]:
    """A client of the store, and the study's experiment, which is made where it does not exist yet."""
    from mlflow import MlflowClient

    file = sqlite_file(where)
    if file is not None:
        prepare_sqlite(file)
    client, name = MlflowClient(tracking_uri=where), experiment_name(folder, meta["name"])
    with environment(FAIL_FAST):  # so that a missing server is reported at once
        found = client.get_experiment_by_name(name)
    if found is None:
        artifacts = (file.parent / "mlartifacts" / name).as_uri() if file else None
        made = client.create_experiment(name, artifact_location=artifacts, tags={"started": str(meta["started"])})
        found = client.get_experiment(made)
    elif found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    for tag, text in experiment_tags(meta, each_seed).items():
        if found.tags.get(tag) != text:
            client.set_experiment_tag(found.experiment_id, tag, text)
    return client, client.get_experiment(found.experiment_id)


def experiment_tags(meta: dict[str, Any], each_seed: bool) -> dict[str, str]:
    """The tags of the experiment: its note, its primary metric, and a saved view of the runs table with the main columns.

    MLflow does not document saved views: nothing else may depend on it.
    """
    created = int(datetime.fromisoformat(str(meta["started"])).timestamp() * 1000)
    state = json.dumps({"selectedColumns": RUN_COLUMNS, "runsHiddenMode": "SHOWALL", **charts()})
    view = {"name": "Ablation", "createdAt": created, "updatedAt": created, "state": state}
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": PRIMARY,
        "mlflow.note.content": EXPERIMENT_NOTE.format(seeds=SEEDS_ARE_RUNS if each_seed else SEEDS_ARE_TABLES),
        f"mlflow.sharedViewState.{SAVED_VIEW}": json.dumps(view),
        "git_commit": str(meta.get("git_commit") or "-"),
    }


def charts() -> dict[str, Any]:
    """Of the saved view: one scatter of the near against the far error, a point for each configuration."""
    axes = {axis: {"key": metric, "type": "METRIC"} for axis, metric in (("xaxis", PRIMARY), ("yaxis", FAR))}
    section = {"uuid": "errors", "name": "Near against far error", "display": True, "columns": 1, "isReordered": False}
    scatter = {"uuid": "near-far", "type": "SCATTER", "metricSectionId": section["uuid"], "runsCountToCompare": 100, **axes}
    common = {"deleted": False, "isGenerated": False}
    return {"compareRunSections": [section], "compareRunCharts": [{**scatter, **common}], "isAccordionReordered": True}


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables in the context, except those that the user has set."""
    mine = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in mine})
    try:
        yield
    finally:
        for name in mine:
            del os.environ[name]


def prepare_sqlite(file: Path) -> None:
    """Make a migrated SQLite store in write-ahead mode where there is none, and check that it is not locked.

    It is made under another name and then linked, so that a second or an interrupted process leaves no incomplete store.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        new = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            SqlAlchemyStore(f"sqlite:///{new}", (file.parent / "mlartifacts").as_uri()).engine.dispose()
            os.link(new, file)
        except FileExistsError:
            pass  # another process was first
        finally:
            new.unlink(missing_ok=True)
    connection = sqlite3.connect(file, timeout=LOCK_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")  # a lock is found in seconds; MLflow would wait for minutes
        connection.execute("ROLLBACK")
    finally:
        connection.close()
