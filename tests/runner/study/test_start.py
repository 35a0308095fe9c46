"""A study whose trainings go on from start networks: trained once, kept, the same whichever seeds and workers there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from commands import nfloss, recorded
from PIL import Image
from watching import Watching, run_watched

from runner.cli.run import train_confirmation
from runner.data import make_seed_data
from runner.execution import STARTS, StartError
from runner.execution import run_group as execution
from runner.experiment import Experiment, parse_experiment
from runner.networks import StackedNetworks
from runner.records import read_trials, start_file
from runner.study import run_study
from runner.training import rulers

TINY = {
    "name": "tiny",
    "design": {"one_at_a_time": ["1-1", "6-1"]},
    "seeds": 2,
    "data": {"train": 12, "probe": 6, "validation": 6, "height": 16, "width": 16},
    "training": {"steps": 4, "batch": 4, "evaluate_every": 2, "start": "neutral", "start_steps": 6, "start_batch": 4},
    "device": "cpu",
    "workers": 1,
}


@pytest.fixture(autouse=True)
def no_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The document's numbers are recomputed at the beginning of a study; here they would take longer than all else."""
    monkeypatch.setattr("runner.study.description.audit", list)


def experiment(**more: object) -> Experiment:
    return parse_experiment({**TINY, **more}, "tiny")


def states(study: Path) -> dict[str, dict]:
    """The start networks of a study, by file."""
    return {path.name: torch.load(path, weights_only=True) for path in sorted((study / STARTS).glob("*.pt"))}


def same_states(one: dict[str, dict], other: dict[str, dict]) -> bool:
    pairs = [(one[name]["state"], other[name]["state"]) for name in one.keys() & other.keys()]
    return bool(pairs) and all(a.keys() == b.keys() and all(torch.equal(a[part], b[part]) for part in a) for a, b in pairs)


def curves(study: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in sorted((study / "records").glob("curves-*"))])


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seeds 0 and 1, in one process."""
    folder = tmp_path_factory.mktemp("start") / "study"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runner.study.description.audit", list)
        run_watched(experiment(), folder)
    return folder


def test_records_begin_at_the_start_network_and_say_so(study: Path) -> None:
    found, trials = curves(study), read_trials(study / "records")
    assert set(trials["start"]) == {"neutral"} and "start:" in trials["fingerprint"].iloc[0]
    assert yaml.safe_load((study / "study.yaml").read_text())["experiment"]["training"]["start"] == "neutral"
    assert sorted(found["step"].unique()) == [0, 2, 4]
    for seed in (0, 1):
        networks, data = StackedNetworks(1, 99), make_seed_data(experiment().data, seed)
        networks.load_state(torch.load(start_file(study / STARTS, seed), weights_only=True)["state"])
        with torch.no_grad():
            errors = rulers(1.0 / networks(data.probe.rgb, training=False)[0], data.probe.depth)
        own = found[(found["seed"] == seed) & (found["step"] == 0)]
        assert len(own) == 3 and own["probe_far_abs_rel"].to_numpy() == pytest.approx(float(errors["far_abs_rel"]), rel=1e-5)
    assert sorted(states(study)) == ["seed0.pt", "seed1.pt"]


def test_a_start_is_the_same_alone_among_others_and_in_two_workers(study: Path, tmp_path: Path) -> None:
    """Seed 3 of a study of its own, which trains its block, seed 2 too; seeds 0 to 4, of three blocks, in two processes."""
    run_watched(experiment(seeds=[3]), tmp_path / "alone")
    run_watched(experiment(seeds=5, workers=2), tmp_path / "many")
    alone, many = states(tmp_path / "alone"), states(tmp_path / "many")
    assert len(alone) == 2 and len(many) == 6 and same_states(alone, many) and same_states(states(study), many)
    one, other = (curves(tmp_path / name).query("seed == 3").sort_values(["key", "step"]) for name in ("alone", "many"))
    pd.testing.assert_frame_equal(one.reset_index(drop=True), other.reset_index(drop=True), check_exact=True)


def test_it_is_trained_once_and_again_only_where_it_is_lost(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another fix is trained from the kept networks; a lost one comes back to the same bits."""
    trained, whole = [], execution.train_starts
    monkeypatch.setattr(execution, "train_starts", lambda block, *rest: trained.append(block.seeds) or whole(block, *rest))
    folder = tmp_path / "study"
    run_watched(experiment(), folder)
    assert trained == [(0, 1)]
    run_watched(experiment(), folder, resume=True)
    (folder / "records" / "trials-seed1-0.parquet").unlink()
    run_watched(experiment(), folder, resume=True)
    assert len(trained) == 1
    start_file(folder / STARTS, 1).unlink()
    run_watched(experiment(), folder, resume=True)  # every trial is there: nothing needs it
    assert len(trained) == 1
    (folder / "records" / "trials-seed1-0.parquet").unlink()
    run_watched(experiment(), folder, resume=True)
    assert len(trained) == 2 and same_states(states(folder), states(study))
    for name, table in recorded(study).items():
        pd.testing.assert_frame_equal(recorded(folder)[name], table, check_exact=True)


