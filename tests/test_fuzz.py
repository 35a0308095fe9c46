"""Mutated files, studies and command lines: whatever a tired person, a bad disk or a stranger does to them, it is read, or
refused in one clear line: no traceback, no hang, no memory without end, nothing written elsewhere, nothing of a study's run.

A short round in every test run; `make fuzz` sets NFLOSS_FUZZ to the number of mutations of the long one.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml
from PIL import Image

from analysis import verdicts
from analysis.judge import write_verdicts
from analysis.report.notebook import cells
from analysis.study import load
from nfloss import SSISilogNearFieldLoss
from runner.cli import main
from runner.cli.arguments import EXAMPLES
from runner.cli.views import reads_a_study
from runner.data import Data, DataError, list_frames, read_frames
from runner.experiment import DesignError, ExperimentError, load_experiment, make_plan
from runner.search.dashboard import write_dashboard_view
from runner.study import read_study
from runner.tracking.metrics import read_tables
from runner.tracking.runs import all_runs

ROUNDS = int(os.environ.get("NFLOSS_FUZZ", "500"))


def rounds(share: float) -> range:
    """So many of all rounds."""
    return range(round(share * ROUNDS))


SEED = int(os.environ.get("NFLOSS_FUZZ_SEED", "0"))
SECONDS, BYTES = 20, 2 * 2**30  # of processor time, and of memory beside what the tests have loaded, for one mutation
EXPERIMENTS = sorted((Path(__file__).parents[1] / "experiments").glob("*.yaml"))
WORDS = [
    "null",
    "-1",
    "1e999",
    ".nan",
    "[]",
    "{}",
    "''",
    "*a",
    "&a",
    "!!python/object:os.system x",
    "1-1",
    "99",
    "\x00",
    "\t",
    "::",
    "é",
]
BLOCK = "loss:\n  type: ssi-silog-nearfield\n  fixes: ['1-1', '5-2']\n  near_weight: 5.0\n  alpha: 0.85\n"


def mutated_text(rng: random.Random, text: str) -> str:
    """A few of: a letter changed, a piece lost, doubled or moved, a value replaced, the end cut off."""
    for _ in range(rng.randint(1, 4)):
        at, to = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        kind = rng.randrange(6)
        if kind == 0:
            text = text[:at] + chr(rng.randrange(1, 300)) + text[at + 1 :]
        elif kind == 1:
            text = text[:at] + text[to:]
        elif kind == 2:
            text = text[:to] + text[at:to] + text[to:]
        elif kind == 3:
            text = text[:at] + rng.choice(WORDS) + text[at:]
        elif kind == 4:
            lines = text.split("\n")
            line = rng.randrange(len(lines))
            lines[line] = lines[line].partition(":")[0] + ": " + rng.choice(WORDS)
            text = "\n".join(lines)
        else:
            text = text[:to]
    return text


def mutated_bytes(rng: random.Random, content: bytes) -> bytes:
    """Bytes changed, cut off, or a stretch of zeros."""
    data = bytearray(content)
    kind = rng.randrange(3)
    if kind == 0 or not data:
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    elif kind == 1:
        del data[rng.randrange(len(data)) :]
    else:
        at = rng.randrange(len(data))
        data[at : at + 64] = bytes(len(data[at : at + 64]))
    return bytes(data)


def refused(action: Callable[[], object], errors: tuple[type[Exception], ...]) -> bool:
    """Whether it was refused; by another error than these, the test fails. Each line is one that a person can read."""
    try:
        action()
    except errors as error:
        lines = str(error).splitlines()
        assert lines and all(line.strip() and len(line) < 2000 for line in lines), error
        return True
    return False


class Endless(BaseException):
    """It would not have come to an end; no error of ours, so that nobody takes it for one."""


@contextmanager
def limited() -> Iterator[None]:
    """Within, what takes longer than SECONDS raises Endless, and what takes more than BYTES, MemoryError."""

    def end(number: int, frame: object) -> None:
        raise Endless(f"over {SECONDS} s")

    before, spent = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGVTALRM, end)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + BYTES, before[1]))
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, spent)
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_experiments(tmp_path: Path) -> None:
    """A mutated experiment is read and planned (small products only), or refused; nothing is written."""
    rng, path, count = random.Random(0), tmp_path / "x.yaml", 0
    for _ in rounds(0.3):
        text = mutated_text(rng, rng.choice(EXPERIMENTS).read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8", errors="replace")

        def read_and_plan() -> None:
            experiment = load_experiment(path)
            product = experiment.design.cartesian
            if product is None or product.issues not in (None, "all"):
                make_plan(experiment)

        with limited():
            count += refused(read_and_plan, (ExperimentError, DesignError))
    assert count > len(rounds(0.3)) // 4
    assert list(tmp_path.iterdir()) == [path]


def test_loss_blocks(tmp_path: Path) -> None:
    rng, path = random.Random(1), tmp_path / "train.yaml"
    for _ in rounds(0.2):
        path.write_text(mutated_text(rng, BLOCK), encoding="utf-8", errors="replace")
        with limited():
            refused(lambda: SSISilogNearFieldLoss.from_yaml(path), (ValueError,))


def test_images_and_lists(tmp_path: Path) -> None:
    """A picture, or a list of pictures in text or JSON."""
    rng, lists = random.Random(2), {"train_list": "train.txt", "validation_list": "val.json"}
    data = Data(folder=str(tmp_path), depth_scale=1000, **lists)  # type: ignore[call-arg]
    for part, picture in (("rgb", np.full((8, 12, 3), 90, np.uint8)), ("depth", np.full((8, 12), 1500, np.uint16))):
        (tmp_path / part).mkdir()
        for name in "abc":
            Image.fromarray(picture).save(tmp_path / part / f"{name}.png")
    (tmp_path / "train.txt").write_text("rgb/a.png\ndepth/b.png 1 2\n")
    (tmp_path / "val.json").write_text(json.dumps([{"depth": "depth/c.png"}, "rgb/b.png"]))
    names = ["rgb/a.png", "depth/a.png", *lists.values()]
    for _ in rounds(0.2):
        part = tmp_path / rng.choice(names)
        whole = part.read_bytes()
        text = part.suffix != ".png" and rng.random() < 0.7
        part.write_bytes(mutated_text(rng, whole.decode()).encode() if text else mutated_bytes(rng, whole))
        with limited():
            refused(lambda: read_frames(data, list_frames(data)), (DataError,))
        part.write_bytes(whole)


# --- Studies ------------------------------------------------------------------------------------------------------------

TINY = """
name: tiny
design: {one_at_a_time: ["1-1", "5-2"], near_weights: [2]}
seeds: 2
data: {train: 16, probe: 4, validation: 4, height: 16, width: 16}
training: {steps: 16, batch: 2, evaluate_every: 1}
device: cpu
workers: 1
"""
VALUES: list[Any] = [
    None, True, -1, 0, 3, 10**30, 1e308, float("nan"), float("-inf"), "", "x", "<b>", "../../escape", "a\nb\x1b[2J", "1-1",
    "k" * 5000, [], [[]], {}, {"a": 1}, [1, "x"], [0, 0], 2**63, "2026-13-01", "!!python/object:os.system",
]  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with verdicts and what looks like a report. It names code, and holds modules, that would leave a mark."""
    folder = tmp_path_factory.mktemp("fuzzed")
    (folder / "tiny.yaml").write_text(TINY)
    study = folder / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runner.study.description.audit", list)  # takes longer than all else
        assert status_of(["run", str(folder / "tiny.yaml"), "--out-dir", str(study), "--no-report", "--no-tracking"]) == 0
    for part in (study / "records").glob("trials-*.parquet"):  # so that it is not early, and recommends something
        trials = pd.read_parquet(part)
        trivial = [name for name in trials if name.startswith("trivial_") and not name.endswith("delta1")]
        better = {name: 0.1 * trials[name] for name in trials if name.startswith("final_")} | {
            name: 10 * trials[name] for name in trivial
        }
        trials.assign(**better).to_parquet(part)
    write_verdicts(verdicts(study), study)
    (study / "report" / "figures").mkdir(parents=True)
    for name in ("report.html", "summary.md", "figures/forest.png"):
        (study / "report" / name).write_text("drawn")
    mark = f"open({str(folder / 'RAN')!r}, 'w').close()"
    for place in (study, study / "report", folder):
        for module in ("pandas", "yaml", "evil", "sitecustomize"):
            (place / f"{module}.py").write_text(mark)
    meta = yaml.safe_load((study / "study.yaml").read_text())
    meta["experiment"] |= {"extensions": [str(folder / "evil.py")]}
    meta["experiment"]["model"]["network"] = f"{folder / 'evil.py'}:Net"
    (study / "study.yaml").write_text(yaml.safe_dump(meta))
    return study


