"""A user's own fixes: from a path, a module, an entry point; sent to another process; errors in one line."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nfloss import (
    ISSUES,
    Choice,
    Configuration,
    ExtensionError,
    Fix,
    Losses,
    SSISilogNearFieldLoss,
    add_fix,
    all_fixes,
    find_fix,
    load_extension,
    registry,
)
from nfloss.registry import place_of
from nfloss.slots import BASELINE, Guard
from nfloss.standalone import standalone

OWN_FIX = Path(__file__).parents[2] / "examples" / "own_fix.py"
STEEP = '''
from nfloss import Choice, Fix, add_fix
from parts import steepness

def steep(depth, threshold, *, near_weight, power=steepness):
    """Falls with depth."""
    return 1.0 + (near_weight - 1.0) / (1.0 + (depth / threshold) ** power)

add_fix(5, Fix("5-9", "steep", "a power of depth", {"weigh": Choice("steep", steep)}))
'''


@pytest.fixture
def steep(tmp_path: Path) -> str:
    (tmp_path / "parts.py").write_text("steepness = 4.0\n")
    (tmp_path / "steep.py").write_text(STEEP)
    return str(tmp_path / "steep.py")


def test_the_example_brings_an_issue_and_one_more_fix():
    """Under thirty lines, as the tutorial says. By hand at 2 m: 5 * 1/2 = 2.5; at the threshold, half way from 5 to 1: 3."""
    assert len(OWN_FIX.read_text().splitlines()) < 30
    assert [fix.id for fix in load_extension(str(OWN_FIX))] == ["5-3", "11-1"]
    assert [fix.id for fix in ISSUES[5].fixes] == ["5-1", "5-1w", "5-2", "5-3"]
    assert [fix.id for fix in all_fixes()][-1] == "11-1"
    assert {find_fix("11-1").origin, find_fix("log-smooth").origin} == {"own"}
    weigh = {fix: find_fix(fix).fills["weigh"] for fix in ("11-1", "5-3")}
    numbers, depth = Configuration.of().numbers, torch.tensor([0.5, 1.0, 2.0, 20.0])
    assert weigh["11-1"](numbers, depth, 1.0).tolist() == [5.0, 5.0, 2.5, 1.0]
    assert weigh["5-3"](numbers, depth, 1.0)[1].item() == pytest.approx(3.0)
    assert len(load_extension(str(OWN_FIX))) == 2  # once in a process


def test_a_number_with_a_default_belongs_to_the_choice(steep):
    """By hand at 2 m: 1 + 4 / (1 + 2^4)."""
    load_extension(steep)
    configuration = Configuration.of("5-9")
    weight = configuration.choices["weigh"](configuration.numbers, torch.tensor(2.0), 1.0)
    assert weight.item() == pytest.approx(1 + 4 / 17)
    assert "power" not in configuration.used_numbers
    with pytest.raises(ValueError, match="unknown number 'power'"):
        Configuration.of("5-9", power=2.0)


def test_its_place_is_known(steep):
    load_extension(steep)
    assert place_of(find_fix("5-9")) == steep
    assert place_of(find_fix("5-2")) is None


def test_a_module_on_the_path(steep, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "plugged_module.py").write_text(STEEP)
    assert [fix.id for fix in load_extension("plugged_module")] == ["5-9"]
    assert [fix.id for fix in load_extension("plugged_module")] == ["5-9"]


def plug(folder: Path, value: str, module: str, text: str) -> None:
    """An installed package's metadata and its module, as pip leaves them in a folder of sys.path; nobody has asked before."""
    registry._asked.clear()
    (folder / f"{module}.py").write_text(text)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[nfloss.fixes]\nmine = {value}\n")


@pytest.mark.parametrize("function", [False, True])
def test_an_installed_package_is_found_by_its_entry_point(function, steep, tmp_path, monkeypatch):
    """Asked for by name; the ten issues' own fixes are answered without looking for packages."""
    text = STEEP.replace("add_fix(5", "def enter():\n    add_fix(5") if function else STEEP
    module = f"plugged_{'function' if function else 'module_2'}"
    plug(tmp_path, f"{module}:enter" if function else module, module, text)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert Configuration.of("5-2").name == "5-2"
    assert module not in sys.modules
    assert Configuration.of("steep").name == "5-9"
    assert place_of(find_fix("5-9")) == module


