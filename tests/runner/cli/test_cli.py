"""The command line: help that teaches, and one clear line with status 2 for what a tired person mistypes."""

import json
import subprocess
import sys

import pytest
import torch
from commands import nfloss
from PIL import Image

import nfloss as nfloss_package
from runner.cli import main
from runner.cli.arguments import EXAMPLES, parse

NFLOSS = [sys.executable, "-m", "runner"]


COMMANDS = ("issues", "audit", "data", "plan", "schema", "run", "status", "report", "export", "sync", "mlflow")


def test_help_names_every_command_and_shows_examples():
    said = nfloss("--help")
    assert said.returncode == 0 and said.stderr == ""
    for command in COMMANDS:
        assert f"\n    {command} " in said.stdout
    assert "\n  nfloss run experiments/ablation.yaml --resume\n" in said.stdout
    assert nfloss().stdout == said.stdout
    assert subprocess.run([sys.executable, "-m", "runner"], capture_output=True, text=True, check=True).stdout == said.stdout


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    python = ".".join(map(str, sys.version_info[:3]))
    start, release = f"nfloss {nfloss_package.__version__}, Python {python}, torch ", torch.__version__.partition("+")[0]
    assert ended.value.code == 0
    # An index's package need not name its build: 2.11.0 may be 2.11.0+cu130.
    assert capsys.readouterr().out in {f"{start}{torch.__version__}\n", f"{start}{release}\n"}


@pytest.mark.parametrize("line", EXAMPLES)
def test_the_examples_are_accepted(line):
    assert parse(line.split()[1:])["command"].__name__ == line.split()[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0 and said.startswith(f"usage: nfloss {command} ")
    assert "default" in said or command not in ("run", "plan", "sync", "mlflow")


def test_issues_as_text_and_json():
    assert "5-2" in nfloss("issues").stdout
    assert [issue["number"] for issue in json.loads(nfloss("issues", "--json").stdout)] == list(range(1, 11))


def test_plan_of_the_full_factorial(pytestconfig):
    small = {"train": 16, "probe": 4, "validation": 4, "height": 16, "width": 16}  # what there is to plan stays the same
    experiment = pytestconfig.rootpath / "experiments" / "full_factorial.yaml"
    said = nfloss("plan", experiment, "--json", *(word for key in small for word in ("--set", f"data.{key}={small[key]}")))
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


MISTYPED = {
    "plan": "EXPERIMENT.yaml",
    "plan nowhere.yaml": "nowhere.yaml: cannot be read",
    "runn": "unknown command 'runn' (did you mean 'run'?); known: issues, check, audit",
    "--json issues": "unknown command '--json'",
    "run x.yaml --sseds 3": "unknown option '--sseds' (did you mean '--seeds'?); known: --set, --seeds",
    "run x.yaml --resum": "did you mean '--resume'?",
    "run --seed=3 x.yaml": "unknown option '--seed' (did you mean '--seeds'?)",
    "run x.yaml --set": "--set",
    "run x.yaml --seeds 0": "'0'; a whole number of at least 1 is needed",
    "run x.yaml --seeds three": "'three'; a whole number of at least 1 is needed",
    "run x.yaml --max-seconds nan": "'nan'; a number of at least 0 is needed",
    "run x.yaml training.steps=3": "did you mean '--set training.steps=3'?",
    "plan x.yaml y.yaml": "'y.yaml'",
    "status": "STUDY_DIR",
    "status nowhere": "nowhere: no study here",
    "status nowhere --json": "unknown option '--json'; known: --help",
    "report nowhere": "nowhere: no study here",
    "export nowhere": "nowhere: no study here",
    "sync nowhere": "nowhere: no study here",
    "plan x.yaml --resume": "unknown option '--resume'; known: --set, --seeds, --budget, --again, --json, --help",
    "mlflow --port 5k": "--port: '5k'; a whole number from 1 to 65535 is needed",
    "mlflow --port 65536": "'65536'; a whole number from 1 to 65535 is needed",
}


@pytest.mark.parametrize("line", list(MISTYPED))
def test_mistyped_lines(line, capsys, monkeypatch):
    monkeypatch.delenv("NFLOSS_TRACEBACK", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    said = capsys.readouterr()
    assert ended.value.code == 2 and said.out == ""
    assert said.err.startswith("nfloss: ") and len(said.err.splitlines()) == 1 and MISTYPED[line] in said.err


def test_a_traceback_where_one_is_asked_for(monkeypatch):
    monkeypatch.setenv("NFLOSS_TRACEBACK", "1")
    with pytest.raises(ValueError, match="no study here"):
        main(["status", "nowhere"])


def test_a_reader_that_has_seen_enough_is_no_error():
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m runner audit | head -1"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.count("\n") == 1
