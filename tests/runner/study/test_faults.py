"""What disks, memory, clocks and other processes do to a study, by real means: nothing measured is lost or counted twice."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest
from commands import Command, nfloss

NFLOSS = [sys.executable, "-m", "runner"]
TINY = """
design: {one_at_a_time: ["1-1", "6-2", "2-1"]}
seeds: 2
data: {train: 16, probe: 4, validation: 4, height: 16, width: 16}
training: {steps: 12, batch: 2, evaluate_every: 4}
device: cpu
group_size: 1
"""
TRIALS = 8


def command(folder: Path, *more: object) -> list[str]:
    """`nfloss run`, without report and MLflow."""
    (folder / "tiny.yaml").write_text(TINY)
    study = ["run", folder / "tiny.yaml", "--out-dir", folder / "study", "--no-report", "--no-tracking", *more]
    return [*NFLOSS, *map(str, study)]


def run(folder: Path, *more: object) -> subprocess.CompletedProcess[str]:
    return nfloss(*command(folder, *more)[len(NFLOSS) :])


def begin(folder: Path, *more: object, deaf: bool = False) -> Command:
    """The same in the background."""
    return Command(*command(folder, *more)[len(NFLOSS) :], deaf=deaf)


def trials(folder: Path) -> pd.DataFrame:
    parts = [pd.read_parquet(path) for path in sorted((folder / "study" / "records").glob("trials-*.parquet"))]
    table = pd.concat(parts, ignore_index=True).drop(columns="seconds")
    return table.sort_values(["seed", "key"], ignore_index=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed study."""
    folder = tmp_path_factory.mktemp("whole")
    done = run(folder, "--set", "workers=1")
    assert done.returncode == 0, done.stderr
    assert len(trials(folder)) == TRIALS
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole / "study", tmp_path / "study")
    return tmp_path


def equal(folder: Path, whole: Path) -> None:
    pd.testing.assert_frame_equal(trials(folder), trials(whole), check_exact=True)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def flip(path: Path) -> None:
    """One bit, anywhere."""
    content = bytearray(path.read_bytes())
    content[len(content) // 8] ^= 4
    path.write_bytes(bytes(content))


def test_any_flipped_bit_of_a_group_is_found(copy: Path) -> None:
    from runner.records import intact

    rng, records = random.Random(0), copy / "study" / "records"
    for _ in range(200):
        file = records / rng.choice(["trials-seed0-1.parquet", "curves-seed0-1.parquet", "seed0-1.sha256"])
        content = file.read_bytes()
        changed = bytearray(content)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        assert intact(records, "seed0-1")
        file.write_bytes(bytes(changed))
        assert not intact(records, "seed0-1"), file
        file.write_bytes(content)


def test_the_checksums_are_those_of_sha256sum(copy: Path) -> None:
    if shutil.which("sha256sum") is None:
        pytest.skip("no sha256sum here")
    records = copy / "study" / "records"
    for sums in records.glob("*.sha256"):
        assert subprocess.run(["sha256sum", "--check", "--strict", "--quiet", sums.name], cwd=records).returncode == 0


@pytest.mark.parametrize("kind", ["trials", "curves", "profiles"])
@pytest.mark.parametrize("harm", [cut, flip])
def test_a_damaged_record_is_set_aside_and_trained_again(copy: Path, whole: Path, kind: str, harm) -> None:
    harm(copy / "study" / "records" / f"{kind}-seed0-1.parquet")
    again = run(copy, "--resume", "--set", "workers=1")
    assert again.returncode == 0, again.stderr
    assert [line for line in again.stderr.splitlines() if "1 groups of records could not be read" in line and "seed0-1" in line]
    assert (copy / "study" / "records" / "damaged" / "seed0-1.1" / f"{kind}-seed0-1.parquet").exists()
    equal(copy, whole)


def test_a_deleted_curve_is_trained_again(copy: Path, whole: Path) -> None:
    (copy / "study" / "records" / "curves-seed1-0.parquet").unlink()
    assert run(copy, "--resume", "--set", "workers=1").returncode == 0
    assert (copy / "study" / "records" / "curves-seed1-0.parquet").exists()
    equal(copy, whole)


@pytest.mark.parametrize("file", ["records/trials-seed0-1.parquet", "plan.parquet", "study.yaml"])
def test_what_reads_a_damaged_study_names_the_file(copy: Path, file: str) -> None:
    cut(copy / "study" / file)
    said = nfloss("status", copy / "study")
    assert said.returncode in (0, 2) and len(said.stderr.splitlines()) <= 1
    assert file == "study.yaml" or (file in said.stderr and "--resume" in said.stderr)


def in_namespace(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A shell script with mounts of its own, which end with it; skipped where the system does not let us."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no tmpfs of one's own here")
    return subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, timeout=300)


