"""An edit of behaviour in any module that a training runs through moves the fingerprint of a configuration that it concerns; an
edit of an import line, of a plot or of the command line moves none. Tried on a copy of the packages, module by module."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("nfloss", "runner", "analysis")
COVERED = ("nfloss", "runner/training", "runner/networks", "runner/data", "runner/execution", "runner/records")
#: What cannot change a result: it describes, draws, checks, moves records about, or starts processes.
APART = {
    *("nfloss/claims", "nfloss/testing", "nfloss/near_field.py", "nfloss/standalone.py", "nfloss/symptoms.py"),
    *("nfloss/yaml_block.py", "runner/networks/custom_check.py", "runner/data/statistics.py"),
    *(f"runner/execution/{name}.py" for name in ("backends", "observer", "preload", "process", "ray_cluster", "shared_folder")),
    *(f"runner/records/{name}.py" for name in ("checkpoints", "files", "fingerprint", "integrity", "start_files")),
}

SCRIPT = '''
import ast, itertools, json, linecache, sys
from pathlib import Path

from nfloss import Configuration, all_fixes
from nfloss.slots import functions_of
from runner.data import Data
from runner.data.formats import READER_MODULES as MODULES
from runner.records import fingerprint
from runner.training import Training

root, data = Path(sys.argv[1]), Path(sys.argv[2])
FORMATS = [Data(folder=str(data), format=name, depth_scale=module.READER.scale or 1000) for name, module in MODULES.items()]
fingerprint.frames_read = lambda data: "the same"
network = f"{data}/net.py:Net"
alone = [Configuration.of(fix.id) for fix in all_fixes()]


def fingerprints():
    linecache.checkcache()
    for cached in (fingerprint.shared_code, fingerprint.code_of_modules, fingerprint.code_of, fingerprint.code_of_network):
        cached.cache_clear()
    scenes = [fingerprint.fingerprint(c, Data()) for c in alone]
    folders = [fingerprint.fingerprint(Configuration.of(), data) for data in FORMATS]
    own = fingerprint.fingerprint(Configuration.of(), Data(), network)
    return [*scenes, *folders, own, fingerprint.fingerprint(Configuration.of(), Data(), None, Training(start="neutral"))]


def edited(text, every):
    """The same with the last value that a function of it returns, or else its last constant, changed; or `every` one."""
    nodes = list(ast.walk(ast.parse(text)))
    returned = [n.value for n in nodes if isinstance(n, ast.Return) and n.value]
    assigned = [n.value for n in nodes if isinstance(n, ast.Assign | ast.AnnAssign) and n.value]
    values = sorted(returned or assigned, key=lambda n: (n.lineno, n.col_offset), reverse=True)
    starts = [0, *itertools.accumulate(len(line.encode()) for line in text.splitlines(keepends=True))]
    whole = text.encode()
    for value in values if every else values[:1]:
        start, end = starts[value.lineno - 1] + value.col_offset, starts[value.end_lineno - 1] + value.end_col_offset
        whole = whole[:start] + b"(" + whole[start:end] + b", 1)" + whole[end:]
    return whole.decode()


def imported(text):
    """The same with one import line more, which shifts nothing."""
    first = "from __future__ import annotations"
    return text.replace(first, first + "; import math as unused_math", 1)


before, moved = fingerprints(), {}
for name in json.loads(sys.argv[3]):
    path = root / name
    text = path.read_text()
    for kind, other in (("behaviour", edited(text, every="issues" in name)), ("imports", imported(text))):
        path.write_text(other)
        moved.setdefault(name, {})[kind] = [one != other for one, other in zip(before, fingerprints(), strict=True)]
    path.write_text(text)
assert fingerprints() == before
modules = [[f.__module__ for c in fix.fills.values() for f in functions_of(c).values()] for fix in all_fixes()]
print(json.dumps({"moved": moved, "modules of fixes": modules, "formats": list(MODULES)}))
'''
NET = "import torch\n\n\nclass Net(torch.nn.Conv2d):\n    def __init__(self):\n        super().__init__(3, 1, 3, padding=1)\n"


def covered_modules() -> list[str]:
    """Every module of the covered packages that can change a result."""
    found = [path.relative_to(ROOT).as_posix() for package in COVERED for path in (ROOT / package).rglob("*.py")]
    return sorted(
        name for name in found if not name.endswith("__init__.py") and not any(name.startswith(apart) for apart in APART)
    )


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What moves with an edit of each module: {module: {kind: [whether each fingerprint moves]}}."""
    copy, data = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("data")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    (data / "net.py").write_text(NET)
    apart = ["analysis/plots/forest.py", "runner/cli/run.py", "runner/study/lock.py"]
    command = [sys.executable, "-B", "-c", SCRIPT, str(copy), str(data), json.dumps([*covered_modules(), *apart])]
    environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_every_module_is_covered(moved: dict) -> None:
    modules, formats = moved["modules of fixes"], moved["formats"]
    for name in covered_modules():
        flags = moved["moved"][name]["behaviour"]
        scenes, folders, (custom, neutral) = flags[: len(modules)], flags[len(modules) : -2], flags[-2:]
        if name.startswith("nfloss/issues/"):  # the fixes whose functions it has, and no other training
            own = [name.removesuffix(".py").replace("/", ".") in of_fix for of_fix in modules]
            assert scenes == own and any(own), name
            assert not any((*folders, custom, neutral)), name
        elif name.startswith("runner/data/synthetic/"):
            assert all((*scenes, custom, neutral)) and not any(folders), name
        elif name.startswith(("runner/data/formats/", "runner/data/split")):
            module = Path(name).stem
            own = [module in (one, {"7scenes": "seven_scenes"}.get(one)) for one in formats]
            assert folders == (own if any(own) else [True] * len(formats)), name
            assert not any((*scenes, custom, neutral)), name
        elif name.startswith("runner/networks/custom"):
            assert custom and not any((*scenes, *folders, neutral)), name
        elif name in ("runner/training/neutral.py", "runner/execution/starts.py"):
            assert neutral and not any(flags[:-1]), name
        else:
            assert all(flags), name


def test_import_lines_move_nothing(moved: dict) -> None:
    assert {name for name, found in moved["moved"].items() if any(found["imports"])} == set()


@pytest.mark.parametrize("name", ["analysis/plots/forest.py", "runner/cli/run.py", "runner/study/lock.py"])
def test_plots_and_the_command_line_move_nothing(moved: dict, name: str) -> None:
    assert not any(moved["moved"][name]["behaviour"])


def test_what_is_apart_is_there() -> None:
    """A module that is renamed must not fall out of the cover unseen."""
    assert all((ROOT / name).exists() for name in APART)
