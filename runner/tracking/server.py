"""Where the MLflow store is, and the MLflow UI: a server on 127.0.0.1, in its own process."""

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
from typing import BinaryIO

import yaml

HOST, DEFAULT_PORT = "127.0.0.1", 5000
START_SECONDS = 90.0
SAVED_VIEW = "ablation"  # its key; a saved view of the runs table

#: Without a job executor and with one worker the server has 2 processes and 0.5 GB, else 10 and 1.1 GB.
SERVER_ENV = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


class TrackingError(ValueError):
    """Why the MLflow view cannot be written or shown, in one line."""


def store_uri(folder: Path | None, uri: str | None = None) -> str:
    """The store: `uri`, else MLFLOW_TRACKING_URI, else mlflow.db beside the study's folder. What the study says of it does not
    count: where records go, and which server is asked, is not for somebody else's folder to say."""
    given = uri or os.environ.get("MLFLOW_TRACKING_URI")
    beside = folder.resolve().parent if folder else Path("runs").resolve()
    return given or f"sqlite:///{beside / 'mlflow.db'}"


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite store; None for any other store."""
    return Path(uri.removeprefix("sqlite:///")).absolute() if uri.startswith("sqlite:///") else None


def experiment_name(folder: Path, name: str) -> str:
    """The study's name, and its folder's where that differs: two studies of one name must not overwrite each other."""
    return name if folder.resolve().name == name else f"{name} ({folder.resolve().name})"


def page_link(server: str, experiment: str | None) -> str:
    """Link to an experiment, or to all. The workflow type keeps MLflow from showing it as one of language models."""
    if experiment is None:
        return f"{server.rstrip('/')}/#/experiments?workflowType=machine_learning"
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={SAVED_VIEW}"


def serve_mlflow(study: Path | None, port: int = DEFAULT_PORT, uri: str | None = None) -> int:
    """Run the MLflow UI until Ctrl-C; returns the exit status.

    Raises TrackingError: there is no store yet, the port is taken, or the server does not start."""
    where = store_uri(study, uri)
    if where.startswith(("http://", "https://")):
        print(f"MLflow is served at {where}")
        return 0
    if find_spec("mlflow") is None:
        raise TrackingError("mlflow is not installed: pip install mlflow")
    if (file := sqlite_file(where)) is not None and not file.exists():
        raise TrackingError(f"{file}: no MLflow view yet; write it with: nfloss sync {study or 'STUDY_DIR'}")
    if port_taken(port):
        raise TrackingError(f"port {port} on {HOST} is taken; choose another with --port")
    with tempfile.TemporaryFile() as log, mlflow_server(where, port, log) as process:
        wait_until_ready(process, port, log)
        link = page_link(f"http://{HOST}:{port}", experiment_id(port, study))
        print(f"MLflow: {link}  (Ctrl-C ends it)", flush=True)
        if process.wait() != 0:
            raise TrackingError(f"the MLflow server has stopped: {last_line(log)}")
    return 0


def port_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


@contextmanager
def mlflow_server(where: str, port: int, log: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """The server's process. It has its own session, so that Ctrl-C reaches only this process, which then stops the server."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--allowed-hosts", ",".join(f"{name}{port_of}" for name in ("localhost", HOST) for port_of in ("", ":*"))]
    command += ["--backend-store-uri", where]
    file = sqlite_file(where)
    if file is not None:
        command += ["--default-artifact-root", str(file.parent / "mlartifacts"), "--no-serve-artifacts"]
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    process = subprocess.Popen(command, env={**os.environ, **SERVER_ENV}, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, before)
        stop_server(process)


def stop_server(process: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(timeout=5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: BinaryIO) -> None:
    """Return when the server answers. Raises TrackingError where it ends, or does not answer in time."""
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
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no output"


def experiment_id(port: int, study: Path | None) -> str | None:
    """The id of the study's experiment on the server; None where no study is given, or its view is not written yet."""
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
