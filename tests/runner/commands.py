"""`nfloss` commands for tests, each in a process of its own: forked from one that has everything loaded, which saves seconds.

What the environment must do before Python starts, such as LD_PRELOAD, needs `subprocess` itself.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import traceback
from functools import cache
from pathlib import Path
from typing import NoReturn

import pandas as pd


def nfloss(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command as from a shell; its status, what it printed, what it complained."""
    with tempfile.TemporaryDirectory(prefix="nfloss-test-") as folder:
        files = [Path(folder) / name for name in ("out", "err")]
        order = {"arguments": list(map(str, arguments)), "cwd": str(cwd or Path.cwd()), "files": list(map(str, files))}
        server = loaded()
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(json.dumps(order) + "\n")
        server.stdin.flush()
        answer = server.stdout.readline()
        assert answer, "the process that commands are forked from has died"
        out, err = (path.read_text() for path in files)
        return subprocess.CompletedProcess(["nfloss", *order["arguments"]], int(answer), out, err)


def begin(folder: Path, text: str, *more: str, **environment: str) -> subprocess.Popen[str]:
    """A run of the experiment `text` into folder/study that goes on in the background, in an interpreter of its own."""
    folder.mkdir(exist_ok=True)
    (folder / "tiny.yaml").write_text(text)
    arguments = ["run", folder / "tiny.yaml", "--out-dir", folder / "study", "--no-report", "--no-tracking", *more]
    command = [sys.executable, "-m", "runner", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env={**os.environ, **environment}, text=True, **pipes)


def recorded(study: Path) -> dict[str, pd.DataFrame]:
    """Every file of a study's records by its name, but for what a clock said."""
    paths = sorted((study / "records").glob("*.parquet"))
    return {path.name: pd.read_parquet(path).drop(columns="seconds", errors="ignore") for path in paths}


@cache
def loaded() -> subprocess.Popen[str]:
    """The process that commands are forked from, one for each process of the tests."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # threads do not survive a fork
    command = [sys.executable, __file__]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    atexit.register(server.kill)
    return server


def load_everything() -> None:
    """What every command would load and hash again, for a process that others are forked from."""
    import torch

    import runner.cli.progress
    import runner.search.run
    import runner.study.run  # noqa: F401
    from nfloss import Configuration
    from runner.data import Data
    from runner.records.fingerprint import fingerprint
    from runner.study.description import description_code
    from runner.training import load_machine_code

    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # loads a compiler
    load_machine_code()
    description_code()
    fingerprint(Configuration.of(), Data())


def serve() -> None:
    load_everything()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            carry_out(**json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def carry_out(arguments: list[str], cwd: str, files: list[str]) -> NoReturn:
    from runner.cli import main

    code: object = 1
    try:
        os.setsid()
        os.chdir(cwd)
        os.environ.pop("OMP_NUM_THREADS")
        for number, path in zip((1, 2), files, strict=True):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout, sys.stderr = (os.fdopen(number, "w") for number in (1, 2))
        main(arguments)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(code or 0))  # type: ignore[call-overload]


if __name__ == "__main__":
    serve()
