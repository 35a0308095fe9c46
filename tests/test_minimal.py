"""A machine with the six packages that pyproject.toml asks for, and what these need, trains; the rest it names in a line."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pandas as pd
import pytest

# Read by every interpreter as it starts, the workers too: some packages look as if they were not installed.
SITECUSTOMIZE = """
import sys
from importlib.machinery import PathFinder

ABSENT = {absent!r}

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in ABSENT else super().find_spec(name, path, target)

sys.meta_path[:] = [Finder if finder is PathFinder else finder for finder in sys.meta_path]
"""
NFLOSS = [sys.executable, "-c", "from runner.cli import main; main()"]
TINY = """
design: {one_at_a_time: ["1-1", "4-1"]}
seeds: 2
data: {train: 16, probe: 4, validation: 4, height: 16, width: 16}
training: {steps: 6, batch: 2, evaluate_every: 2}
device: cpu
workers: 2
group_size: 1
"""


def canonical(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].replace("_", "-").lower()


def with_all_they_need(names: set[str]) -> set[str]:
    """The distributions and, through any number of steps, their own dependencies but for the optional ones."""
    found, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            try:
                waiting += [canonical(needed) for needed in requires(name) or () if "extra ==" not in needed]
            except PackageNotFoundError:  # needed on another system
                continue
    return found


def asked_for() -> set[str]:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    return {canonical(requirement) for requirement in tomllib.loads(text)["project"]["dependencies"]}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an interpreter that finds nothing else."""
    there = with_all_they_need(asked_for())
    absent = {
        module
        for module, homes in packages_distributions().items()
        if not there & {canonical(home) for home in homes} and module not in ("nfloss", "runner", "analysis")
    }
    assert {"mlflow", "scipy", "statsmodels", "matplotlib", "rich", "PIL", "nbformat", "nbclient", "IPython"} <= absent
    folder = tmp_path_factory.mktemp("bare")
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE.format(absent=absent))
    kept = {name: value for name, value in os.environ.items() if name not in ("MLFLOW_TRACKING_URI", "NFLOSS_TRACEBACK")}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))}


def nfloss(bare: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*NFLOSS, *map(str, arguments)], capture_output=True, text=True, timeout=120, env=bare)


def run_tiny(folder: Path, bare: dict[str, str], *more: str, text: str = TINY) -> subprocess.CompletedProcess[str]:
    (folder / "tiny.yaml").write_text(text)
    return nfloss(bare, "run", folder / "tiny.yaml", "--out-dir", folder / "study", *more)


def test_six_packages_are_asked_for() -> None:
    assert asked_for() == {"torch", "numpy", "pandas", "pyarrow", "pyyaml", "pydantic"}


def test_it_plans(tmp_path: Path, bare: dict[str, str]) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    said = nfloss(bare, "plan", tmp_path / "tiny.yaml")
    assert said.returncode == 0 and said.stderr == "" and "3 cells, 2 distinct" in said.stdout


def test_it_trains_in_worker_processes_and_says_how_it_goes(tmp_path: Path, bare: dict[str, str]) -> None:
    done = run_tiny(tmp_path, bare, "--no-tracking", "--no-report")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "4 planned, 4 done, 0 diverged, 0 failed\n"
    first, *_, last = done.stderr.splitlines()
    assert first == "3 cells: 2 to train, 1 the same as another, 0 clash; x 2 seeds = 4 trials"
    assert re.fullmatch(r"4/4 trials, 0 diverged, 0:00:\d\d spent, about 0:00:00 left", last)
    trials = pd.concat(map(pd.read_parquet, (tmp_path / "study" / "records").glob("trials-*.parquet")))
    assert len(trials) == 4 and (trials["status"] == "finished").all()


def test_what_is_missing_for_report_and_tracking_is_said_in_a_line_each(tmp_path: Path, bare: dict[str, str]) -> None:
    done = run_tiny(tmp_path, bare, "--set", "workers=1")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "4 planned, 4 done, 0 diverged, 0 failed\n"
    no_report, no_view = (line for line in done.stderr.splitlines() if line.startswith("nfloss: "))
    assert re.match(r"nfloss: no report here \(scipy, .* not installed\); the records are safe, .* nfloss report ", no_report)
    assert re.match(r"nfloss: no MLflow view \(mlflow is not installed.*\); the records are safe, .* nfloss sync ", no_view)
    assert "Traceback" not in done.stderr
    asked = nfloss(bare, "report", tmp_path / "study")
    assert asked.returncode == 2 and asked.stdout == ""
    assert re.fullmatch(r"nfloss: no report here \(scipy, .* not installed\); install it with pip\n", asked.stderr)


def test_pictures_need_pillow(tmp_path: Path, bare: dict[str, str]) -> None:
    for name in ("rgb", "depth"):
        (tmp_path / "frames" / name).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "frames" / name / f"{number}.png").touch()
    text = TINY.replace("{train: 16, probe: 4,", f"{{folder: {tmp_path / 'frames'}, depth_scale: 1000, probe: 4,")
    said = run_tiny(tmp_path, bare, text=text)
    assert said.returncode == 2 and len(said.stderr.splitlines()) == 1
    assert said.stderr.startswith("nfloss: ") and "Pillow, which is not installed" in said.stderr
    assert not (tmp_path / "study").exists()