@pytest.fixture
def mounts() -> None:
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here")


@pytest.mark.usefixtures("mounts")
def test_a_full_disk_stops_the_run_and_room_lets_it_go_on(tmp_path: Path, whole: Path) -> None:
    """A file system that has room for the plan and some of the records, and is then made larger."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "study").mkdir()
    run_it = " ".join(command(tmp_path, "--set", "workers=1", "--resume")).replace(f"{tmp_path}/study", f"{disk}/study")
    size = sum(max(4096, -(-path.stat().st_size // 4096) * 4096) for path in (whole / "study").rglob("*") if path.is_file())
    script = f"""
        mount -t tmpfs -o size={size * 3 // 4 // 1024}k tmpfs {disk}
        {run_it} > {tmp_path}/first.out 2> {tmp_path}/first.err; echo $?
        ls -A {disk}/study/records > {tmp_path}/listing
        mount -o remount,size=100m {disk}
        {run_it} > /dev/null 2> {tmp_path}/second.err; echo $?
        cp -r {disk}/study {tmp_path}/study
    """
    done = in_namespace(script, disk)
    assert done.stdout.split() == ["1", "0"], (
        done,
        (tmp_path / "first.err").read_text(),
        (tmp_path / "second.err").read_text(),
    )
    said = [line for line in (tmp_path / "first.err").read_text().splitlines() if line.startswith("nfloss:")]
    assert len(said) == 1 and "No space left on device" in said[0] and "--resume" in said[0]
    listing = (tmp_path / "listing").read_text().split()
    assert any(name.startswith("trials-") for name in listing) and not any(name.startswith(".") for name in listing)
    equal(tmp_path, whole)


def test_a_record_that_does_not_fit_is_one_line_and_trained_on_resume(copy: Path, whole: Path) -> None:
    """The same where nobody may mount: the trials' file is the largest of a study, and has no room."""
    records = copy / "study" / "records"
    for path in records.glob("*seed1-*"):
        path.unlink()
    sizes = {path.name.partition("-")[0]: path.stat().st_size for path in (copy / "study").rglob("*.*") if path.is_file()}
    largest = sizes.pop("trials")
    assert largest > 1.5 * max(sizes.values()), sizes
    full = nfloss(*command(copy, "--resume", "--set", "workers=1")[len(NFLOSS) :], room=largest * 2 // 3)
    said = [line for line in full.stderr.splitlines() if line.startswith("nfloss:")]
    assert full.returncode == 1 and len(said) == 1 and "Traceback" not in full.stderr, full.stderr
    assert "trials-seed1-0.parquet: cannot be written (File too large); what was recorded is safe, make room" in said[0]
    assert not any(path.name.startswith(".") for path in records.iterdir())
    assert run(copy, "--resume", "--set", "workers=1").returncode == 0
    equal(copy, whole)


@pytest.mark.usefixtures("mounts")
def test_a_read_only_directory_is_one_line(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    run_it = " ".join(command(tmp_path)).replace(f"{tmp_path}/study", f"{disk}/study")
    done = in_namespace(f"mount -t tmpfs -o ro tmpfs {disk}; {run_it}; echo status $?", disk)
    assert "status 2" in done.stdout
    assert len(done.stderr.splitlines()) == 1 and "Read-only file system" in done.stderr and str(disk) in done.stderr


ROOMS = (400, 550, 700)  # MiB: less than seven networks of this size take; what one takes differs with the processor's kernels
LIMITED = """
import resource, sys
import psutil, torch
torch.optim.Adam([torch.zeros(1, requires_grad=True)])
from runner.cli import main
from runner.execution import backends
from runner.training import load_machine_code
load_machine_code()
whole = backends.run_in_process
def limited(queue, *rest):
    room = psutil.Process().memory_info().vms + {room} * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    print("largest", max(group.size for group in queue.groups), file=sys.stderr)
    return whole(queue, *rest)
backends.run_in_process = limited
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_memory_that_runs_out_halves_groups(tmp_path: Path) -> None:
    """The process may have so much address space and no more: groups of seven do not fit, and every trial is there once."""
    large = [
        "--set", "group_size=7", "--set", "workers=1", "--set", "data.height=192", "--set", "data.width=256",
        "--set", "training.steps=2", "--set", "training.evaluate_every=2", "--set", "training.batch=16",
        "--set", "design.one_at_a_time=[1-1, 2-1, 3-1, 4-2, 5-1, 5-2]", "--seeds", "1",
    ]  # fmt: skip
    for room in ROOMS:
        arguments = command(tmp_path, *large, "--resume")[len(NFLOSS) :]
        done = subprocess.run(
            [sys.executable, "-c", LIMITED.format(room=room), *arguments], capture_output=True, text=True, timeout=300,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "1000000"},
        )  # fmt: skip
        if done.returncode == 0:
            break  # too little for a network alone ends in one line, and --resume goes on with more
        assert done.returncode == 1 and "--resume trains it again" in done.stderr and "Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr
    table, largest = trials(tmp_path), int(done.stderr.split("largest ")[1].split()[0])
    assert not table.duplicated(["key", "seed"]).any() and len(table) >= 6
    assert table["group"].str.endswith(("a", "b")).any(), (largest, table["group"].unique())


def test_a_worker_that_is_killed_is_counted_and_its_trials_trained_on_resume(tmp_path: Path, whole: Path) -> None:
    """As the system's out-of-memory killer does it."""
    slow = ["--set", "workers=2", "--set", "training.steps=12"]
    process = begin(tmp_path, *slow)
    victim, deadline = None, time.monotonic() + 120
    while victim is None and process.poll() is None and time.monotonic() < deadline:
        with suppress(psutil.NoSuchProcess):  # it has just ended
            busy = [child for child in children(process.pid) if child.cpu_times().user > 0.2]  # at work, not starting
            victim = busy[0] if busy else None
        time.sleep(0.02)
    if victim is not None:
        with suppress(psutil.NoSuchProcess):
            victim.send_signal(signal.SIGKILL)
    _, errors = process.communicate(timeout=240)
    assert process.returncode in (0, 1), errors
    again = run(tmp_path, *slow, "--resume")
    assert again.returncode == 0, again.stderr
    equal(tmp_path, whole)


def children(pid: int) -> list[psutil.Process]:
    """The worker processes of a run: forked from a child of its own."""
    try:
        return [worker for template in psutil.Process(pid).children() for worker in template.children()]
    except psutil.Error:
        return []


JUMPS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
/* The wall clock jumps by up to a year either way at every look at it; the monotonic one is the machine's. */
static long jump(void) { return (random() % 2 ? 1 : -1) * (random() % 31536000L); }
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(id, at);
    if (id == CLOCK_REALTIME) at->tv_sec += jump();
    return code;
}
int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


@pytest.mark.slow
def test_a_clock_that_jumps_changes_nothing(tmp_path: Path, whole: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler here")
    (tmp_path / "jumps.c").write_text(JUMPS)
    library = tmp_path / "jumps.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "jumps.c", "-ldl"], check=True)
    jumping = {**os.environ, "LD_PRELOAD": str(library)}
    look = subprocess.run(
        [sys.executable, "-c", "import time; print(abs(time.time() - time.time()))"],
        env=jumping,
        capture_output=True,
        text=True,
    )
    assert float(look.stdout) > 3600
    jumped = command(tmp_path, "--set", "workers=2", "--max-seconds", "280")
    done = subprocess.run(jumped, capture_output=True, text=True, timeout=300, env=jumping)
    assert done.returncode == 0, done.stderr
    equal(tmp_path, whole)
    assert (trials(tmp_path)["status"] == "finished").all()
    seconds = pd.concat([pd.read_parquet(path) for path in (tmp_path / "study" / "records").glob("trials-*")])["seconds"]
    assert seconds.between(0, 280).all()


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C interrupts, also where the tests were begun in the background, deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_while_records_are_written_waits(tmp_path: Path, ctrl_c: None) -> None:
    from runner.execution import signals_deferred

    written = []
    with pytest.raises(KeyboardInterrupt), signals_deferred():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        written.append("whole")
    assert written == ["whole"]


def test_sigterm_ends_what_a_script_began_in_the_background(tmp_path: Path) -> None:
    """A shell's script begins such processes deaf to SIGINT."""
    process = begin(tmp_path, "--set", "training.steps=100000", deaf=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "study" / "study.yaml").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("nfloss: interrupted; what was recorded is safe, continue with --resume\n"), errors


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_signals_exit_130_and_the_rest_is_trained_on_resume(tmp_path: Path, whole: Path, kind: signal.Signals) -> None:
    process = begin(tmp_path, "--set", "workers=1")
    records, deadline = tmp_path / "study" / "records", time.monotonic() + 120
    while not list(records.glob("trials-*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(kind)
    _, errors = process.communicate(timeout=120)
    assert process.returncode in (130, 0), errors
    assert "Traceback" not in errors
    assert run(tmp_path, "--resume", "--set", "workers=1").returncode == 0
    equal(tmp_path, whole)