def status_of(words: list[str]) -> int:
    """The exit status of a command line."""
    with pytest.raises(SystemExit) as end:
        main(words)
    return int(end.value.code or 0)


def mutated_value(rng: random.Random, value: Any) -> Any:
    """A value somewhere within it is another one, missing, or there twice."""
    if isinstance(value, dict | list) and value and rng.random() < 0.9:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key, copy = rng.choice(keys), value.copy()
        kind = rng.randrange(8)
        if kind == 0:
            del copy[key]
        elif kind == 1 and isinstance(copy, list):
            copy.append(copy[key])
        else:
            copy[key] = mutated_value(rng, copy[key])
        return copy
    return rng.choice(VALUES)


def mutated_table(rng: random.Random, table: pd.DataFrame) -> pd.DataFrame:
    """A column is missing, of another kind, or has one other value; rows are missing, or there twice."""
    kind, column = rng.randrange(5), rng.choice(list(table.columns))
    if kind == 0:
        return table.drop(columns=column)
    if kind == 1:
        return table.assign(**{column: table[column].astype(str)})
    if kind == 2:
        return table.sample(frac=rng.choice([0.0, 0.5]), random_state=rng.randrange(99))
    if kind == 3:
        return pd.concat([table, table.iloc[:2]])
    value = rng.choice([None, -1, 2**62, float("inf"), float("nan"), 0.5, "<b>"])
    return table.assign(**{column: [value] * len(table)})


