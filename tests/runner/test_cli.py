"""The command line: help that teaches, and one clear line with status 2 for what a tired person mistypes."""

import json
import subprocess
import sys

import pytest
from PIL import Image

NFLOSS = [sys.executable, "-m", "runner.cli"]


def nfloss(*arguments):
    return subprocess.run([*NFLOSS, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def test_help_names_every_command():
    said = nfloss("--help")
    assert said.returncode == 0
    for command in ("issues", "audit", "plan", "run", "status", "report", "sync", "mlflow"):
        assert command in said.stdout


def test_issues_as_text_and_json():
    assert "5-2" in nfloss("issues").stdout
    assert [issue["number"] for issue in json.loads(nfloss("issues", "--json").stdout)] == list(range(1, 11))


def test_plan_of_the_full_factorial(pytestconfig):
    said = nfloss("plan", pytestconfig.rootpath / "experiments" / "full_factorial.yaml", "--json")
    counts = json.loads(said.stdout)
    assert (counts["cells"], counts["clashes"]) == (46_656, 5_184)
    assert counts["distinct"] + counts["repeats"] + counts["clashes"] == 46_656
    assert counts["minutes"] > 0


@pytest.fixture
def experiment(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return path

    return write


BAD = {
    "unknown fix": ("design: {one_at_a_time: ['7-9']}", "7-9"),
    "misspelt key": ("design: {one_at_a_time: all}\ntrainign: {steps: 3}", "trainign"),
    "negative steps": ("design: {one_at_a_time: all}\ntraining: {steps: -3}", "-3"),
    "missing folder": (
        "design: {one_at_a_time: ['2-1']}\ndata: {folder: /nowhere/at/all, depth_scale: 1000}",
        "/nowhere/at/all",
    ),
    "clash": ("design: {explicit: {both: ['1-2', '10-1']}}", "1-2 and 10-1 clash"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_bad_experiments_leave_nothing_behind(experiment, tmp_path, name):
    text, part = BAD[name]
    said = nfloss("run", experiment(text), "--out-dir", tmp_path / "study")
    assert said.returncode == 2 and part in said.stderr and "Traceback" not in said.stderr
    assert len([line for line in said.stderr.splitlines() if line.startswith("nfloss:")]) == 1
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("kind", ["8-bit depth", "empty folder"])
def test_bad_folders(experiment, tmp_path, kind):
    for name in ("rgb", "depth"):
        (tmp_path / "frames" / name).mkdir(parents=True)
    if kind == "8-bit depth":
        Image.new("RGB", (20, 20)).save(tmp_path / "frames" / "rgb" / "0.png")
        Image.new("L", (20, 20), 9).save(tmp_path / "frames" / "depth" / "0.png")
    text = f"design: {{one_at_a_time: ['2-1']}}\ndata: {{folder: {tmp_path / 'frames'}, depth_scale: 1000}}"
    said = nfloss("run", experiment(text), "--out-dir", tmp_path / "study")
    assert said.returncode == 2 and "frames" in said.stderr and "Traceback" not in said.stderr
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan"],
        ["plan", "nowhere.yaml"],
        ["run", "x.yaml", "--sseds", "3"],
        ["status", "nowhere"],
        ["report", "nowhere"],
        ["runn"],
    ],
)
def test_mistyped_commands(arguments):
    said = nfloss(*arguments)
    assert said.returncode == 2 and len(said.stderr.splitlines()) == 1 and said.stderr.startswith("nfloss: ")
