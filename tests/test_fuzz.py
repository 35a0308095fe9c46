"""Mutated files: whatever a tired person or a bad disk does to them, one clear line; no traceback, hang or half-written study.

A short round in every test run; `make fuzz` sets NFLOSS_FUZZ to the number of mutations of the long one.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic import Planted, write_study

from analysis.study import StudyError, load
from nfloss import SSISilogNearFieldLoss
from runner.data import Data, DataError, list_frames, read_frames
from runner.experiment import DesignError, ExperimentError, load_experiment, make_plan

ROUNDS = int(os.environ.get("NFLOSS_FUZZ", "300"))
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


def test_experiments(tmp_path: Path) -> None:
    """A mutated experiment is read and planned (small products only), or refused; nothing is written."""
    rng, path, count = random.Random(0), tmp_path / "x.yaml", 0
    for _ in range(ROUNDS):
        text = mutated_text(rng, rng.choice(EXPERIMENTS).read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8", errors="replace")

        def read_and_plan() -> None:
            experiment = load_experiment(path)
            product = experiment.design.cartesian
            if product is None or product.issues not in (None, "all"):
                make_plan(experiment)

        count += refused(read_and_plan, (ExperimentError, DesignError))
    assert count > ROUNDS // 4
    assert list(tmp_path.iterdir()) == [path]


def test_loss_blocks(tmp_path: Path) -> None:
    rng, path = random.Random(1), tmp_path / "train.yaml"
    for _ in range(ROUNDS):
        path.write_text(mutated_text(rng, BLOCK), encoding="utf-8", errors="replace")
        refused(lambda: SSISilogNearFieldLoss.from_yaml(path), (ValueError,))


def test_images(tmp_path: Path) -> None:
    rng, data = random.Random(2), Data(folder=str(tmp_path), depth_scale=1000)
    for part, picture in (("rgb", np.full((8, 12, 3), 90, np.uint8)), ("depth", np.full((8, 12), 1500, np.uint16))):
        (tmp_path / part).mkdir()
        Image.fromarray(picture).save(tmp_path / part / "a.png")
    for _ in range(min(ROUNDS, 1000)):
        part = tmp_path / rng.choice(("rgb", "depth")) / "a.png"
        whole = part.read_bytes()
        part.write_bytes(mutated_bytes(rng, whole))
        refused(lambda: read_frames(data, list_frames(data)), (DataError,))
        part.write_bytes(whole)


def test_records(tmp_path: Path) -> None:
    """A damaged file of a study is named, or what is read is whole."""
    rng = random.Random(3)
    whole = write_study(tmp_path / "whole", {"1-1": Planted(0.1)}, seeds=2, probes=10, steps=100)
    copy = tmp_path / "copy"
    for _ in range(min(ROUNDS, 1000) // 3):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(whole, copy)
        file = rng.choice(sorted(path for path in copy.rglob("*") if path.is_file() and path.suffix != ".npz"))
        file.write_bytes(mutated_bytes(rng, file.read_bytes()))
        refused(lambda: load(copy), (StudyError,))


@pytest.mark.parametrize("name", ["../../escape", "a/b", "", ".hidden", "x" * 200, "a\nb", "<script>"])
def test_a_name_cannot_leave_the_runs_folder(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"name: {name!r}\ndesign: {{cumulative: true}}\n", encoding="utf-8")
    assert refused(lambda: load_experiment(path), (ExperimentError,))
