"""A study of a user's network: from the experiment's line to records and checkpoints, in workers, resumed, edited."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from watching import run_watched

import runner.records.fingerprint as fingerprints
from nfloss import Configuration
from runner.data import Data, make_seed_data
from runner.experiment import ExperimentError, load_experiment
from runner.networks import NetworkError, StackedNetworks
from runner.records import CheckpointError, load_network, read_checkpoint, read_trials
from runner.records.fingerprint import changed_parts, fingerprint
from runner.study import StudyError
from runner.training import rulers
from runner.training.checkpoints import CheckpointTracker

TINY = """
design: {one_at_a_time: ["6-1", "2-1"]}
seeds: 2
data: {train: 16, probe: 6, validation: 6, height: 16, width: 32}
training: {steps: 12, batch: 4, evaluate_every: 3, learning_rate: 3e-2, checkpoints: best_and_last}
device: cpu
workers: 1
"""
NET = """
import torch
from parts import start

class Net(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(3, width, 3, 2, 1, bias=False), torch.nn.BatchNorm2d(width), torch.nn.ReLU(),
            torch.nn.Conv2d(width, 1, 1),
        )

    def forward(self, images):
        return start + torch.nn.functional.softplus(self.body(images))
"""


@pytest.fixture(autouse=True)
def no_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The document's numbers are recomputed at the beginning of a study; here they would take longer than all else."""
    monkeypatch.setattr("runner.study.description.audit", list)


def experiment(folder: Path, text: str = TINY, overrides: tuple[str, ...] = ()):
    (folder / "tiny.yaml").write_text(text)
    return load_experiment(folder / "tiny.yaml", overrides)


@pytest.fixture
def own(tmp_path: Path) -> str:
    """The tiny experiment with a network of its own beside it."""
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "parts.py").write_text("start = 0.05\n")
    return TINY + "model: {network: 'net.py:Net', arguments: {width: 3}}\n"


def run(settings, study: Path, resume: bool = False) -> int:
    """Trials that were trained."""
    return len(run_watched(settings, study, resume)[1])


def agree(settings, study: Path) -> None:
    """Every trial's files, read back, predict what its records measured."""
    trials = read_trials(study / "records")
    curves = pd.concat([pd.read_parquet(path) for path in (study / "records").glob("curves-*.parquet")])
    assert len(trials) == 6
    for trial in trials.itertuples():
        data = make_seed_data(settings.data, trial.seed)
        probes = curves[(curves["key"] == trial.key) & (curves["seed"] == trial.seed)]["probe_near_rmse_log"].to_numpy()
        last, best = (study / "checkpoints" / f"{trial.key}-{trial.seed}-{which}.pt" for which in ("last", "best"))
        depth = 1.0 / load_network(last)(data.validation.rgb)
        measured = rulers(depth[None], data.validation.depth)
        for name in ("near_rmse_log", "far_rmse_log", "near_abs_rel", "far_median_rel", "near_mean_log", "far_silog"):
            assert float(measured[name]) == pytest.approx(getattr(trial, f"final_{name}"), rel=1e-5)
        depth = 1.0 / load_network(best)(data.probe.rgb)
        assert float(rulers(depth[None], data.probe.depth)["near_rmse_log"]) == pytest.approx(probes.min(), rel=1e-5)
        facts = read_checkpoint(best)
        assert facts["step"] == 3 * (int(np.argmin(probes)) + 1) and facts["probe_error"] == pytest.approx(probes.min())
        assert Configuration.of(*facts["fixes"], **facts["numbers"]).simplified().key == trial.key


def test_checkpoints_of_the_house_s_network(tmp_path):
    settings = experiment(tmp_path)
    assert run(settings, tmp_path / "study") == 6
    agree(settings, tmp_path / "study")


def test_checkpoints_of_a_user_s_network_in_workers_and_resumed(tmp_path, own):
    settings, study = experiment(tmp_path, own, ("workers=2",)), tmp_path / "study"
    assert run(settings, study) == 6
    agree(settings, study)
    assert len(list((study / "checkpoints").iterdir())) == 12  # whole files alone, nothing half-written beside them
    before = read_trials(study / "records").drop(columns="seconds")
    (study / "records" / "trials-seed1-0.parquet").unlink()
    assert run(settings, study, resume=True) == 3
    again = read_trials(study / "records").drop(columns="seconds")
    pd.testing.assert_frame_equal(before, again[before.columns], check_exact=True)


def test_only_the_last_is_kept_where_that_is_asked(tmp_path):
    settings = experiment(tmp_path, TINY, ("training.checkpoints=last", "seeds=1", "training.steps=3"))
    run(settings, tmp_path / "study")
    files = [path.name for path in (tmp_path / "study" / "checkpoints").iterdir()]
    assert len(files) == 3 and all(name.endswith("-0-last.pt") for name in files)