def test_a_start_that_the_machine_does_not_finish_takes_its_groups_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, watching = execution.train_starts, Watching()

    def failing(block, *rest):
        if block.seeds[0] == 4:
            raise MemoryError("none left")
        return whole(block, *rest)

    monkeypatch.setattr(execution, "train_starts", failing)
    both = experiment(seeds=[0, 4])
    outcome = run_study(both, tmp_path / "study", False, None, watching)
    assert (outcome.planned, outcome.done, outcome.failed) == (6, 3, 3)
    assert [(crash.group.name, crash.reason) for crash in watching.crashes] == [("start-4x2", "MemoryError: none left")]
    monkeypatch.setattr(execution, "train_starts", whole)
    assert run_study(both, tmp_path / "study", True, None, watching).done == 6


def test_one_that_diverges_ends_the_run_in_one_line(tmp_path: Path) -> None:
    training = {**TINY["training"], "start_rate": 1e30, "start_steps": 12}
    with pytest.raises(
        StartError, match=r"training.start: the neutral training of seed 0 diverged at step \d+ with start_rate 1e\+30"
    ):
        run_study(experiment(training=training), tmp_path / "study", False, None)


def test_no_time_left_leaves_a_start_and_a_resumed_run_goes_on(study: Path, tmp_path: Path) -> None:
    for resume in (False, True):
        outcome = run_study(experiment(), tmp_path / "study", resume, 0.0)
        assert outcome.stopped and outcome.done == (1 if resume else 0) * 3, "first the block alone, then one group"
    assert run_study(experiment(), tmp_path / "study", True, None).done == 6
    for name, table in recorded(study).items():
        pd.testing.assert_frame_equal(recorded(tmp_path / "study")[name], table, check_exact=True)


def test_a_confirmation_goes_on_from_the_networks_of_its_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed 3 is fresh, and of the block that was trained for seeds 0 to 2; seeds 4 and 5 are of the next. So short a study is
    early, and has nothing to confirm: not here."""
    monkeypatch.setattr("analysis.regime.is_early", lambda judged: False)
    run_watched(experiment(seeds=3), tmp_path / "study")
    assert train_confirmation(tmp_path / "study", 3, asked=True) == 0
    fresh = tmp_path / "study" / "confirmation"
    assert sorted(read_trials(fresh / "records")["seed"].unique()) == [3, 4, 5]
    assert sorted(states(tmp_path / "study")) == [f"seed{seed}.pt" for seed in range(4)]
    assert sorted(states(fresh)) == [f"seed{seed}.pt" for seed in (4, 5)]


def test_networks_of_yours_and_frames_of_a_folder(tmp_path: Path) -> None:
    """Each seed's alone; of a folder, on its own training frames."""
    own = experiment(model="custom_modules:Small")
    run_watched(own, tmp_path / "own")
    assert sorted(states(tmp_path / "own")) == ["seed0.pt", "seed1.pt"]
    rng = np.random.default_rng(0)
    for part in ("rgb", "depth"):
        (tmp_path / "frames" / part).mkdir(parents=True)
    for number in range(10):
        colour, depth = rng.integers(0, 255, (16, 16, 3), np.uint8), rng.integers(500, 3000, (16, 16))
        Image.fromarray(colour).save(tmp_path / "frames" / "rgb" / f"{number}.png")
        Image.fromarray(depth.astype(np.uint16)).save(tmp_path / "frames" / "depth" / f"{number}.png")
    data = {**TINY["data"], "folder": str(tmp_path / "frames"), "depth_scale": 1000}
    folder = experiment(data=data, workers=2)
    run_watched(folder, tmp_path / "folder")
    one, other = states(tmp_path / "folder").values()
    assert not torch.equal(one["state"]["encoder 1.mean"], other["state"]["encoder 1.mean"])
    for study in ("own", "folder"):
        assert sorted(curves(tmp_path / study)["step"].unique()) == [0, 2, 4]


def test_a_search_goes_on_from_them_too(tmp_path: Path) -> None:
    settings = {**TINY, "design": {"optuna": {"trials": 4, "at_once": 2}}, "seeds": 2}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(settings))
    run = ["run", tmp_path / "tiny.yaml", "--out-dir", tmp_path / "study", "--no-report", "--no-tracking"]
    done = nfloss(*run)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("neutral training") == 1 and len(states(tmp_path / "study")) == 2
    assert set(read_trials(tmp_path / "study" / "records")["start"]) == {"neutral"}
    again = nfloss(*run, "--resume", "--set", "design.optuna.trials=5")
    assert again.returncode == 0 and "neutral training" not in again.stderr, again.stderr


def test_the_plan_says_it(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "seeds": 5}))
    done = nfloss("plan", tmp_path / "tiny.yaml")
    assert done.returncode == 0, done.stderr
    assert "start: 6 start networks first, 6 steps of 4 images each, once for all configurations\nabout " in done.stdout
