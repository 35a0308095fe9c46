"""`nfloss` commands for tests, each in a process of its own: forked from one that has everything loaded, which saves seconds.

What the environment must do before Python starts, such as LD_PRELOAD, needs `subprocess` itself.
"""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import weakref
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd


class Command:
    """A command that goes on in the background, in a session of its own, as from a shell.

    Args:
        arguments: of `nfloss`.
        cwd: where it is typed; default: here.
        deaf: to SIGINT, as what a script's background begins.
        room: bytes that a file may have (RLIMIT_FSIZE): to write more fails, as on a full disk, whoever one is.
        umask: of what it writes; default: that of this process.
        user: the id of another user, whose command it is; only root can give it.
        environment: beside that of this process.
    """

    def __init__(
        self,
        *arguments: object,
        cwd: Path | None = None,
        deaf: bool = False,
        room: int | None = None,
        umask: int | None = None,
        user: int | None = None,
        **environment: str,
    ) -> None:
        self.args, self.returncode = ["nfloss", *map(str, arguments)], None
        self._folder = Path(tempfile.mkdtemp(prefix="nfloss-test-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        order = {"arguments": self.args[1:], "cwd": str(cwd or Path.cwd()), "deaf": deaf}
        order |= {"room": room, "umask": umask, "user": user}
        server = loaded()
        assert server.stdin is not None
        line = json.dumps({**order, "environment": {**os.environ, **environment}, "folder": str(self._folder)})
        server.stdin.write(line + "\n")
        server.stdin.flush()
        while not (told := self._folder / "pid").exists():
            assert server.poll() is None, "the process that commands are forked from has died"
            time.sleep(0.002)
        self.pid = int(told.read_text())

    def poll(self) -> int | None:
        """The exit status, as `subprocess` has it; None while it runs."""
        if self.returncode is None and (ended := self._folder / "status").exists():
            self.returncode = int(ended.read_text())
        return self.returncode

    def wait(self, timeout: float = 300.0) -> int:
        until = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                self.kill()
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.002)
        return code

    def communicate(self, timeout: float = 300.0) -> tuple[str, str]:
        """What it printed and what it complained, once it has ended."""
        self.wait(timeout)
        return (self._folder / "out").read_text(), (self._folder / "err").read_text()

    def send_signal(self, kind: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, kind)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def nfloss(*arguments: object, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run a command as from a shell; its status, what it printed, what it complained. `how`: as of `Command`."""
    return ended(Command(*arguments, **how))


def ended(command: Command) -> subprocess.CompletedProcess[str]:
    """Wait for a command's end."""
    out, err = command.communicate(600.0)
    return subprocess.CompletedProcess(command.args, command.wait(), out, err)


def begin(folder: Path, text: str, *more: str, **environment: str) -> Command:
    """A run of the experiment `text` into folder/study that goes on in the background."""
    folder.mkdir(exist_ok=True)
    (folder / "tiny.yaml").write_text(text)
    arguments = ["run", folder / "tiny.yaml", "--out-dir", folder / "study", "--no-report", "--no-tracking", *more]
    return Command(*arguments, **environment)


def recorded(study: Path) -> dict[str, pd.DataFrame]:
    """Every file of a study's records by its name, but for what a clock said."""
    paths = sorted((study / "records").glob("*.parquet"))
    return {path.name: pd.read_parquet(path).drop(columns="seconds", errors="ignore") for path in paths}


@cache
def loaded() -> subprocess.Popen[str]:
    """The process that commands are forked from, one for each process of the tests."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # threads do not survive a fork
    server = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, text=True, env=environment)
    atexit.register(server.kill)
    return server


# --- In the process that commands are forked from -------------------------------------------------------------------------


def load_everything() -> None:
    """What every command would load and hash again, for a process that others are forked from."""
    import pyarrow.dataset  # pandas does when it first reads or writes records
    import pyarrow.parquet  # noqa: F401
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


def audit_once() -> None:
    """The review's numbers, which every study is described with: they depend on nothing but the code.

    In a process of its own: where there is an accelerator, autograd's threads are begun with it, and do not survive a fork.
    """
    from runner.study import description

    with multiprocessing.get_context("fork").Pool(1) as apart:
        claims = apart.apply(description.audit)
    description.audit = lambda: claims


def write_without_waiting() -> None:
    """No test pulls the plug: to wait for the disk after each file of a study's records would take a second a study."""
    os.fsync = lambda file: None


def serve() -> None:
    load_everything()
    audit_once()
    write_without_waiting()
    for line in sys.stdin:
        if not os.fork():
            attend(**json.loads(line))
        reap()


def reap() -> None:
    """Let those go who have attended to a command that has ended."""
    with suppress(ChildProcessError):  # nobody is left
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def attend(folder: str, **order: object) -> NoReturn:
    """Fork the command, tell its process, wait for it, tell its status: several commands may run at a time."""
    child = os.fork()
    if not child:
        carry_out(folder, **order)  # type: ignore[arg-type]
    with suppress(FileNotFoundError):  # nobody asks any more
        tell(Path(folder) / "pid", child)
        _, status = os.waitpid(child, 0)
        tell(Path(folder) / "status", os.waitstatus_to_exitcode(status))
    os._exit(0)


def tell(path: Path, number: int) -> None:
    """All at once: who looks finds nothing or all."""
    path.with_suffix(".new").write_text(str(number))
    path.with_suffix(".new").rename(path)


def carry_out(
    folder: str,
    arguments: list[str],
    cwd: str,
    deaf: bool,
    room: int | None,
    umask: int | None,
    user: int | None,
    environment: dict[str, str],
) -> NoReturn:
    from runner.cli import main

    code: object = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_IGN if deaf else signal.default_int_handler)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environment)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(Path(folder) / name, os.O_WRONLY | os.O_CREAT), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
        if room is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        if umask is not None:
            os.umask(umask)
        if user is not None:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
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
