"""Where the MLflow store is, and its page in a browser: a server on 127.0.0.1, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import yaml

HOST, DEFAULT_PORT = "127.0.0.1", 5000
START_SECONDS = 90.0
BAD_INPUT = 2
VIEW = "ablation"  # key of the saved view of the runs table

#: Without a job executor and with one worker the server is 2 processes and 0.5 GB, else 10 and 1.1 GB.
LEAN = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


class TrackingError(ValueError):
    """Why the MLflow view cannot be written or shown, in one line."""


def store_uri(folder: Path | None, uri: str | None = None) -> str:
    """The store: the one asked for, the study's own, MLFLOW_TRACKING_URI, or mlflow.db beside the study's folder."""
    given = uri or (study_settings(folder).get("tracking") or {}).get("uri") or os.environ.get("MLFLOW_TRACKING_URI")
    beside = folder.resolve().parent if folder else Path("runs").resolve()
    return given or f"sqlite:///{beside / 'mlflow.db'}"


def study_settings(folder: Path | None) -> dict[str, Any]:
    """The experiment that a study was run with."""
    if folder is None:
        return {}
    return dict(yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))["experiment"])


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite store; None for any other store."""
    return Path(uri.removeprefix("sqlite:///")).absolute() if uri.startswith("sqlite:///") else None


def experiment_name(folder: Path, name: str) -> str:
    """The study's name; with its folder where that is another, so that two studies of one name do not replace each other."""
    return name if folder.resolve().name == name else f"{name} ({folder.resolve().name})"


def page(server: str, experiment: str | None) -> str:
    """Link to an experiment. Without the workflow type MLflow may open it as a study of language models."""
    if experiment is None:
        return f"{server.rstrip('/')}/#/experiments?workflowType=machine_learning"
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={VIEW}"


def serve(study: Path | None, port: int = DEFAULT_PORT) -> int:
    """Serve the store's pages until Ctrl-C; returns the exit status.

    Raises:
        TrackingError: there is no store yet, or the server does not start.
    """
    where = store_uri(study)
    if where.startswith(("http://", "https://")):
        print(f"MLflow is served at {where}")
        return 0
    check_store(where, study)
    if taken(port):
        print(f"nfloss: port {port} on {HOST} is taken; take another with --port", file=sys.stderr)
        return BAD_INPUT
    with tempfile.TemporaryFile() as log, server(where, port, log) as process:
        wait_until_ready(process, port, log)
        print(f"MLflow: {page(f'http://{HOST}:{port}', experiment_id(port, study))}  (Ctrl-C ends it)", flush=True)
        if process.wait() != 0:
            raise TrackingError(f"the MLflow server has stopped: {last_line(log)}")
    return 0


def check_store(where: str, study: Path | None) -> None:
    """Say in one line what is missing before a server is started."""
    if find_spec("mlflow") is None:
        raise TrackingError("mlflow is not installed: pip install mlflow")
    file = sqlite_file(where)
    if file is not None and not file.exists():
        raise TrackingError(f"{file}: no MLflow view yet; write it with: nfloss sync {study or 'STUDY_DIR'}")


def taken(port: int) -> bool:
    """Whether something else listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


@contextmanager
def server(where: str, port: int, log: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """The server's process. It has a session of its own: Ctrl-C reaches us alone, and we end it and its workers."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", where]
    file = sqlite_file(where)
    if file is not None:
        command += ["--default-artifact-root", str(file.parent / "mlartifacts"), "--no-serve-artifacts"]
    kept = signal.signal(signal.SIGTERM, signal.default_int_handler)
    process = subprocess.Popen(command, env={**os.environ, **LEAN}, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, kept)
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server and its workers."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(timeout=5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: BinaryIO) -> None:
    """Until the server answers."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise TrackingError(f"the MLflow server did not start: {last_line(log)}")
        try:
            urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TrackingError(f"the MLflow server did not answer within {START_SECONDS:g} s: {last_line(log)}")


def last_line(log: BinaryIO) -> str:
    """What the server said last."""
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def experiment_id(port: int, study: Path | None) -> str | None:
    """The study's experiment, asked of the server; None where no study is given or it has not been written yet."""
    if study is None:
        return None
    settings = yaml.safe_load((study / "study.yaml").read_text(encoding="utf-8"))
    name = urllib.parse.quote(experiment_name(study, settings["name"]))
    address = f"http://{HOST}:{port}/api/2.0/mlflow/experiments/get-by-name?experiment_name={name}"
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return str(json.load(answer)["experiment"]["experiment_id"])
    except urllib.error.HTTPError:
        print(f"nfloss: {name} is not in this store yet; write it with: nfloss sync {study}", file=sys.stderr)
        return None
