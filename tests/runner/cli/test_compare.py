"""`nfloss report A --compare B C`: what a user sees, and one line with status 2 for what cannot be compared."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from commands import nfloss
from synthetic import Planted, write_study

from runner.cli.arguments import parse
from runner.experiment import load_experiment

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three studies of two fixes; the second has an error that is none of the others'."""
    folder = tmp_path_factory.mktemp("user")
    for at, name in enumerate(("one", "two", "three")):
        fixes = {"1-1": Planted(0.1, 0.03), "2-1": Planted(-0.2 if name == "two" else 0.2)}
        write_study(folder / "runs" / name, fixes, seeds=3, first_seed=10 * at, probes=12, steps=120)
    return folder


def test_any_number_of_studies(runs: Path) -> None:
    said = nfloss("report", "runs/one", "--compare", "runs/two", "runs/three", cwd=runs)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith(
        "one against two, three\nWhat differs (one / two / three): seeds 0 to 2 / 10 to 12 / 20 to 22.\n"
    )
    assert said.stdout.endswith("written to runs/one/report/compare-two+three.md and .png\n")
    assert re.search(r"^fix +one +two +three +together *$", said.stdout, re.MULTILINE)
    assert max(map(len, said.stdout.splitlines())) <= 80  # of a pipe
    assert {path.name for path in (runs / "runs" / "one" / "report").iterdir()} == {
        "compare-two+three.md",
        "compare-two+three.png",
    }


@pytest.mark.parametrize(
    ("others", "line"),
    [
        (["runs/one"], "runs/one given twice"),
        (["runs/two", "runs/two"], "runs/two given twice"),
        (["runs/two", "./runs/../runs/one"], "runs/one and runs/../runs/one, which are one study, given twice"),
        (["runs/two", "runs/nowhere"], "runs/nowhere: no study here (study.yaml is missing)"),
        (["runs"], "runs: no study here (study.yaml is missing)"),
        ([], "--compare: expected at least one argument"),
        (["runs/two", "--compare"], "--compare: expected at least one argument"),
    ],
)
def test_what_cannot_be_compared_is_one_line(runs: Path, others: list[str], line: str) -> None:
    said = nfloss("report", "runs/one", "--compare", *others, cwd=runs)
    assert said.returncode == 2 and said.stdout == "" and line in said.stderr
    assert len(said.stderr.splitlines()) == 1 and said.stderr.startswith("nfloss: ")


def made_of(target: str, *variables: str) -> list[list[str]]:
    """The nfloss commands that make would run for a target."""
    ready = [f"--old-file={sys.prefix}/{name}" for name in ("torch", "run", "dev")]
    command = ["make", "-n", "-C", ROOT, target, f"VENV={sys.prefix}", *ready, *variables]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [shlex.split(line) for line in done.stdout.splitlines() if "/nfloss " in line]
    return [line[next(at for at, word in enumerate(line) if word.endswith("/nfloss")) + 1 :] for line in lines]


def test_make_lasting_trains_1_4_and_16_times_as_long_on_other_seeds_each() -> None:
    """The same question thrice: nothing else differs, every evaluation has its counterpart, and the studies are compared."""
    *trainings, report = map(parse, made_of("lasting"))
    experiments = [load_experiment(ROOT / given["experiment"], given["overrides"]) for given in trainings]
    base = experiments[0].training
    assert [own.training.steps / base.steps for own in experiments] == [1, 4, 16]
    assert [own.training.evaluate_every / base.evaluate_every for own in experiments] == [1, 4, 16]
    seeds = [seed for own in experiments for seed in own.seeds]
    assert len(set(seeds)) == len(seeds) and all(len(own.seeds) >= 4 for own in experiments)
    free = {"name", "seeds", "training"}
    assert all(own.model_dump(exclude=free) == experiments[0].model_dump(exclude=free) for own in experiments)
    assert [report["study"], *report["others"]] == [Path("runs") / own.name for own in experiments]


def test_what_is_set_for_make_lasting_reaches_each_of_its_studies() -> None:
    *trainings, _ = map(parse, made_of("lasting", "SET=data.train=48 workers=1"))
    for given in trainings:
        experiment = load_experiment(ROOT / given["experiment"], given["overrides"])
        assert experiment.data.train == 48 and experiment.workers == 1