STAND_INS: list[Callable[[Path], object]] = [
    lambda path: None,
    lambda path: path.mkdir(),
    lambda path: path.symlink_to("/dev/zero"),
    lambda path: path.symlink_to(path),
    os.mkfifo,
]


def mutate_file(rng: random.Random, path: Path) -> None:
    """One file of a study: by its content, its bytes, or what stands in its place."""
    kind, content = rng.random(), path.read_bytes()
    if kind < 0.15:
        path.write_bytes(mutated_bytes(rng, content))
    elif kind < 0.25:
        path.unlink()
        rng.choice(STAND_INS)(path)
    elif path.suffix == ".parquet" and len(table := pd.read_parquet(path)):
        mutated_table(rng, table).to_parquet(path)
    elif path.suffix == ".json" and kind < 0.8:
        path.write_text(json.dumps(mutated_value(rng, json.loads(content))))
    elif path.suffix == ".yaml" and kind < 0.8:
        path.write_text(yaml.safe_dump(mutated_value(rng, yaml.safe_load(content))))
    elif path.suffix in (".json", ".yaml", ".sha256", ".md"):
        path.write_text(mutated_text(rng, content.decode()), encoding="utf-8", errors="replace")
    else:
        path.write_bytes(mutated_bytes(rng, content))


@reads_a_study
def read_for_report(study: Path) -> int:
    """What `report` does before it begins to draw."""
    found = load(study)
    verdicts(found)
    return len(cells(found)) * 0


@reads_a_study
def read_for_sync(study: Path) -> int:
    """What `sync` does before it asks MLflow."""
    tables = read_tables(study)
    return len(all_runs(tables, str(tables.meta["started"]))) * 0


def read_by(action: Callable[[Path], int], study: Path) -> int:
    """As the command line does it, where that would go on for too long."""
    try:
        return action(study)
    except (ValueError, OSError) as error:
        lines = str(error).splitlines()
        assert lines and all(len(line) < 2000 for line in lines), error
        return 2


@reads_a_study
def read_for_dashboard(study: Path) -> int:
    """What `dashboard` does before it listens."""
    write_dashboard_view(study, read_study(study))
    return 0


