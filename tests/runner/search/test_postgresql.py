"""A search whose Optuna storage is a PostgreSQL server, which is started for these tests."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from commands import begin

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


@dataclass(frozen=True)
class Running:
    """A server; its URL is without the password: libpq has it from PGPASSWORD."""

    url: str
    start: Callable[[], None]
    stop: Callable[[], None]


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
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
        start = partial(server, "pg_ctl", "-D", data, "-l", f"{home}/log", "-w", "-o", options, "start")
        stop = partial(server, "pg_ctl", "-D", data, "-m", "immediate", "stop")
        start()
        yield Running(f"postgresql://nfloss@127.0.0.1:{port}/postgres", start, stop)
        stop()


def test_each_cell_of_a_search_is_told_once(running, tmp_path):
    url = running.url
    search = begin(tmp_path, TINY.format(url=url), PGPASSWORD=PASSWORD)
    said = search.communicate(timeout=300)
    assert search.returncode == 0, said
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


@pytest.mark.slow
def test_a_server_that_stops_and_comes_back_is_waited_for(running, tmp_path):
    text = "name: away" + TINY.format(url=running.url).replace("trials: 6", "trials: 14")
    search = begin(tmp_path, text, PGPASSWORD=PASSWORD)
    while not any((tmp_path / "study" / "records").glob("trials-*.parquet")):
        assert search.poll() is None, search.communicate()
        time.sleep(0.01)
    running.stop()
    try:
        time.sleep(4)
    finally:
        running.start()
    _, complaint = search.communicate(timeout=300)
    assert search.returncode == 0, complaint
    assert complaint.count("trying again for 10 minutes") == 1, complaint
    with psycopg.connect(running.url, password=PASSWORD) as database:
        states = database.execute(
            "select t.state, count(*) from trials t join studies s using (study_id) where s.study_name = 'away' group by 1"
        ).fetchall()
    assert [state for state, _ in states] == ["COMPLETE"] and states[0][1] >= 14
    trained = pd.concat([pd.read_parquet(path) for path in (tmp_path / "study" / "records").glob("trials-*.parquet")])
    assert len(trained) == 28 and not trained.duplicated(["key", "seed"]).any()
