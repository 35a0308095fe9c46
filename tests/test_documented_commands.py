"""Every command of the documentation is run, page by page, as a user would; one that is marked is not, and its reader sees it.

The user's folder has the repository's own experiments, with less to train, and frames beside it. A report is drawn where a
later command of the page reads it, and the MLflow view written by `make ablation`, whose view is shown.
"""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from commands import nfloss

from runner.cli.arguments import parse
from runner.data import scenes

Image = pytest.importorskip("PIL.Image")
ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'title="(.+?)"')
MARK = "(not run by the tests)"
SERVERS = {"mlflow", "dashboard", "docs-serve"}
LONG = ("lasting.md", "tour.md", "own-network.md")
KNOWN = ("make test", "source .venv/bin/activate")  # what is running now, and where
READ_LATER = ("mine.yaml",)
LITTLE: dict[str, Any] = {
    "data": {"train": 16, "probe": 8, "validation": 8, "height": 32, "width": 32},
    "training": {"steps": 4, "batch": 4, "evaluate_every": 1},
}


def commands(page: Path) -> Iterator[str]:
    """What the page tells to type: the lines of its `sh` blocks, and those behind `$ ` where output is shown."""
    for language, _, text in BLOCK.findall(page.read_text(encoding="utf-8").replace("\\\n", " ")):
        for line in text.splitlines():
            if language == "sh" and line.strip() and not line.startswith("#"):
                yield line
            elif not language and line.startswith("$ "):
                yield line[2:]


def marked(page: Path) -> Any:
    """A page as a parameter; those that train for most of a minute are run by `make slow`."""
    return pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.name in LONG else [])


def files(page: Path) -> Iterator[tuple[str, str]]:
    """Names and texts of the files that the page tells to write: blocks with a title."""
    for language, rest, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if title := TITLE.search(rest):
            yield title[1], yaml.safe_dump(smaller(yaml.safe_load(text))) if language == "yaml" else text


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's folder."""
    folder = tmp_path_factory.mktemp("user")
    home = folder / "nfloss"
    (home / "experiments").mkdir(parents=True)
    for name in ("examples", "docs", "Makefile", "mkdocs.yml"):
        (home / name).symlink_to(ROOT / name)
    for path in (ROOT / "experiments").glob("*.yaml"):
        (home / "experiments" / path.name).write_text(yaml.safe_dump(smaller(yaml.safe_load(path.read_text()))))
    write_frames(folder)
    return home


def smaller(settings: dict[str, Any]) -> dict[str, Any]:
    """The same question of less data, for a few steps."""
    folder = {"folder": "../frames", "depth_scale": 1000} if "folder" in settings.get("data", {}) else {}
    less = {key: settings[key] | values if key in settings else values for key, values in LITTLE.items()}
    less["data"] = {**LITTLE["data"], **folder}
    if settings.get("training", {}).get("start") == "neutral":
        less["training"] |= {"start_steps": 4, "start_batch": 4}
    design = settings["design"]
    if design.get("one_at_a_time") == "all":
        design |= {"one_at_a_time": ["2-1", "8-1"], "leave_one_out": False, "near_weights": [1]}
    return settings | less | {"seeds": 2, "workers": 1} | ({"confirm": 2} if "confirm" in settings else {})


def write_frames(folder: Path) -> None:
    """Scenes as a plain folder in millimetres, and as KITTI has them in a 256th of a metre."""
    frames = scenes(1, 40, 32, 48)
    for number, (rgb, depth) in enumerate(zip(frames.rgb, frames.depth, strict=True)):
        colour = Image.fromarray((rgb.permute(1, 2, 0).numpy() * 255).astype(np.uint8))
        drive = folder / "kitti" / "train" / "2011_09_26_drive_0001_sync"
        for path, scale in (
            (folder / "frames" / "depth" / f"{number}.png", 1000),
            (drive / "proj_depth" / "groundtruth" / "image_02" / f"{number:010}.png", 256),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((depth[0].numpy() * scale).clip(0, 65535).astype(np.uint16)).save(path)
        for path in (folder / "frames" / "rgb" / f"{number}.png", drive / "image_02" / "data" / f"{number:010}.png"):
            path.parent.mkdir(parents=True, exist_ok=True)
            colour.save(path)


@pytest.mark.parametrize("page", [marked(page) for page in PAGES if any(commands(page))])
def test_commands_of_a_page_run_in_its_order(home: Path, page: Path) -> None:
    shutil.rmtree(home / "runs", ignore_errors=True)
    for name, text in files(page):
        (home / name).write_text(text)
    for line in commands(page):
        words = shlex.split(line, comments=True)
        if MARK in line:
            check(words)
        elif line.startswith(KNOWN):
            continue
        elif (words[0] == "nfloss" and words[1] in SERVERS) or (words[0] == "make" and words[1] in SERVERS):
            ask(home, words)
        else:
            code, said = run(home, words)
            assert code == 0 or refused_as_early(words, code, said), f"{line}\n{said}"


def refused_as_early(words: list[str], code: int, said: str) -> bool:
    """What concludes from a study refuses one of four steps, which is early: in a line that says so."""
    return words[:2] in (["nfloss", "confirm"], ["nfloss", "export"]) and code == 2 and ": early, so " in said


def check(words: list[str]) -> None:
    """What is not run is at least what the command line takes, or a target of the Makefile."""
    if words[0] == "nfloss":
        parse(words[1:])
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), words


def run(home: Path, words: list[str]) -> tuple[int, str]:
    if words[0] == "nfloss":
        brief = ["--no-tracking", *["--no-report"] * (words[2] not in READ_LATER)] if words[1] == "run" else []
        done = nfloss(*words[1:], *brief, cwd=home)
    else:
        done = subprocess.run(made(words), cwd=home, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def made(words: list[str]) -> list[str]:
    """Python and make of this environment, which is not installed again."""
    program = {"python": [sys.executable], "make": ["make", f"VENV={sys.prefix}"]}[words[0]]
    done = [f"--old-file={sys.prefix}/{name}" for name in ("torch", "run", "dev")] if words[0] == "make" else []
    return [*program, *done, *words[1:]]


def ask(home: Path, words: list[str]) -> None:
    """A server answers at the address that it prints, and ends when it is interrupted."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "runner", *words[1:], "--port", str(port)]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            said = server.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1\S+", said)
            assert address, said
            with urllib.request.urlopen(address[0], timeout=120) as answer:
                assert answer.status == 200
        finally:
            server.terminate()
