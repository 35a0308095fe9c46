"""The Optuna dashboard is served on this machine, for a search and for any other study."""

import json
import math
import threading
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from commands import nfloss

pytest.importorskip("optuna_dashboard")

from runner.cli import main, terminal
from runner.search.dashboard import (
    VIEW_JOURNAL,
    fix_combinations,
    make_dashboard,
    newest_study,
    view_note,
    write_dashboard_view,
)
from runner.study import StudyError, read_study

pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

SMALL = """
design: {DESIGN}
seeds: 2
data: {train: 16, probe: 4, validation: 4, height: 16, width: 16}
training: {steps: 8, batch: 2, evaluate_every: 4}
device: cpu
workers: 1
"""


def run(folder: Path, design: str) -> Path:
    (folder / "small.yaml").write_text(SMALL.replace("DESIGN", design))
    done = nfloss("run", folder / "small.yaml", "--out-dir", folder / "study", "--no-report", "--no-tracking")
    assert done.returncode == 0, done.stderr
    return folder / "study"


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    study = run(
        tmp_path_factory.mktemp("plain"), 'one_at_a_time: ["1-1", "4-1"], near_weights: [2, 8], explicit: {two: ["9-1"]}'
    )
    (study / "report" / "figures").mkdir(parents=True)
    (study / "report" / "figures" / "forest.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return study


@contextmanager
def served(study: Path):
    with make_dashboard(study, 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=120) as answer:
        assert answer.status == 200
        return answer.read()


def test_a_search_is_shown(tmp_path):
    study = run(tmp_path, "optuna: {trials: 3}")
    with served(study) as link:
        assert b"html" in get(f"{link}/dashboard")
        assert json.loads(get(f"{link}/api/studies"))["study_summaries"][0]["study_name"] == "small"
        assert len(json.loads(get(f"{link}/api/studies/0?after=0"))["trials"]) == 3
    assert not (study / VIEW_JOURNAL).exists()


def test_any_other_study_is_shown(plain):
    for _ in range(2):  # the second time, the view is written again
        with served(plain) as link:
            shown = json.loads(get(f"{link}/api/studies/0?after=0"))
    cells = {attr["value"].strip('"') for t in shown["trials"] for attr in t["user_attrs"] if attr["key"] == "cell"}
    assert cells == {"baseline", "+1-1", "two", "near weight 2", "near weight 8"}
    assert [artifact["filename"] for artifact in shown["artifacts"]] == ["forest.png"]
    assert "2 seeds" in shown["note"]["body"] or "seeds 0, 1" in shown["note"]["body"]


def test_values_are_logarithms_and_a_design_that_crosses_nothing_has_its_cells_as_the_parameter(plain):
    """Importance of a fix that is in one cell alone would say nothing."""
    settings = read_study(plain)
    view = optuna.load_study(study_name="small", storage=write_dashboard_view(plain, settings))
    assert view.metric_names == ["ln of near RMSE of ln depth", "ln of far RMSE of ln depth"]
    assert [trial.params for trial in view.trials] == [{"cell": trial.user_attrs["cell"]} for trial in view.trials]
    for trial in view.trials:
        logs = [
            sum(math.log(v) for v in trial.user_attrs[f"{name} RMSE of ln depth of each seed"]) / 2 for name in ("near", "far")
        ]
        assert trial.values == pytest.approx(logs, rel=1e-12)


def test_what_a_study_says_is_text_in_the_note(plain):
    """The note is Markdown."""
    settings = read_study(plain)
    hostile = "<img src=x onerror=boo()> [in](javascript:boo()) **x** `y`\n# more"
    settings["experiment"]["data"] |= {"folder": hostile, "train": hostile}
    settings["experiment"]["training"]["steps"] = hostile
    note = view_note(settings, [hostile], 2, 1)
    shown = r"&lt;img src=x onerror=boo\(\)&gt; \[in\]\(javascript:boo\(\)\) \*\*x\*\* \`y\` \# more"
    assert note.count(shown) == 3 and "<" not in note and "\n" not in note


def test_issues_and_numbers_are_the_parameters_where_fixes_vary_together(plain, monkeypatch):
    monkeypatch.setattr("runner.search.dashboard.CROSSED", ("one_at_a_time",))
    view = optuna.load_study(study_name="small", storage=write_dashboard_view(plain, read_study(plain)))
    trials = {trial.user_attrs["cell"]: trial for trial in view.trials}
    assert trials["+1-1"].params["issue 1"] == "1-1" and trials["baseline"].params["issue 1"] == "none"
    assert trials["near weight 8"].params["near_weight"] == 8.0 and trials["baseline"].params["near_weight"] == 5.0
    assert all(len(trial.values) == 2 for trial in trials.values())


def test_the_note_has_the_words_as_text(plain):
    """Whatever a fix of somebody else's study is called, it stays text in the note's Markdown."""
    judged = {"id": "1-1", "key": "k", "verdict": "trade", "name": "<img src=x>|[a](b)", "ratio": {"near": "1.07 [1.03, 1.12]"}}
    (plain / "verdicts.json").write_text(json.dumps({"regime": {"early": False}, "fixes": [judged]}))
    try:
        note = get_note(plain)
    finally:
        (plain / "verdicts.json").unlink()
    assert note.endswith(r"| &lt;img src=x&gt;\|\[a\]\(b\) | trade | 1.07 \[1.03, 1.12\] | - |")
    assert "| name | word | near error | far error |" in note
    assert "| name |" not in get_note(plain)


def get_note(study: Path) -> str:
    with served(study) as link:
        return json.loads(get(f"{link}/api/studies/0?after=0"))["note"]["body"]


def test_combinations_of_the_fixes_of_one_issue():
    assert fix_combinations(["a", "b", "c"]) == ["a+b", "a+c", "b+c", "a+b+c"]


def test_the_newest_study_is_opened(tmp_path, plain):
    with pytest.raises(StudyError, match="no study in"):
        newest_study(tmp_path)
    assert newest_study(plain.parent) == plain


def test_a_port_that_is_taken_is_one_line(plain):
    with served(plain) as link, pytest.raises(StudyError, match="is taken"):
        make_dashboard(plain, int(link.rpartition(":")[2]))


def test_without_optuna_one_line_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(terminal, "find_spec", lambda name: None)
    (tmp_path / "small.yaml").write_text(SMALL.replace("DESIGN", "optuna: {trials: 3}"))
    for arguments in (["dashboard"], ["plan", str(tmp_path / "small.yaml")], ["run", str(tmp_path / "small.yaml")]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr().err
        assert ended.value.code == 2 and "pip install" in said and len(said.splitlines()) == 1, said