def test_a_broken_package_is_one_line_and_hurts_nobody_who_does_not_ask(tmp_path, monkeypatch):
    plug(
        tmp_path, "plugged_broken", "plugged_broken", STEEP.replace("from parts import steepness", "steepness = 1") + "1 / 0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    SSISilogNearFieldLoss(["5-2"])
    for _ in range(2):
        with pytest.raises(ExtensionError, match=r"mine = plugged_broken.*cannot be loaded: ZeroDivisionError") as caught:
            all_fixes()
        assert "\n" not in str(caught.value)
    assert "5-9" not in {fix.id for fix in ISSUES[5].fixes}


BROKEN = {
    "1 / 0": "cannot be loaded: ZeroDivisionError",
    "import nowhere_at_all": "cannot be loaded: ModuleNotFoundError: No module named 'nowhere_at_all'",
    "def (": "cannot be loaded: SyntaxError",
    "x = 1": r"registers no fix; it must call register\(Issue\(...\)\) or add_fix\(5, Fix\(...\)\)",
    "add_fix(5, steep.__class__)": "cannot be loaded: AttributeError",
    "add_fix(77, fix('77-1'))": r"fix 77-1: there is no issue 77; the issues are 1, 2, .*10",
    "add_fix(5, fix('5-1'))": "fix '5-1' of issue 5 is registered already",
    "add_fix(5, fix('6-8'))": "fix '6-8': an id of issue 5 begins with 5-, such as 5-1",
    "add_fix(5, fix('5-8', 'linear ramp'))": r"choice 'linear ramp' of slot 'weigh' is registered already \(fix 5-2's\)",
    "add_fix(5, fix('5-8', 'hard boundary'))": r"choice 'hard boundary' .* registered already \(the baseline's\)",
    "register(Issue(5, 'mine', 'medium', 'x', (fix('5-8'),)))": "issue 5 is registered already",
}


@pytest.mark.parametrize("last", BROKEN)
def test_what_is_broken_is_one_line_and_leaves_nothing(last, tmp_path):
    """Each file registers a good fix first: it is taken back. (Not that of the file that registers none.)"""
    head = '''
from nfloss import Choice, Fix, Issue, add_fix, register
def steep(depth, threshold):
    """."""
    return 1 / depth
def fix(id, choice="steep"):
    return Fix(id, "name of " + id, ".", {"weigh": Choice(choice, steep)})
'''
    first = "" if last == "x = 1" else "add_fix(5, Fix('5-7', 'first', '.', {'weigh': Choice('first', steep)}))\n"
    (tmp_path / "broken.py").write_text(head * ("def (" not in last) + first * ("def (" not in last) + last + "\n")
    before = all_fixes()
    with pytest.raises(ExtensionError, match=BROKEN[last]) as caught:
        load_extension(str(tmp_path / "broken.py"))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"extension {tmp_path / 'broken.py'}")
    assert all_fixes() == before


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ExtensionError, match=r"extension .*none.py cannot be loaded: FileNotFoundError"):
        load_extension(str(tmp_path / "none.py"))


def takes_too_little(depth):
    return depth


def takes_an_unknown_number(depth, threshold, *, decades):
    return depth / decades


MISFITS = {
    "lambda": ("weigh", lambda depth, threshold: depth, "made with def at the top level"),
    "no function": ("weigh", torch.sqrt, "a function is needed"),
    "arguments": ("weigh", takes_too_little, r"takes \(depth\); the slot gives \(depth, threshold\)"),
    "number": ("weigh", takes_an_unknown_number, r"the unknown number 'decades'; give it a default"),
    "guard": ("guard", takes_too_little, "a guard is needed"),
    "guard's part": ("guard", Guard(pixels=takes_too_little), r"the slot gives \(prediction, mask\)"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_choice_that_does_not_fit_its_slot_is_refused(name):
    slot, function, says = MISFITS[name]
    with pytest.raises(ValueError, match=f"fix 5-8: choice 'mine' of slot '{slot}' .*{says}"):
        Fix("5-8", "mine", "mine", {slot: Choice("mine", function)})


def test_a_configuration_reaches_a_process_without_the_file(steep, tmp_path):
    """The text is pickled with the configuration, so the file may be gone; files that it imports must still be there."""
    load_extension(steep)
    load_extension(str(OWN_FIX))
    sent = [Configuration.of("5-9"), Configuration.of("11-1", "1-1")]
    (tmp_path / "sent.pickle").write_bytes(pickle.dumps(sent))
    Path(steep).unlink()
    code = """
import pickle, sys, torch
from nfloss import Losses, find_fix
sent = pickle.load(open(sys.argv[1], "rb"))
assert find_fix("5-9").fills["weigh"] == sent[0].choices["weigh"]
print([c.key for c in sent], Losses(sent)(torch.full((2, 1, 1, 2, 2), 0.7), torch.full((1, 1, 2, 2), 0.5)).tolist())
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "sent.pickle"], capture_output=True, text=True)
    here = Losses(sent)(torch.full((2, 1, 1, 2, 2), 0.7), torch.full((1, 1, 2, 2), 0.5)).tolist()
    assert done.stdout.strip() == f"{[c.key for c in sent]} {here}", done.stderr


def test_the_standalone_file_holds_the_users_function():
    load_extension(str(OWN_FIX))
    namespace: dict = {}
    exec(compile(standalone(Configuration.of("5-3", near_weight=3.0)), "exported", "exec"), namespace)
    pred, gt = torch.rand(2, 1, 8, 8, dtype=torch.float64), torch.rand(2, 1, 8, 8, dtype=torch.float64)
    expected = SSISilogNearFieldLoss(["5-3"], near_weight=3.0)(pred, gt)
    assert namespace["SSISilogNearFieldLoss"]()(pred, gt).item() == pytest.approx(expected.item(), rel=1e-12)


def test_a_loss_block_names_its_extensions(steep, tmp_path):
    """A file is looked for beside the block."""
    (tmp_path / "train.yaml").write_text("loss: {extensions: [steep.py], fixes: [steep]}\n")
    assert SSISilogNearFieldLoss.from_yaml(tmp_path / "train.yaml").configuration.name == "5-9"
    (tmp_path / "wrong.yaml").write_text("loss: {extensions: steep.py}\n")
    with pytest.raises(ValueError, match=r"loss.extensions: a list of files or modules is needed, got 'steep.py'"):
        SSISilogNearFieldLoss.from_yaml(tmp_path / "wrong.yaml")


def test_the_baselines_choice_may_be_used_again():
    fix = Fix("5-8", "as-before", ".", {"weigh": BASELINE["weigh"]})
    assert add_fix(5, fix) is fix
    assert Configuration.of("5-8") == Configuration.of()
