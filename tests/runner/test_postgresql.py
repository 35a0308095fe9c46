"""A search of two workers whose Optuna storage is a PostgreSQL server, started here for the while."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest

psycopg = pytest.importorskip("psycopg")
PROGRAMS = [str(folder) for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
INITDB = shutil.which("initdb") or shutil.which("initdb", path=os.pathsep.join(PROGRAMS))
pytestmark = pytest.mark.skipif(INITDB is None, reason="no PostgreSQL server here")

PASSWORD = "not-in-the-records"
TINY = """
design: {{optuna: {{trials: 6, at_once: 2, numbers: {{near_weight: [1, 10]}}, storage: "{url}"}}}}
seeds: 2
data: {{train: 16, probe: 4, validation: 4, height: 16, width: 16}}
training: {{steps: 12, batch: 2, evaluate_every: 4}}
device: cpu
workers: 1
"""


def server(program: str, *arguments: object) -> None:
    """A program of the server, which refuses to run as root."""
    as_other = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    command = [str(Path(INITDB or "").with_name(program)), *map(str, arguments)]
    subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, timeout=120, **as_other)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A fresh server's URL, without the password: libpq has it from PGPASSWORD."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TemporaryDirectory(prefix="nfloss-pg-", dir="/tmp", ignore_cleanup_errors=True) as home:
        (Path(home) / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(home, "nobody")
            shutil.chown(Path(home) / "password", "nobody")
        data = Path(home) / "data"
        server("initdb", "-D", data, "-U", "nfloss", "--auth=scram-sha-256", f"--pwfile={home}/password", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c fsync=off"
        server("pg_ctl", "-D", data, "-l", f"{home}/log", "-w", "-o", options, "start")
        yield f"postgresql://nfloss@127.0.0.1:{port}/postgres"
        server("pg_ctl", "-D", data, "-m", "immediate", "stop")


def worker(folder: Path) -> subprocess.Popen:
    command = ["run", folder / "tiny.yaml", "--worker", "--out-dir", folder / "study", "--no-report", "--no-tracking"]
    return subprocess.Popen(
        [sys.executable, "-m", "runner.cli", *map(str, command)],
        env={**os.environ, "PGPASSWORD": PASSWORD},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_workers_search_in_one_database(url, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY.format(url=url))
    two = [worker(tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=300) for process in two]
    assert [process.returncode for process in two] == [0, 0], said
    with psycopg.connect(url, password=PASSWORD) as database:
        keys = database.execute("select trial_id, value_json from trial_user_attributes where key = 'key'").fetchall()
        told = database.execute("select t.trial_id, t.state from trials t join trial_values v using (trial_id)").fetchall()
        every = database.execute("select count(*) from trials").fetchone()
    cells = {trial: json.loads(key) for trial, key in keys}
    assert every == (len(told),) and {state for _, state in told} == {"COMPLETE"}
    assert Counter(trial for trial, _ in told) == dict.fromkeys(cells, 1)
    trained = pd.concat([pd.read_parquet(path) for path in (tmp_path / "study" / "records").glob("trials-*.parquet")])
    counts = Counter(zip(trained["key"], trained["seed"], strict=True))
    assert counts == {(key, seed): 1 for key in set(cells.values()) for seed in (0, 1)} and len(counts) == 12
    assert PASSWORD not in (tmp_path / "study" / "study.yaml").read_text()