def test_the_best_is_the_first_of_equals_and_never_a_diverged_one():
    tracker = CheckpointTracker(StackedNetworks(3, 0), "best_and_last", 3)
    nothing, third = torch.zeros(3, dtype=torch.bool), torch.tensor([False, False, True])
    seen = [(10, [0.5, np.nan, 0.5], nothing), (20, [0.4, np.nan, 0.1], third), (30, [0.4, np.nan, 0.1], third)]
    for step, near, diverged in seen:
        probe = {"step": np.array(step), "probe_near_rmse_log": np.array(near), "probe_all_rmse_log": np.array([1.0, 0.9, 1.0])}
        tracker.update(probe, diverged)
    kept = tracker.checkpoints()
    assert [(k["best"].step, k["best"].probe_error) for k in kept] == [(20, 0.4), (10, 0.9), (10, 0.5)]
    assert [k["last"].step for k in kept] == [30, 30, 30]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_what_is_no_checkpoint_is_one_line(tmp_path, content):
    path = tmp_path / "x.pt"
    if content is None:
        torch.save({"weights": torch.zeros(1)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x.pt: not a checkpoint of a trial$"):
        load_network(path)
    with pytest.raises(CheckpointError, match=r"nowhere.pt: cannot be read"):
        load_network(tmp_path / "nowhere.pt")


def test_a_checkpoint_of_another_network_is_one_line(tmp_path, own):
    settings = experiment(tmp_path, own, ("seeds=1", "training.steps=3", "design.one_at_a_time=['2-1']"))
    run(settings, tmp_path / "study")
    (tmp_path / "net.py").write_text(NET.replace("Conv2d(width, 1, 1)", "Conv2d(width, 1, 3, 1, 1)"))
    path = next((tmp_path / "study" / "checkpoints").glob("*-last.pt"))
    with pytest.raises(CheckpointError, match=r"does not fit the network: [^\n]*size mismatch"):
        load_network(path)


def test_the_user_s_code_is_part_of_the_fingerprint(tmp_path, own):
    reference, baseline = f"{tmp_path}/net.py:Net", Configuration.of()

    def now() -> str:
        fingerprints.code_of_network.cache_clear()
        return fingerprint(baseline, Data(), reference)

    first = now()
    assert [part.split(":")[0] for part in first.split()] == ["shared", "scenes", "network"]
    assert fingerprint(baseline, Data()) == " ".join(first.split()[:2])
    (tmp_path / "net.py").write_text(NET + "\n# a comment\n")
    assert now() == first
    (tmp_path / "parts.py").write_text("start = 0.06\n")
    second = now()
    assert changed_parts(first, second) == ["network"]
    (tmp_path / "net.py").write_text(NET.replace("softplus", "elu"))
    assert changed_parts(second, now()) == ["network"]


def test_an_edit_trains_again(tmp_path, own):
    study, overrides = tmp_path / "study", ("seeds=1", "training.steps=3")
    assert run(experiment(tmp_path, own, overrides), study) == 3
    assert run(experiment(tmp_path, own, overrides), study, resume=True) == 0
    (tmp_path / "net.py").write_text(NET.replace("start +", "start + 0.01 +"))
    fingerprints.code_of_network.cache_clear()
    assert run(experiment(tmp_path, own, overrides), study, resume=True) == 3


def test_gradients_of_more_batches_are_another_training(tmp_path):
    text = TINY.replace(", checkpoints: best_and_last", "")
    overrides, study = ("seeds=1", "training.steps=3"), tmp_path / "study"
    run(experiment(tmp_path, text, overrides), study)
    with pytest.raises(StudyError, match="another training"):
        run(experiment(tmp_path, text, (*overrides, "training.accumulate=2")), study, resume=True)


def test_a_network_that_breaks_the_contract_writes_nothing(tmp_path, own):
    (tmp_path / "net.py").write_text(NET.replace("start +", "-"))
    with pytest.raises(NetworkError, match=r"net.py:Net: forward of images \[4, 3, 16, 32\] gives values from [^\n]*$"):
        run(experiment(tmp_path, own), tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_file_is_looked_for_beside_the_experiment_and_given_to_set_from_here(tmp_path, monkeypatch, own):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.yaml").write_text("design: {one_at_a_time: all}\nmodel: ../net.py:Net\n")
    monkeypatch.chdir(tmp_path)
    assert load_experiment(Path("deep/x.yaml")).model.network == "net.py:Net"
    assert load_experiment(Path("deep/x.yaml"), ["model.network=other.py:Net"]).model.network == "other.py:Net"
    assert load_experiment(Path("deep/x.yaml"), ["model=torch.nn:Identity"]).model.network == "torch.nn:Identity"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("net.py", ["model.network", "package.module:Class or path/to/file.py:Class"]),
        ("{network: 'net:'}", ["package.module:Class"]),
        ("{arguments: {width: 3}}", ["arguments and output belong to a network"]),
        ("{network: 'net.py:Net', output: depth}", ["model.output", "'inverse_depth' or 'disparity'"]),
        ("{netwrok: 'net.py:Net'}", ["did you mean 'network'"]),
        ("3", ["model"]),
        ("'net.py:Net'\ntraining: {cuda_graphs: true}", ["cuda_graphs", "must be false"]),
    ],
)
def test_a_bad_model_is_one_line(tmp_path, model, said):
    with pytest.raises(ExperimentError) as error:
        experiment(tmp_path, f"design: {{one_at_a_time: all}}\nmodel: {model}\n")
    message = str(error.value)
    assert "\n" not in message
    for part in said:
        assert part in message
