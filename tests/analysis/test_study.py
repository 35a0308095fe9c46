"""Reading a study: whole, broken, incomplete."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from analysis import load, verdicts
from analysis.study import StudyError


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "copy"))


def test_a_study_is_read_whole(small: Path) -> None:
    study = load(small)
    assert study.name == "small"
    assert study.seeds == tuple(range(8))
    assert study.key_of(()) == study.baseline == study.key_of(("4-1",))
    assert study.key_of(("9-2",)) is None  # a clash
    assert study.missing == ()
    assert len(study.trials) == 8 * 8  # eight distinct trainings


@pytest.mark.parametrize("piece", ["study.yaml", "plan.parquet", "issues.json", "audit.json", "symptoms.parquet"])
def test_a_missing_piece_is_named_in_one_line(copy: Path, piece: str) -> None:
    (copy / piece).unlink()
    with pytest.raises(StudyError, match=piece) as error:
        load(copy)
    assert "\n" not in str(error.value)


def test_a_broken_piece_is_named(copy: Path) -> None:
    (copy / "plan.parquet").write_bytes(b"not parquet")
    with pytest.raises(StudyError, match=r"plan\.parquet: not readable"):
        load(copy)
    pd.DataFrame({"cell": ["baseline"]}).to_parquet(copy / "plan.parquet")
    with pytest.raises(StudyError, match=r"lacks the columns design, fixes"):
        load(copy)


@pytest.mark.parametrize("training", [None, {"steps": 300}, {"steps": 300, "epochs": 0}, {"steps": "many", "epochs": 30}])
def test_a_study_must_say_its_steps_and_epochs(copy: Path, training: object) -> None:
    meta = yaml.safe_load((copy / "study.yaml").read_text())
    meta["experiment"]["training"] = training
    (copy / "study.yaml").write_text(yaml.safe_dump(meta))
    with pytest.raises(StudyError, match=r"lacks experiment.training's steps and epochs") as error:
        load(copy)
    assert "\n" not in str(error.value)


def test_no_directory_and_no_records(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no such study"):
        load(tmp_path / "nowhere")
    shutil.rmtree(copy / "records")
    with pytest.raises(StudyError, match="no trial has been recorded"):
        load(copy)


def test_statistics_on_an_incomplete_design_are_refused(copy: Path) -> None:
    (copy / "records" / "trials-001.parquet").unlink()  # its curves stay and must not count
    study = load(copy)
    missing = study.missing
    assert ("full", 7) in missing
    assert len(missing) == 32
    with pytest.raises(StudyError, match=r"32 trials are missing \(.* seed \d.*\); run with --resume") as error:
        verdicts(study)
    assert "\n" not in str(error.value)


def test_a_crash_is_missing_and_a_rerun_replaces_it(copy: Path) -> None:
    path = copy / "records" / "trials-000.parquet"
    trials = pd.read_parquet(path)
    lost = trials.head(1).copy()
    trials.loc[0, "status"] = "crashed"
    trials.to_parquet(path)
    assert load(copy).missing == (("baseline", 0),)
    lost.to_parquet(copy / "records" / "trials-zzz.parquet")
    curves = pd.read_parquet(copy / "records" / "curves-000.parquet")
    curves[(curves["key"] == lost["key"][0]) & (curves["seed"] == 0)].to_parquet(copy / "records" / "curves-zzz.parquet")
    study = load(copy)
    assert study.missing == ()
    assert not study.curves.duplicated(["key", "seed", "step"]).any()


def test_a_trial_cannot_have_both_finished_and_diverged(copy: Path) -> None:
    again = pd.read_parquet(copy / "records" / "trials-000.parquet").head(1).assign(status="diverged")
    again.to_parquet(copy / "records" / "trials-zzz.parquet")
    with pytest.raises(StudyError, match="both as finished and as diverged"):
        load(copy)


def test_a_plan_without_baseline_is_refused(copy: Path) -> None:
    plan = pd.read_parquet(copy / "plan.parquet")
    plan[plan["fixes"] != ""].to_parquet(copy / "plan.parquet")
    with pytest.raises(StudyError, match="baseline"):
        verdicts(copy)


def test_import_is_light_and_never_brings_torch() -> None:
    code = "import sys; import analysis; assert not {'pandas', 'scipy', 'matplotlib', 'numpy'} & set(sys.modules);"
    code += "import analysis.report.build, analysis.study; from analysis import load, verdicts, write_report"
    code += "; assert callable(load) and callable(write_report)"
    code += "; assert callable(verdicts) and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_the_penalty_of_a_diverged_trial_does_not_depend_on_the_other_trials(copy: Path) -> None:
    """It is what the records say, the trivial predictor's error, however bad a finished trial is."""
    part = sorted((copy / "records").glob("trials-*.parquet"))[0]
    table = pd.read_parquet(part)
    finished = table.index[table["status"] == "finished"]
    table.loc[finished[1], "final_far_rmse_log"] = 7.5
    before = load(copy).trials
    table.to_parquet(part, index=False)
    lost = [trials[trials["status"] == "diverged"].reset_index(drop=True) for trials in (before, load(copy).trials)]
    assert len(lost[0]) and lost[0].equals(lost[1])
    assert (lost[1]["final_far_rmse_log"] == lost[1]["trivial_far_rmse_log"]).all()


def test_a_stopped_product_is_its_complete_part(tmp_path: Path) -> None:
    """Configurations that lack a seed are left out, and that is said; without the baseline nothing can be compared."""
    from synthetic import Planted, write_study

    from analysis import verdicts
    from analysis.report.sentences import certainty_sentence

    folder = write_study(tmp_path / "s", {"1-1": Planted(0.1), "2-1": Planted(-0.1), "3-1": Planted(0.0)}, seeds=3, probes=20)
    plan = pd.read_parquet(folder / "plan.parquet")
    plan.assign(design="cartesian").to_parquet(folder / "plan.parquet")
    part = folder / "records" / "trials-001.parquet"
    rows = pd.read_parquet(part)
    rows[:-1].to_parquet(part)
    study = load(folder)
    assert "3-1" not in " ".join(study.plan["fixes"]) and study.part == (
        "a balanced part: 3 of 4 configurations with all their seeds"
    )
    judged = verdicts(study)
    assert "a balanced part" in certainty_sentence(study, judged)
    assert next(fix for fix in judged["fixes"] if fix["id"] == "3-1")["key"] is None
