"""The MLflow view equals the records, can be written again, and fails in one line."""

from __future__ import annotations

import json
import math
import shutil
import socket
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tracking_study import CELLS, cell_name, key, write_study

from runner.tracking import TrackingError, serve_mlflow, write_view
from runner.tracking import store as tracking_store
from runner.tracking import view as tracking_view
from runner.tracking.metrics import CURVES, ERRORS, FINALS
from runner.tracking.runs import CHARTS, MOST_POINTS
from runner.tracking.store import prepare_sqlite, tracking_errors

# Warnings of MLflow and its dependencies on import; those of this project still fail.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pydantic"),
]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh store, made once and copied, since making one takes seconds."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    with tracking_errors("the fresh store"):
        prepare_sqlite(file)
    return file


@pytest.fixture
def study(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study beside a store; in its third cell the last seed diverges."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(migrated, tmp_path / "mlflow.db")
    return write_study(tmp_path / "small", diverged="5-2")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Path:
    """The same, written once, for tests that only read it."""
    folder = tmp_path_factory.mktemp("written")
    shutil.copy(migrated, folder / "mlflow.db")
    study = write_study(folder / "small", diverged="5-2")
    write_view(study, f"sqlite:///{folder / 'mlflow.db'}")
    return study


@pytest.fixture(scope="module")
def summarised(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Path:
    """The same with a run for each configuration only, written once, for tests that only read it."""
    folder = tmp_path_factory.mktemp("summarised")
    shutil.copy(migrated, folder / "mlflow.db")
    study = write_study(folder / "small", diverged="5-2", most_trials=0)
    write_view(study, f"sqlite:///{folder / 'mlflow.db'}")
    return study


def runs_of(study: Path) -> tuple[Any, dict[str, Any]]:
    """A client and the experiment's runs by name."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{study.parent / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(study.name)
    found = list(client.search_runs([experiment.experiment_id], max_results=1000))
    runs = {run.info.run_name: run for run in found}
    assert len(runs) == len(found), "a name appears twice"
    return client, runs


def ids_of(study: Path) -> dict[str, str]:
    return {name: run.info.run_id for name, run in runs_of(study)[1].items()}


def records(study: Path, kind: str) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in sorted((study / "records").glob(f"{kind}-*.parquet"))])


def test_configurations_are_parents_and_seeds_their_children(study: Path) -> None:
    said = write_view(study)
    _, runs = runs_of(study)
    names = ["baseline", "+1-1", "+5-2", "full"]
    assert set(runs) == {*names, *(f"{name} seed {seed}" for name in names for seed in (0, 1))}
    for name in names:
        assert "mlflow.parentRunId" not in runs[name].data.tags
        for seed in (0, 1):
            assert runs[f"{name} seed {seed}"].data.tags["mlflow.parentRunId"] == runs[name].info.run_id
    assert "4 configurations" in said and "mlflow.db" in said and f"nfloss mlflow {study}" in said


def test_curves_and_finals_equal_the_records(written: Path) -> None:
    client, runs = runs_of(written)
    curves, trials = records(written, "curves"), records(written, "trials")
    for column in ("probe_near_rmse_log", "loss"):
        mine = curves[(curves["key"] == key("1-1")) & (curves["seed"] == 1)]
        written = client.get_metric_history(runs["+1-1 seed 1"].info.run_id, CURVES[column])
        assert [(m.step, m.value) for m in sorted(written, key=lambda m: m.step)] == list(
            zip(mine["step"], mine[column], strict=True)
        )
    mean = curves[curves["key"] == key("1-1")].groupby("step")["probe_near_rmse_log"].agg(["mean", "std"])
    for statistic, name in (("mean", "probe/1_near_rmse_log"), ("std", "sd_probe/1_near_rmse_log")):
        written = client.get_metric_history(runs["+1-1"].info.run_id, name)
        assert {m.step: m.value for m in written} == pytest.approx(mean[statistic].to_dict())
    finals = trials[trials["key"] == key("1-1")]
    for column in (*(f"final_{name}" for name in ERRORS), "loss_spikes", "val_near_rmse_log"):
        assert runs["+1-1"].data.metrics[FINALS[column]] == pytest.approx(finals[column].mean())


def test_names_make_compare_useful(written: Path) -> None:
    _, runs = runs_of(written)
    full, baseline = runs["full"].data, runs["baseline"].data
    assert sorted(full.params)[:3] == ["1 fixes", "2 number of fixes", "3 cell"]
    assert set(full.params) == set(baseline.params)
    assert sorted(full.metrics)[:5] == [
        *("final/1_near_rmse_log", "final/2_far_rmse_log", "final/3_rmse_log", "final/abs_rel", "final/delta1")
    ]
    assert {m for m in full.metrics if m.startswith("sd_")} == {
        f"sd_{kind}/{name}" for kind in ("final", "probe") for name in ("1_near_rmse_log", "2_far_rmse_log", "3_rmse_log")
    }
    assert full.params["issue 05 Issue 5"] == "5-1 sigmoid" and baseline.params["issue 05 Issue 5"] == "-"
    assert runs["+1-1"].data.tags["same_as"] == "first 1"
    assert runs["+1-1"].data.tags["design"] == "one at a time, cumulative"
    young_first = sorted(runs.values(), key=lambda run: -run.info.start_time)
    assert [run.info.run_name for run in young_first[:4]] == ["baseline", "+1-1", "+5-2", "full"]


def test_divergence_shows_and_infinity_is_not_a_number(written: Path) -> None:
    client, runs = runs_of(written)
    dead, parent = runs["+5-2 seed 1"], runs["+5-2"]
    assert dead.info.status == "FAILED" and parent.info.status == "FINISHED"
    assert dead.data.tags["diverged"] == "at step 120" and parent.data.tags["diverged"] == "1 of 2"
    assert dead.data.tags["not_finite"] == "steadiness/grad_norm_log_sd training/loss"
    for run in (dead, parent):
        values = [m.value for m in client.get_metric_history(run.info.run_id, "training/loss")]
        assert len(values) == 10 and sum(map(math.isnan, values)) == 4 and not any(map(math.isinf, values))
    assert "validation/near_rmse_log" not in parent.data.metrics, "a mean over the finished seeds would be too good"
    assert runs["baseline"].data.tags["not_finite"] == "-"


@pytest.mark.parametrize("most_trials", [500, 0])
def test_writing_again_changes_nothing(study: Path, monkeypatch: pytest.MonkeyPatch, most_trials: int) -> None:
    write_study(study, most_trials=most_trials)
    said = write_view(study)
    before = ids_of(study)
    monkeypatch.setattr(tracking_view, "create_run", None)
    assert write_view(study) == said
    assert ids_of(study) == before


def test_an_interrupted_view_is_completed(study: Path) -> None:
    write_view(study)
    client, runs = runs_of(study)
    client.delete_tag(runs["full"].info.run_id, "content")
    client.delete_run(runs["full seed 1"].info.run_id)
    write_view(study)
    _, again = runs_of(study)
    assert set(again) == set(runs) and again["full"].info.run_id != runs["full"].info.run_id
    assert again["baseline"].info.run_id == runs["baseline"].info.run_id


def test_a_run_that_has_not_ended_is_written_again(study: Path) -> None:
    write_view(study)
    client, runs = runs_of(study)
    client.update_run(runs["full"].info.run_id, status="RUNNING")
    write_view(study)
    _, again = runs_of(study)
    assert set(again) == set(runs) and again["full"].info.run_id != runs["full"].info.run_id
    assert again["full seed 0"].data.tags["mlflow.parentRunId"] == again["full"].info.run_id


def test_a_resumed_study_brings_its_new_seed(study: Path) -> None:
    write_view(study)
    write_study(study, seeds=(0, 1, 2))
    write_view(study)
    _, runs = runs_of(study)
    assert len(runs) == 4 * (1 + 3)
    assert runs["full"].data.tags["seeds"] == "0 1 2"
    assert runs["full seed 2"].data.tags["mlflow.parentRunId"] == runs["full"].info.run_id


RATIO = {"near": "0.94 [0.91, 0.97]", "far": "1.00 [0.98, 1.02]"}


def write_verdicts(study: Path, early: bool = False) -> None:
    """One fix to adopt, one that was not trained."""
    fixes: list[dict[str, object]] = [
        {"id": "1-1", "name": "fixed-mean", "key": key("1-1"), "verdict": "adopt", "ratio": RATIO},
        {"id": "10-1", "name": "global-mean", "key": key("1-1"), "verdict": "adopt", "ratio": RATIO},
        {"id": "9-1", "name": "speed", "key": None, "verdict": "open"},
    ]
    (study / "verdicts.json").write_text(json.dumps({"regime": {"early": early}, "fixes": fixes}))


def test_verdicts_and_report_join_without_rewriting(study: Path) -> None:
    write_view(study)
    before = runs_of(study)[1]["+1-1"].info.run_id
    write_verdicts(study)
    (study / "report" / "figures").mkdir(parents=True)
    (study / "report" / "figures" / "forest.png").write_bytes(b"png")
    (study.parent / "mine.txt").write_text("not the study's")
    (study / "report" / "figures" / "linked.png").symlink_to(study.parent / "mine.txt")
    (study / "report" / "report.html").write_text("<p>report</p>")
    write_view(study)
    client, runs = runs_of(study)
    assert runs["+1-1"].info.run_id == before
    assert runs["+1-1"].data.tags["word"] == "adopt" == runs["+1-1 seed 0"].data.tags["word"]
    assert [runs["+1-1"].data.tags[tag] for tag in ("near error", "far error")] == list(RATIO.values())
    assert runs["+1-1"].data.tags["name"] == "fixed-mean; global-mean"
    files = {file.path for file in client.list_artifacts(runs["baseline"].info.run_id)}
    assert files == {"configuration.json", "figures", "report.html", "study.yaml", "verdicts.json", "words.json"}
    table = {
        "columns": ["name", "word", "near error", "far error"],
        "data": [["fixed-mean; global-mean", "adopt", *RATIO.values()]],
    }
    assert (
        json.loads((study.parent / client.download_artifacts(runs["baseline"].info.run_id, "words.json")).read_text()) == table
    )
    figures = client.list_artifacts(runs["baseline"].info.run_id, "figures")
    assert [file.path for file in figures] == ["figures/forest.png"]
    assert (study.parent / "mlartifacts" / "small").is_dir()


def test_above_the_limit_a_configuration_has_one_run(study: Path) -> None:
    trials = len(CELLS) * 2
    write_study(study, most_trials=trials)
    assert "one run per configuration" not in write_view(study)
    both = set(ids_of(study).values())
    write_study(study, most_trials=trials - 1)
    why = "one run per configuration (8 trials are more than most_trials=7; their curves are artifacts)"
    assert f"4 configurations in sqlite:///{study.parent / 'mlflow.db'}; {why}; see" in write_view(study)
    alone = ids_of(study)
    assert set(alone) == {"baseline", "+1-1", "+5-2", "full"} and not both & set(alone.values())
    client, runs = runs_of(study)
    assert "curves.csv" in client.get_experiment(runs["full"].info.experiment_id).tags["mlflow.note.content"]
    write_study(study, most_trials=trials)
    write_view(study)
    again = ids_of(study)
    assert len(again) == len(CELLS) * 3 and not set(alone.values()) & set(again.values())
    assert runs_of(study)[1]["full seed 1"].data.tags["mlflow.parentRunId"] == again["full"]


def test_its_files_equal_the_records_of_its_seeds(summarised: Path) -> None:
    client, runs = runs_of(summarised)
    for fixes in CELLS:
        run = runs[cell_name(fixes)].info.run_id
        assert {file.path for file in client.list_artifacts(run)} >= {"configuration.json", "curves.csv", "trials.csv"}
        for kind, by in (("curves", ["seed", "step"]), ("trials", ["seed"])):
            all_rows = records(summarised, kind)
            mine = all_rows[all_rows["key"] == key(fixes)].sort_values(by).reset_index(drop=True)
            written = pd.read_csv(client.download_artifacts(run, f"{kind}.csv"))
            pd.testing.assert_frame_equal(written, mine, check_exact=True, check_dtype=False)


def test_its_run_has_the_means_and_a_few_points(summarised: Path, written: Path) -> None:
    client, alone = runs_of(summarised)
    whole_client, whole = runs_of(written)
    for name in ("baseline", "+1-1", "+5-2", "full"):
        mine, parent = alone[name].data, whole[name].data
        assert mine.params == parent.params
        assert {**mine.tags, "content": ""} == {**parent.tags, "content": ""}
        assert alone[name].info.start_time == whole[name].info.start_time
        ends = {metric for metric in parent.metrics if not metric.startswith(("probe/", "training/", "sd_probe/"))}
        assert "sd_final/1_near_rmse_log" in ends
        assert mine.metrics == pytest.approx(
            {metric: parent.metrics[metric] for metric in ends.union(CHARTS)}, rel=0, nan_ok=True
        )
    points, all_points = (
        {m.step: m.value for m in c.get_metric_history(runs["full"].info.run_id, "probe/1_near_rmse_log")}
        for c, runs in ((client, alone), (whole_client, whole))
    )
    assert len(points) == MOST_POINTS < len(all_points)
    assert {min(all_points), max(all_points)} <= set(points) and points.items() <= all_points.items()


def test_a_changed_seed_writes_its_configuration_again(study: Path) -> None:
    write_study(study, most_trials=0)
    write_view(study)
    before = ids_of(study)
    file = study / "records" / "curves-seed1-0.parquet"
    curves = pd.read_parquet(file)
    curves.loc[(curves["key"] == key("1-1")) & (curves["step"] == 40), "ssi"] += 1.0  # neither charted nor a final value
    curves.to_parquet(file)
    write_view(study)
    after = ids_of(study)
    assert {name for name in before if before[name] != after[name]} == {"+1-1"}


def test_a_verdict_joins_a_configuration_without_seeds(study: Path) -> None:
    write_study(study, most_trials=0)
    write_view(study)
    before = ids_of(study)
    write_verdicts(study)
    write_view(study)
    assert ids_of(study) == before and runs_of(study)[1]["+1-1"].data.tags["word"] == "adopt"


def test_verdicts_of_an_early_study_say_so(study: Path) -> None:
    write_verdicts(study, early=True)
    write_view(study)
    runs = runs_of(study)[1]
    assert runs["+1-1"].data.tags["word"] == "early: adopt" == runs["+1-1 seed 1"].data.tags["word"]
    assert runs["+5-2"].data.tags["word"] == "-"


@pytest.mark.parametrize("most_trials", [500, 0])
def test_a_study_without_a_trial_is_an_empty_view(study: Path, most_trials: int) -> None:
    write_study(study, most_trials=most_trials)
    shutil.rmtree(study / "records")
    assert write_view(study).startswith("0 configurations") and not runs_of(study)[1]


def test_runs_of_others_are_left_alone(study: Path) -> None:
    write_view(study)
    client, runs = runs_of(study)
    client.create_run(runs["full"].info.experiment_id, run_name="somebody's own")
    write_study(study, seeds=(0, 1, 2))
    write_view(study)
    assert "somebody's own" in runs_of(study)[1]


def test_a_deleted_view_is_written_again(study: Path) -> None:
    write_view(study)
    client, runs = runs_of(study)
    client.delete_experiment(runs["full"].info.experiment_id)
    write_view(study)
    assert set(runs_of(study)[1]) == set(runs)


def test_many_points_go_in_several_requests(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.tracking.view.MOST_METRICS", 7)
    write_view(study)
    client, runs = runs_of(study)
    assert len(client.get_metric_history(runs["full"].info.run_id, "training/loss")) == 10


def test_nothing_is_printed_but_what_is_returned(study: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (study.parent / "mlflow.db").unlink()
    write_view(study)
    assert capfd.readouterr() == ("", "")


def test_an_unreachable_server_is_one_line_and_quick(study: Path) -> None:
    start = time.monotonic()
    with pytest.raises(TrackingError) as error:
        write_view(study, "http://127.0.0.1:9")
    assert time.monotonic() - start < 30
    assert "http://127.0.0.1:9" in str(error.value) and "\n" not in str(error.value)


def test_a_server_that_never_answers_is_one_line_and_quick(study: Path) -> None:
    """It accepts the connection and does not answer, as an overloaded server does."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri, start = f"http://127.0.0.1:{silent.getsockname()[1]}", time.monotonic()
        with pytest.raises(TrackingError) as error:
            write_view(study, uri)
    assert time.monotonic() - start < 60
    assert uri in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("uri", ["file:///tmp/nowhere", "nonsense://here", "sqlite:////proc/nfloss/mlflow.db"])
def test_a_store_that_cannot_be_is_one_line(study: Path, uri: str) -> None:
    with pytest.raises(TrackingError) as error:
        write_view(study, uri)
    assert uri in str(error.value) and "\n" not in str(error.value)


def test_a_locked_store_is_one_line(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_store, "LOCK_SECONDS", 0.1)
    other = sqlite3.connect(study.parent / "mlflow.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(TrackingError, match="locked"):
            write_view(study)
    finally:
        other.close()


def test_without_mlflow_it_says_how_to_get_it(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "mlflow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(TrackingError, match="pip install mlflow"):
        write_view(study)


def test_a_taken_port_is_one_line(study: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(TrackingError, match=f"port {port} on 127.0.0.1 is taken"):
            serve_mlflow(study, port)


def test_serving_before_anything_is_written_says_what_to_do(study: Path) -> None:
    (study.parent / "mlflow.db").unlink()
    with pytest.raises(TrackingError, match="nfloss sync"):
        serve_mlflow(study, 5999)


def test_two_folders_of_one_name_keep_apart(study: Path) -> None:
    from mlflow import MlflowClient

    write_view(study)
    other = study.with_name("another")
    shutil.copytree(study, other)
    write_view(other)
    client = MlflowClient(tracking_uri=f"sqlite:///{study.parent / 'mlflow.db'}")
    assert client.get_experiment_by_name("small") and client.get_experiment_by_name("small (another)")
    assert cell_name("") in runs_of(study)[1]
