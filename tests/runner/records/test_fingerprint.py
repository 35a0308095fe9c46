"""After an edit to one fix only the trials that use it are trained again; old records stay on disk and do not count."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from watching import run_watched

import runner.records.fingerprint as fingerprints
from analysis import load
from nfloss import Configuration
from nfloss.issues import i05_discontinuous_boundary as issue_5
from runner.data import Data
from runner.experiment import parse_experiment
from runner.records import read_trials
from runner.records.fingerprint import changed_parts, fingerprint, meaning, pieces
from runner.records.tables import stale, unused_name
from runner.study import plan_experiment, resumption

TINY = {
    "name": "tiny",
    "design": {"one_at_a_time": ["5-1", "2-1"]},
    "seeds": 2,
    "data": {"train": 8, "probe": 4, "validation": 4},
    "training": {"steps": 4, "batch": 4, "evaluate_every": 2},
    "workers": 1,
}


def run(folder: Path, resume: bool) -> list[str]:
    """Trains what is missing and gives the keys of what was trained."""
    outcome, trained = run_watched(parse_experiment(TINY, "t"), folder, resume)
    assert outcome.done == outcome.planned == 6
    return [configuration.key for configuration in trained]


def parts(configuration: Configuration, data: Data | None = None) -> list[str]:
    return [part.split(":")[0] for part in fingerprint(configuration, data or Data()).split()]


def test_a_choice_names_its_slot_and_the_baseline_none() -> None:
    assert parts(Configuration.of()) == ["shared", "scenes"]
    assert parts(Configuration.of("5-1", "2-1")) == ["shared", "scenes", "moments", "weigh"]


def test_comments_and_docstrings_do_not_matter_and_code_does() -> None:
    one, other, third = (
        ast.parse(text) for text in ("def f(x):\n    'a'\n    return x", "def f(x): return x  # b", "def f(x): return -x")
    )
    assert meaning(one) == meaning(other) != meaning(third)


def test_import_lines_count_in_a_users_file_alone() -> None:
    one, other = "from a import f\ndef g(x):\n    return f(x)", "from b import f\ndef g(x):\n    return f(x)"
    assert meaning(ast.parse(one)) == meaning(ast.parse(other))
    assert meaning(ast.parse(one), imports=True) != meaning(ast.parse(other), imports=True)


def test_a_newer_python_has_the_same_meaning():
    """From 3.12 on functions and classes have `type_params`, which is empty but in code that 3.11 cannot read."""

    class FunctionDef(ast.FunctionDef):
        _fields = (*(name for name in ast.FunctionDef._fields if name != "type_params"), "type_params")

    def function(**parts: Any) -> ast.Module:
        given = ast.parse("def f(x=None):\n    return [None, x, ...][1:]").body[0]
        return ast.Module([FunctionDef(**{**dict(ast.iter_fields(given)), **parts})], [])

    assert meaning(function(type_params=[])) == meaning(ast.parse("def f(x=None):\n    return [None, x, ...][1:]"))
    assert meaning(function(type_params=[ast.Name("T")])) != meaning(function())
    assert meaning(ast.parse("return None")) != meaning(ast.parse("return")) != meaning(ast.parse("return []"))


def test_what_a_function_uses_of_its_module_is_part_of_it() -> None:
    """`number_of` calls `helper` and reads LIMIT, both of this module."""
    assert {"number_of", "helper", "LIMIT"} <= set(pieces(number_of))


LIMIT = 3


def helper(x: int) -> int:
    return x + LIMIT


def number_of(x: int) -> int:
    return helper(x)


def test_changed_parts_are_named() -> None:
    assert changed_parts("shared:1 weigh:2", "shared:1 weigh:3 guard:4") == ["guard", "weigh"]


def test_files_of_a_folder_count(tmp_path: Path) -> None:
    def fresh() -> str:
        fingerprints.frames_read.cache_clear()
        return fingerprint(Configuration.of(), data)

    for part in ("rgb", "depth"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "a.png").write_bytes(b"12")
    data = Data(folder=str(tmp_path), depth_scale=1000)
    assert parts(Configuration.of(), data) == ["shared", "frames", "reader"]
    before = fresh()
    (tmp_path / "notes.txt").write_bytes(b"no frame")
    assert fresh() == before
    (tmp_path / "depth" / "a.png").write_bytes(b"123")
    assert changed_parts(before, fresh()) == ["frames"]


def test_only_what_uses_the_edited_fix_is_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The edit is a changed hash of 5-1's word: what an edit of its source gives, without editing the source."""
    folder = tmp_path / "study"
    assert len(run(folder, False)) == 6
    assert run(folder, True) == []
    before = load(folder).trials
    true, edited = fingerprints.code_of, Configuration.of("5-1").choices["weigh"]
    assert edited.function is issue_5.smooth_tanh
    monkeypatch.setattr(fingerprints, "code_of", lambda choice: "edited00" if choice == edited else true(choice))
    plan = plan_experiment(parse_experiment(TINY, "t"))
    assert "2 records are of other code or frames (changed: weigh) and would be trained anew" in resumption(plan, folder)
    key = Configuration.of("5-1").simplified().key
    assert run(folder, True) == [key, key]
    kept = read_trials(folder / "records")
    assert len(kept) == 8 and int(stale(kept, pd.read_parquet(folder / "plan.parquet")).sum()) == 2
    after = load(folder)
    assert len(after.trials) == 6 and not after.curves.duplicated(["key", "seed", "step"]).any()
    assert not after.profiles.duplicated(["key", "seed", "low"]).any()
    same = before.merge(after.trials, on=["key", "seed"])
    assert (same["final_near_rmse_log_x"] == same["final_near_rmse_log_y"])[same["key"] != key].all()
    assert run(folder, True) == []


def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    assert unused_name(tmp_path, "seed0-0") == "seed0-0"
    for name in ("seed0-0", "seed0-0.2"):
        (tmp_path / f"trials-{name}.parquet").touch()
    assert unused_name(tmp_path, "seed0-0") == "seed0-0.3"