READ: dict[str, Callable[[Path, Path], int]] = {
    "status": lambda study, whole: status_of(["status", str(study)]),
    "power": lambda study, whole: status_of(["power", str(study)]),
    "export": lambda study, whole: status_of(["export", str(study)]),
    "export --fixes": lambda study, whole: status_of(["export", str(study), "--fixes", "1-1"]),
    "report": lambda study, whole: read_by(read_for_report, study),
    "sync": lambda study, whole: read_by(read_for_sync, study),
    "dashboard": lambda study, whole: read_by(read_for_dashboard, study),
    "compare": lambda study, whole: status_of(["report", str(study), "--compare", str(whole)]),
}
WEIGHTS = [5, 5, 5, 5, 5, 5, 5, 1]  # a comparison draws


@pytest.mark.timeout(max(300, ROUNDS))  # of waiting, for what never comes
def test_studies(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mutated study, its records, its verdicts: every command that reads it says something, or refuses it in one line."""
    rng, copy, refusals = random.Random(SEED + 3), tmp_path / "copy", 0
    around = sorted(study.parent.rglob("*"))
    for number in rounds(0.12):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(study, copy)
        files = [path for path in sorted(copy.rglob("*")) if path.is_file() and path.suffix not in (".py", ".running", "")]
        for path in rng.sample(files, rng.choice([1, 1, 2])):
            mutate_file(rng, path)
        (name,) = rng.choices(list(READ), WEIGHTS)
        with limited():
            status = READ[name](copy, study)
        said = capsys.readouterr()
        assert status in (0, 2) and "Traceback" not in said.err and "MemoryError" not in said.err, (number, name, said.err)
        assert len(said.err.splitlines()) <= 4 and "\x1b" not in said.err + said.out, (number, name, said.err)
        refusals += status == 2
        assert sorted(tmp_path.iterdir()) == [copy]
    assert 0 < refusals < len(rounds(0.12))
    assert sorted(study.parent.rglob("*")) == around  # no mark, and nothing else


# --- Command lines ------------------------------------------------------------------------------------------------------

STRAY = [
    "--set", "--seeds", "--fixes", "--json", "--out-dir", "--resume", "-h", "--", "-1", "1e9", "", "\x00", "é", "\udc80", "a=b",
    "=", "seeds=", "training.steps=x", "design={}", "data.train=-1", "x" * 5000, "/dev/null", "..", "--port", "99999",
    "--version", "tiny.yaml", "copy",
]  # fmt: skip
#: What comes after all is read: training, servers, drawing.
AFTER = ("run.train", "run.train_search", "run.train_confirmation", "plan.plan_cells", "plan.plan_search", "plan.propose",
         "views.draw_report", "views.track", "run.draw_report", "run.draw_report_and_track", "run.track",
         "run.say_conclusions")  # fmt: skip
SLOW = ("check", "audit", "dashboard", "mlflow", "data")


def test_command_lines(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The examples of the help with words changed: an exit status, and at most a few lines; they go as far as all is read."""
    shutil.copytree(study, tmp_path / "copy", ignore=shutil.ignore_patterns("*.py"))
    shutil.copy(study.parent / "tiny.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in AFTER:
        monkeypatch.setattr(f"runner.cli.{name}", lambda *_, **__: 0)
    rng, known = random.Random(SEED + 4), {"experiments": "tiny.yaml", "runs": "copy"}
    lines = [line.split()[1:] for line in EXAMPLES if line.split()[1] not in SLOW] + [["schema"], ["issues", "--json"]]
    for _ in rounds(0.18):
        words = [known.get(word.partition("/")[0], word) for word in rng.choice(lines)]
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(1, len(words) + 1)
            words[at : at + rng.randrange(2)] = rng.choice([[rng.choice(STRAY)], [rng.choice(words)], []])
        with limited():
            status = status_of(words)
        said = capsys.readouterr()
        assert status in (0, 1, 2) and "Traceback" not in said.err and "MemoryError" not in said.err, (words, said.err)
        assert all(len(line) < 6000 for line in said.err.splitlines()), words
    assert not (study.parent / "RAN").exists()


@pytest.mark.parametrize("name", ["../../escape", "a/b", "", ".hidden", "x" * 200, "a\nb", "<script>"])
def test_a_name_cannot_leave_the_runs_folder(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"name: {name!r}\ndesign: {{cumulative: true}}\n", encoding="utf-8")
    assert refused(lambda: load_experiment(path), (ExperimentError,))
