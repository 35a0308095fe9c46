"""The Weights & Biases view equals the records: its offline files are read back record by record, as `wandb sync` does."""

from __future__ import annotations

import builtins
import json
import struct
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tracking_study import CELLS, cell_name, key, write_study

from runner.cli import main
from runner.tracking import TrackingError, write_wandb_view
from runner.tracking.metrics import CURVES, DECIDING_ERRORS, SEED_CURVES

installed = pytest.mark.skipif(find_spec("wandb") is None, reason="pip install 'nfloss[wandb]'")
BLOCK, HEADER = 32768, 7


def records(file: Path) -> Iterator[Any]:
    """The protobuf records of a .wandb file: a LevelDB log of blocks of 32 KB after seven bytes; a record may be in parts, each
    with CRC (4 bytes), length (2) and type (1: whole, 2: first, 3: middle, 4: last)."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, at, whole = file.read_bytes(), HEADER, b""
    assert content[:4] == b":W&B"
    while at < len(content):
        if BLOCK - at % BLOCK < HEADER:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + HEADER])
        whole += content[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


class Offline:
    """An offline run: name, group, kind, project, configuration, history by step, summary, files."""

    def __init__(self, folder: Path) -> None:
        self.config, self.history, self.summary = dict[str, Any](), dict[int, dict[str, float]](), dict[str, Any]()
        self.files: list[str] = []
        (file,) = folder.glob("*.wandb")
        for record in records(file):
            if record.WhichOneof("record_type") == "run":
                run = record.run
                self.id, self.name, self.group, self.kind = run.run_id, run.display_name, run.run_group, run.job_type
                self.project = run.project
                self.config |= {(one.key or one.nested_key[0]): json.loads(one.value_json) for one in run.config.update}
            elif record.WhichOneof("record_type") == "history":
                row = {(one.key or one.nested_key[0]): json.loads(one.value_json) for one in record.history.item}
                self.history[record.history.step.num] = {k: v for k, v in row.items() if not k.startswith("_")}
            elif record.WhichOneof("record_type") == "summary":
                self.summary |= {(one.key or one.nested_key[0]): json.loads(one.value_json) for one in record.summary.update}
            elif record.WhichOneof("record_type") == "files":
                self.files += [one.path for one in record.files.files]


def offline(study: Path) -> dict[str, Offline]:
    return {run.name: run for run in map(Offline, (study / "wandb").glob("offline-run-*"))}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In its third cell the last seed diverges; it has the words of a report."""
    study = write_study(tmp_path_factory.mktemp("wandb") / "small", diverged="5-2")
    fix = {
        "id": "5-2",
        "name": "linear-ramp",
        "key": key("5-2"),
        "verdict": "trade",
        "ratio": {"near": "×0.94", "far": "×1.21"},
    }
    (study / "verdicts.json").write_text(json.dumps({"regime": {"early": False}, "fixes": [fix]}))
    return study


@installed
def test_runs_curves_seeds_and_words_are_those_of_the_records(study):
    """Means and single values by pandas, from the parquet files."""
    said = write_wandb_view(study)
    assert said.startswith(f"4 configurations in {study / 'wandb'}; send them with: wandb sync ")
    runs = offline(study)
    names = [cell_name(fixes) for fixes in CELLS]
    assert set(runs) == {*names, *(f"{name} seed {seed}" for name in names for seed in (0, 1))}
    curves = pd.concat(map(pd.read_parquet, (study / "records").glob("curves-*.parquet")))
    trials = pd.concat(map(pd.read_parquet, (study / "records").glob("trials-*.parquet")))
    for fixes, name in zip(CELLS, names, strict=True):
        run, own = runs[name], curves[curves["key"] == key(fixes)]
        assert (run.project, run.group, run.kind) == ("small", name, "configuration")
        assert (run.config["1 fixes"], run.config["key"]) == (fixes or "-", key(fixes))
        means = own.groupby("step").mean(numeric_only=True)
        assert list(run.history) == list(means.index)
        for column in ("probe_near_rmse_log", "probe_far_abs_rel", "ssi"):
            found = [row[CURVES[column]] for row in run.history.values()]
            assert found == pytest.approx(means[column].tolist(), rel=1e-12)
        final = trials.loc[trials["key"] == key(fixes), "final_near_rmse_log"].mean()
        assert run.summary[f"final/{DECIDING_ERRORS['near_rmse_log']}"] == pytest.approx(final, rel=1e-12)
        for seed in (0, 1):
            child, one = runs[f"{name} seed {seed}"], own[own["seed"] == seed]
            assert (child.group, child.kind, child.config["seed"]) == (name, "seed", str(seed))
            near = [row[SEED_CURVES["probe_near_rmse_log"]] for row in child.history.values()]
            assert near == pytest.approx(one["probe_near_rmse_log"].tolist(), rel=1e-12)
    words = runs["+5-2"].summary
    assert [words[column] for column in ("word", "near error", "far error")] == ["trade", "×0.94", "×1.21"]
    assert runs["+1-1"].summary["word"] == "-" and runs["+5-2 seed 1"].config["status"] == "diverged"


@installed
def test_written_again_it_replaces_itself_under_the_same_ids(study):
    write_wandb_view(study)
    before = {name: run.id for name, run in offline(study).items()}
    write_wandb_view(study)
    assert {name: run.id for name, run in offline(study).items()} == before
    assert not list(study.glob(".wandb-*"))


@installed
def test_of_many_trials_each_configuration_has_its_seeds_as_files(tmp_path):
    study = write_study(tmp_path / "many", cells=("", "1-1"), most_trials=3)
    assert "one run per configuration" in write_wandb_view(study)
    runs = offline(study)
    assert set(runs) == {"baseline", "+1-1"} and {"curves.csv", "trials.csv"} <= set(runs["baseline"].files)


@installed
def test_a_link_is_not_written_through(tmp_path):
    study, other = write_study(tmp_path / "linked", cells=("", "1-1")), tmp_path / "other"
    other.mkdir()
    (study / "wandb").symlink_to(other)
    with pytest.raises(TrackingError, match="a link; a folder of the study's own"):
        write_wandb_view(study)
    assert not list(other.iterdir())


def test_where_it_is_not_installed_a_line_says_so(tmp_path, monkeypatch, capsys):
    imported = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "wandb":
            raise ModuleNotFoundError("No module named 'wandb'", name="wandb")
        return imported(name, *more)

    study = write_study(tmp_path / "plain", cells=("", "1-1"))
    monkeypatch.setattr(builtins, "__import__", without)
    for line, says in (
        (["--to", "wandb"], "nfloss: wandb is not installed: pip install 'nfloss[wandb]'\n"),
        (["--to", "wandb", "--uri", "x"], "nfloss: --uri is of MLflow; what --to wandb writes lies in the study's folder\n"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["sync", str(study), *line])
        assert ended.value.code == 2 and capsys.readouterr().err == says
    assert not (study / "wandb").exists() and not list(study.glob(".wandb-*"))
