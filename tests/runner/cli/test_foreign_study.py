"""A study's folder is data, whoever made it: reading it runs nothing of it, writes nowhere else and asks nobody; and input that
is out of all bounds is one line."""

from __future__ import annotations

import os
import shutil
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from commands import nfloss
from pyarrow import parquet

from nfloss.yaml_block import DEEPEST, MOST_CHARACTERS, load_yaml
from runner.tracking.server import store_uri
from runner.training.kernels.compiled import private

SMALL = """
design: {one_at_a_time: ["1-1", "5-2"]}
seeds: 2
data: {train: 16, probe: 4, validation: 4, height: 16, width: 16}
training: {steps: 8, batch: 2, evaluate_every: 2}
device: cpu
workers: 1
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "small.yaml").write_text(SMALL)
    done = nfloss("run", folder / "small.yaml", "--out-dir", folder / "small", "--no-tracking")
    assert done.returncode == 0, done.stderr
    return folder / "small"


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "small")
    return tmp_path / "small"


def change(study: Path, **settings: object) -> None:
    """Change the experiment in a study's description; `name` is the study's own."""
    content = yaml.safe_load((study / "study.yaml").read_text())
    content["name"] = settings.pop("name", content["name"])
    content["experiment"] |= settings
    (study / "study.yaml").write_text(yaml.safe_dump(content))


def one_line(done, *parts: str) -> None:  # type: ignore[no-untyped-def]
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("nfloss: ") and all(part in done.stderr for part in parts), done.stderr


@pytest.fixture
def planted(study: Path, tmp_path: Path) -> Path:
    """The study names an extension and a network that would leave a file behind; gives that file."""
    ran = tmp_path / "ran"
    for name in ("evil_fix.py", "evil_net.py"):
        (tmp_path / name).write_text(f"open({str(ran)!r}, 'w').close()")
    change(study, extensions=[str(tmp_path / "evil_fix.py")], model={"network": f"{tmp_path / 'evil_net.py'}:Net"})
    return ran


@pytest.mark.parametrize(
    "command",
    [
        ["report"],
        ["status"],
        ["power"],
        ["export", "--fixes", "1-1"],
        ["sync"],
        ["report", "--compare", "SAME"],
    ],
    ids=lambda command: " ".join(command),
)
def test_reading_a_study_runs_nothing_of_it(study: Path, planted: Path, command: list[str], tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "other")
    rest = [str(tmp_path / "other") if word == "SAME" else word for word in command[1:]]
    done = nfloss(command[0], study, *rest)
    assert done.returncode == 0, done.stderr
    assert not planted.exists()


def test_confirming_needs_trust_and_says_whose_code_it_is(study: Path, planted: Path) -> None:
    one_line(nfloss("confirm", study), "would run code that the study names", "evil_fix.py", "evil_net.py:Net", "--trust-code")
    assert not planted.exists()


def test_own_fixes_of_a_study_are_exported_where_they_are_trusted(study: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    shutil.copy(Path(__file__).parents[3] / "examples" / "own_fix.py", own)
    issues = study / "issues.json"
    text = issues.read_text().replace('"id": "5-2"', '"id": "5-3"', 1)
    at = text.index('"extension": null', text.index('"id": "5-3"'))
    issues.write_text(text[:at] + f'"extension": "{own}"' + text[at + len('"extension": null') :])
    one_line(nfloss("export", study, "--fixes", "5-3"), str(own), "--trust-code")
    done = nfloss("export", study, "--fixes", "5-3", "--trust-code")
    assert done.returncode == 0 and f"running the code of {own}" in done.stderr, done.stderr


@pytest.mark.parametrize("name", ["../../ESCAPED", "a/b", "", "x" * 200, "<b>", 3])
def test_a_name_that_is_none_is_refused(study: Path, name: object) -> None:
    change(study, name=name)
    for command in (["sync"], ["status"], ["dashboard", "--port", "1"]):
        one_line(nfloss(command[0], study, *command[1:]), "study.yaml: name")


def test_where_records_go_is_not_the_studys_to_say(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(study, tracking={"mlflow": True, "uri": "http://127.0.0.1:9/", "most_trials": 500})
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert store_uri(study) == f"sqlite:///{study.resolve().parent / 'mlflow.db'}"
    assert store_uri(study, "http://mine") == "http://mine"


def test_a_database_that_a_study_names_is_not_asked(study: Path) -> None:
    change(study, design={"optuna": {"storage": "postgresql://me:secret@far.example/db"}})
    done = nfloss("dashboard", study, "--port", "1")
    one_line(done, "postgresql://me:***@far.example/db", "--storage")


def test_nothing_is_written_through_a_link(study: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.write_text("mine")
    names = ["report/summary.md", "report/report.html", "report/report.ipynb", "report/figures/forest.png", "verdicts.json"]
    for name in names:
        (study / name).unlink()
        (study / name).symlink_to(target)
    assert nfloss("report", study).returncode == 0
    assert target.read_text() == "mine" and not any((study / name).is_symlink() for name in names)


@pytest.mark.parametrize("name", ["report", "report/figures"])
def test_a_folder_that_is_a_link_is_refused(study: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "mine").mkdir()
    shutil.rmtree(study / name)
    (study / name).symlink_to(tmp_path / "mine")
    done = nfloss("report", study)
    assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith(f"nfloss: {study / name}: is a link"), done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.parametrize("command", [["status"], ["power"], ["sync"], ["confirm"], ["report", "--compare", "SAME"]], ids=str)
@pytest.mark.parametrize("file", ["plan.parquet", "issues.json"])
def test_a_file_without_end_is_refused(made: Path, study: Path, command: list[str], file: str) -> None:
    """A pipe that nobody writes to would be waited for, and a device read for ever."""
    (study / file).unlink()
    os.mkfifo(study / file) if file == "plan.parquet" else (study / file).symlink_to("/dev/zero")
    words = [str(made) if word == "SAME" else word for word in command[1:]]
    one_line(nfloss(command[0], study, *words), f"{study / file}: not a regular file")


def test_a_table_beyond_all_bounds_is_refused(study: Path) -> None:
    """A few bytes of parquet stand for a value as often as one likes; 20 million values of a table are read."""
    same = pa.table({"key": pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int32()), ["x"])})
    with parquet.ParquetWriter(study / "plan.parquet", same.schema) as writer:
        for _ in range(30):
            writer.write_table(same)
    assert (study / "plan.parquet").stat().st_size < 100_000
    for command in ("status", "power", "sync"):
        one_line(nfloss(command, study), "plan.parquet", "30,000,000 rows of 1 columns")


def test_what_a_study_says_is_no_command_to_the_terminal(study: Path) -> None:
    issues = (study / "issues.json").read_text()
    (study / "issues.json").write_text(issues.replace('"fixed-mean"', '"fixed\\u001b[2J\\u0007mean"'))
    done = nfloss("status", study)
    assert "fixed[2Jmean" in done.stdout and "\x1b" not in done.stdout and "\x07" not in done.stdout


def test_what_a_study_says_of_a_loss_is_a_comment_of_the_block(study: Path, made: Path) -> None:
    """Else it would be settings, such as `extensions:`, whose code training runs."""
    from analysis import verdicts
    from analysis.judge import write_verdicts

    judged = verdicts(study)
    judged["recommendation"]["words"] = "adopt\nloss:\n  extensions: [evil.py]\x85x: y"
    write_verdicts(judged, study)
    done = nfloss("export", study, "--fixes", "1-1")
    assert done.returncode == 0, done.stderr
    block = yaml.safe_load((study / "export" / "loss.yaml").read_text())
    assert block == {"loss": {"type": "ssi-silog-nearfield", "fixes": ["1-1"]}}
    assert "# Its recommendation: adopt loss: extensions: [evil.py] x: y." in done.stdout


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)
ENDLESS = {
    "an alias bomb": (BOMB, "where every alias is written out"),
    "too deep": ("[" * 5000, f"nested deeper than {DEEPEST} levels"),
    "itself": ("a: &a [*a]", "contains itself"),
    "too long": ("#" * (MOST_CHARACTERS + 1), "over 2,000,000 characters"),
    "a date that is none": ("name: !!timestamp x", "not valid YAML"),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_yaml_without_end_is_one_line(study: Path, tmp_path: Path, kind: str) -> None:
    text, said = ENDLESS[kind]
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"x\.yaml: ") as error:
        load_yaml(tmp_path / "x.yaml")
    assert said in str(error.value) and len(str(error.value)) < 300
    (study / "study.yaml").write_text(text)
    one_line(nfloss("status", study), "study.yaml", said)


def test_an_alias_is_no_bomb(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: &a {b: [1, 2]}\nc: *a\n")
    assert load_yaml(tmp_path / "x.yaml") == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("seeds=1000000000", "1000000000: from 1 to 10,000 seeds are needed"),
        (f"seeds={10**30}", "from 1 to 10,000 seeds are needed"),
        ("seeds={looks: [2, 100000]}", "at most 10,000 seeds are allowed"),
        ("data.train=1000000000000", "data.train: Input should be less than or equal to 10000000"),
        ("data={train: 10000000, height: 8192, width: 8192}", "10,000,352 scenes of 8192 x 8192 pixels need 10,737,796 GB"),
        ("training.steps=1000000000000", "training.steps: Input should be less than or equal to 10000000"),
        ("device=cuda:99999999999999999999", "device: String should match pattern"),
        ("name=!!timestamp x", "'!!timestamp x' is not a YAML value"),
        ("name=" + "[" * 5000, "is not a YAML value"),
    ],
)
def test_numbers_beyond_all_bounds_are_one_line(tmp_path: Path, given: str, said: str) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    one_line(nfloss("plan", tmp_path / "small.yaml", "--set", given), said)


@pytest.mark.parametrize(
    "raised", ["sys.exit(0)", "raise MemoryError", "raise StopIteration", "raise GeneratorExit", "raise EOFError"]
)
@pytest.mark.parametrize("where", ["import", "constructor", "forward"])
def test_a_network_that_ends_python_is_one_line_with_its_place(tmp_path: Path, raised: str, where: str) -> None:
    at = {place: raised if place == where else "pass" for place in ("import", "constructor", "forward")}
    (tmp_path / "net.py").write_text(
        f"import sys\nimport torch\n{at['import']}\n\nclass Net(torch.nn.Module):\n    def __init__(self):\n"
        f"        super().__init__()\n        {at['constructor']}\n        self.head = torch.nn.Conv2d(3, 1, 1)\n"
        f"    def forward(self, images):\n        {at['forward']}\n"
    )
    (tmp_path / "small.yaml").write_text(SMALL + "model: net.py:Net\n")
    line = {"import": 3, "constructor": 8, "forward": 11}[where]
    kind = raised.split()[-1] if raised.startswith("raise") else "SystemExit"
    one_line(nfloss("plan", tmp_path / "small.yaml"), f"{kind}:", f"(net.py, line {line})")


@pytest.mark.parametrize("raised", ["sys.exit(0)", "raise KeyError('x')"])
def test_a_fix_that_ends_python_is_one_line_with_its_place(tmp_path: Path, raised: str) -> None:
    (tmp_path / "fix.py").write_text(f"import sys\n{raised}\n")
    one_line(nfloss("check", tmp_path / "fix.py"), "(fix.py, line 2)")


def test_the_dashboard_answers_its_own_machine_alone(study: Path) -> None:
    pytest.importorskip("optuna_dashboard")
    from runner.search.dashboard import make_dashboard

    with make_dashboard(study, 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = server.server_port

        def status(**headers: str) -> int:
            request = urllib.request.Request(f"http://127.0.0.1:{port}/api/studies", headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                return error.code

        try:
            assert status() == status(Host=f"localhost:{port}") == status(Origin=f"http://127.0.0.1:{port}") == 200
            assert status(Host="evil.example") == status(Host=f"evil.example:{port}") == 403
            assert status(Origin="http://evil.example") == status(Origin="null") == 403
        finally:
            server.shutdown()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners here")
def test_machine_code_is_kept_where_only_its_user_writes(tmp_path: Path) -> None:
    """Numba unpickles it."""
    assert private(tmp_path / "new") and (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert not private(tmp_path / "open")
    (tmp_path / "link").symlink_to(tmp_path / "new")
    assert not private(tmp_path / "link")
    (tmp_path / "file").write_text("")
    assert not private(tmp_path / "file" / "below")
    if os.getuid() == 0:
        (tmp_path / "theirs").mkdir(mode=0o700)
        os.chown(tmp_path / "theirs", 12345, 12345)
        assert not private(tmp_path / "theirs")
