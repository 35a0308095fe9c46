"""What a resumed run renews of a study's description, and what it says of records from another machine or other versions."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from watching import Watching

from runner.experiment import parse_experiment
from runner.records.tables import checksums, read_trials
from runner.study import run_study

TINY = {
    "name": "tiny",
    "design": {"one_at_a_time": ["5-1"]},
    "seeds": 2,
    "data": {"train": 8, "probe": 4, "validation": 4, "height": 16, "width": 16},
    "training": {"steps": 4, "batch": 4, "evaluate_every": 2},
    "workers": 1,
    "device": "cpu",
}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("runner.study.description.audit", list)  # the document's numbers take longer than all else here
    run_study(parse_experiment(TINY, "t"), tmp_path / "study", False, None)
    return tmp_path / "study"


def resumed(study: Path) -> Watching:
    watching = Watching()
    outcome = run_study(parse_experiment(TINY, "t"), study, True, None, watching)
    assert outcome.done == outcome.planned == 4 and not watching.trained
    return watching


def test_audit_and_symptoms_are_renewed_where_their_code_has_changed(study: Path) -> None:
    symptoms = (study / "symptoms.parquet").read_bytes()
    (study / "audit.json").write_text('["kept"]')
    (study / "symptoms.parquet").write_bytes(b"kept")
    resumed(study)
    assert json.loads((study / "audit.json").read_text()) == ["kept"]
    assert (study / "symptoms.parquet").read_bytes() == b"kept"
    content = yaml.safe_load((study / "study.yaml").read_text())
    assert set(content["code"]) == {"audit", "symptoms"}
    content["code"] = dict.fromkeys(content["code"], "another")
    (study / "study.yaml").write_text(yaml.safe_dump(content))
    resumed(study)
    assert json.loads((study / "audit.json").read_text()) == []
    assert (study / "symptoms.parquet").read_bytes() == symptoms


def test_each_trial_says_with_what_it_was_computed(study: Path) -> None:
    trials = read_trials(study / "records")
    assert set(trials["torch"]) == {torch.__version__} and trials["machine_code"].dtype == bool
    assert trials[["python", "numpy", "processor"]].notna().all(axis=None)


def test_a_resume_elsewhere_says_so(study: Path) -> None:
    assert resumed(study).notes == []
    path = study / "records" / "trials-seed0-0.parquet"
    pd.read_parquet(path).assign(torch="2.11.0").to_parquet(path)
    files = {f.name: f.read_bytes() for f in sorted((study / "records").glob("*-seed0-0.parquet"))}
    order = [f"{kind}-seed0-0.parquet" for kind in ("samples", "profiles", "curves", "trials")]
    (study / "records" / "seed0-0.sha256").write_bytes(checksums({name: files[name] for name in order}))
    assert sha256(path.read_bytes()).hexdigest() in (study / "records" / "seed0-0.sha256").read_text()
    (said,) = resumed(study).notes
    assert f"trained before with torch 2.11.0 (now {torch.__version__})" in said and "the report says so" in said
