"""What a trial depends on besides the experiment's settings: the code of its choices, of all that trials share, and the frames.

Whole packages are covered, so that a module that is moved or added is covered too. A record whose fingerprint is no longer that
of the code is trained again.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import is_dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any

import pandas as pd

import nfloss
import runner
from nfloss import Configuration
from nfloss.slots import BASELINE, Choice
from nfloss.user_code import TEXTS
from runner.data import PICTURE_ENDINGS, READER_MODULES, Data, data_folder, every_file, list_frames
from runner.training import OF_NEUTRAL, Training

ROOTS = {package.__name__: Path(str(package.__file__)).parents[1] for package in (nfloss, runner)}

#: What every training runs through: packages, and the modules of each that cannot change a result.
SHARED = {
    "nfloss": ("issues/*", "claims/*", "testing/*", "near_field", "standalone", "symptoms", "yaml_block"),
    "runner/training": ("neutral",),
    "runner/networks": ("custom*",),
    "runner/data": ("synthetic/*", "formats/*", "splits", "split_lists", "statistics"),
    "runner/execution": ("backends", "observer", "preload", "process", "ray_cluster", "shared_folder", "starts"),
    "runner/records": ("checkpoints", "files", "fingerprint", "integrity", "start_files"),
}
#: And what some run through: those on scenes, on frames of a folder (whose format's own module comes on top), with a network of
#: yours, from a start network. The issues' modules are told apart by the choices that are used.
FORMATS = "runner/data/formats"
SCENES = ("runner/data/synthetic/*",)
READERS = (
    "runner/data/splits",
    "runner/data/split_lists",
    *(f"runner/data/formats/{n}" for n in ("decode", "files", "pictures", "text")),
)
CUSTOM_NETWORK = ("runner/networks/custom", "runner/networks/custom_stack")
NEUTRAL = ("runner/training/neutral", "runner/execution/starts")
#: Their content seldom changes without their size; that of the lists and calibrations beside them does.
LARGE_FILES = (*PICTURE_ENDINGS, ".npy", ".npz", ".pfm", ".hdf5")
DIGITS = 8


def fingerprint(configuration: Configuration, data: Data, network: str | None = None, training: Training | None = None) -> str:
    """What a trial's result depends on, a hash for each part: "shared:1a2b3c4d scenes:... residual:...".

    The parts: the shared code; the scenes' code, or a folder's files and the code that reads them; a network of yours; the
    neutral training that it goes on from, if it does; the choice in each slot that is not the baseline's; another loss.
    """
    parts = {"shared": shared_code()}
    if data.folder is None:
        parts["scenes"] = code_of_modules(*SCENES)
    else:
        format = READER_MODULES[data.format].__name__.rpartition(".")[2]
        parts |= {"frames": frames_read(data), "reader": code_of_modules(*READERS, f"{FORMATS}/{format}")}
    parts |= {"network": code_of_network(network)} if network else {}
    parts |= {"start": neutral_training(training)} if training and training.start == "neutral" else {}
    choices = {slot: choice for slot, choice in configuration.choices.items() if choice != BASELINE[slot]}
    parts |= {slot: code_of(choice) for slot, choice in sorted(choices.items())}
    parts |= {"loss": code_of(configuration.loss)} if configuration.loss else {}
    return " ".join(f"{name}:{value}" for name, value in parts.items())


def changed_parts(before: str, now: str) -> list[str]:
    one, other = (dict(part.split(":", 1) for part in text.split() if ":" in part) for text in (before, now))
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def changed_in(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The names of the parts in which any of the pairs differ."""
    return sorted({part for before, now in pairs for part in changed_parts(before, now)})


@cache
def shared_code() -> str:
    """Hash of the code that all trainings run."""
    patterns = [(f"{package}/**/*", *(f"!{package}/{module}" for module in apart)) for package, apart in SHARED.items()]
    return code_of_modules(*(pattern for of_package in patterns for pattern in of_package))


@cache
def code_of_modules(*patterns: str) -> str:
    """Hash of modules, given as "runner/data/splits" or with wildcards, without those of a "!pattern".

    Neither import lines nor a module's name count, so that moving one changes nothing.
    """
    chosen = set[Path]()
    for pattern in patterns:
        found = set(ROOTS[pattern.lstrip("!").split("/")[0]].glob(f"{pattern.lstrip('!')}.py"))
        chosen = chosen - found if pattern.startswith("!") else chosen | found
    return short("\n".join(sorted(meaning_of_file(path) for path in chosen if path.name != "__init__.py")))


def neutral_training(training: Training) -> str:
    """Hash of the settings of neutral training, and of its own code."""
    return short(f"{[getattr(training, name) for name in OF_NEUTRAL]} {code_of_modules(*NEUTRAL)}")


@cache
def code_of_network(reference: str) -> str:
    """Hash of the file that a user's class is in, of the files beside it that it imports, and of the code that runs it."""
    place = reference.rpartition(":")[0]
    origin = place if place.endswith(".py") else getattr(find_spec(place), "origin", None)
    texts = file_and_beside(Path(origin)) if origin and origin.endswith(".py") else [reference]
    return short("\n".join([*texts, code_of_modules(*CUSTOM_NETWORK)]))


def file_and_beside(first: Path, text: str | None = None) -> list[str]:
    """The meaning of a file (or of the text that was read of it), and of the files beside it that it comes to import."""
    found, waiting = dict[Path, str](), [first]
    while waiting:
        path = waiting.pop()
        tree = ast.parse(text if text is not None and path == first else path.read_text(encoding="utf-8"))
        waiting += [other for other in imported_beside(path, tree) if other not in found]
        found[path] = meaning(tree, imports=True)
    return [found[path] for path in sorted(found)]


def imported_beside(path: Path, tree: ast.Module) -> list[Path]:
    """The files in a file's own folder that it imports by name, relatively or not."""
    names = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {(node.module or "").rpartition(".")[2], *(alias.name for alias in node.names)}
    return sorted(file for name in names if (file := path.with_name(f"{name}.py")).is_file() and file != path)


def meaning_of_file(path: Path) -> str:
    """`meaning` of a file, parsed once for each version of it."""
    return _meaning_of_version(path, path.stat().st_mtime_ns)


@cache
def _meaning_of_version(path: Path, version: int) -> str:
    return meaning(ast.parse(path.read_text(encoding="utf-8")))


@cache
def code_of(choice: Choice) -> str:
    """Hash of a choice: its functions, what of their own module they use (of yours: the whole file), and its plain values."""
    found: dict[str, str] = {}
    parts = vars(choice.function) if is_dataclass(choice.function) else {"function": choice.function}
    for name, part in parts.items():
        found |= (pieces if is_built_in(part) else own_file)(part) if callable(part) else {f"value of {name}": repr(part)}
    if choice.by_sums:
        found |= (pieces if is_built_in(choice.by_sums) else own_file)(choice.by_sums)
    return short("\n".join(f"{name} = {found[name]}" for name in sorted(found)))


def is_built_in(function: Any) -> bool:
    return str(function.__module__).partition(".")[0] == nfloss.__name__


def own_file(function: Any) -> dict[str, str]:
    """The meaning of the whole file that a user's function is in, which may keep tables and tensors, and of those beside it."""
    module = sys.modules[function.__module__]
    texts = file_and_beside(Path(str(module.__file__)), TEXTS.get(module.__name__))
    return {f"the file of {function.__qualname__}": "\n".join(texts)}


def pieces(thing: Any) -> dict[str, str]:
    """The meaning of a function or class, and of all functions, classes and constants of its module that it names, by name."""
    module, found, waiting = inspect.getmodule(thing), dict[str, str](), [thing]
    while waiting:
        one = waiting.pop()
        tree = ast.parse(textwrap.dedent(inspect.getsource(one)))
        found[one.__qualname__] = meaning(tree)
        for name in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}:
            other = vars(module).get(name)
            if isinstance(other, FunctionType | type) and other.__module__ == one.__module__:
                waiting += [other] * (other.__qualname__ not in found)
            elif isinstance(other, int | float | str | tuple):
                found[name] = repr(other)
    return found


def meaning(part: Any, imports: bool = False) -> str:
    """Code without comments, layout, docstrings and, unless `imports` are asked for, import lines: what can change a result.

    As `ast.dump` has it, less what is empty: each version of Python knows of more that may be left out, and a record is of the
    same code in all of them. Every run does this to some hundred files: in one pass, so that it takes a fraction of a second.

    >>> meaning(ast.parse("import math\\ndef f(x):\\n    return x  # why")) == meaning(ast.parse("def f(x): return x"))
    True
    """
    if isinstance(part, list):
        return f"[{', '.join([meaning(one, imports) for one in part])}]"
    if not isinstance(part, ast.AST):
        return repr(part)
    fields = []
    for name in part._fields:
        value = getattr(part, name, None)
        if value and name in BLOCKS and isinstance(value, list):
            value = without_idle(value, imports, documented=isinstance(part, DOCUMENTED))
        if value is not None and value != []:
            fields.append(f"{name}={meaning(value, imports)}")
    return f"{type(part).__name__}({', '.join(fields)})"


BLOCKS = ("body", "orelse", "finalbody")
DOCUMENTED = (ast.FunctionDef, ast.ClassDef, ast.Module)


def without_idle(block: list[ast.stmt], imports: bool, documented: bool) -> list[ast.stmt]:
    """The statements of a block without import lines, unless they are asked for, and without the docstring that it may begin
    with; `pass` where none is left."""
    kept = block if imports else [one for one in block if not isinstance(one, ast.Import | ast.ImportFrom)]
    if documented and kept and isinstance(first := kept[0], ast.Expr) and isinstance(first.value, ast.Constant):
        kept = kept[1:] if isinstance(first.value.value, str) else kept
    return kept or [ast.Pass()]


@cache
def frames_read(data: Data) -> str:
    """Hash of the names and sizes of the files that a reader reads, and of the content of lists, calibrations and the like."""
    folder = data_folder(data)
    files = every_file(list_frames(data)) + [folder / listing for listing in data.lists]
    return short("\n".join(f"{os.path.relpath(path, folder)} {size_or_content(path)}" for path in files))


def size_or_content(path: Path) -> str:
    return str(path.stat().st_size) if path.suffix.lower() in LARGE_FILES else hashlib.sha256(path.read_bytes()).hexdigest()


def short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def wanted(trials: pd.DataFrame, plan: pd.DataFrame) -> pd.Series:
    """The fingerprint that the plan has for each trial's configuration; none where it has no such configuration."""
    now = plan.dropna(subset=["key"]).drop_duplicates("key").set_index("key")["fingerprint"]
    return trials["key"].map(now)


def stale(trials: pd.DataFrame, plan: pd.DataFrame) -> pd.Series:
    """Which trials have another fingerprint than the plan; a table without fingerprints says nothing of it."""
    if "fingerprint" not in trials or "fingerprint" not in plan:
        return pd.Series(False, index=trials.index)
    now = wanted(trials, plan)
    return trials["fingerprint"].notna() & now.notna() & (trials["fingerprint"] != now)


def what_changed(trials: pd.DataFrame, plan: pd.DataFrame) -> list[str]:
    """The parts of the fingerprint in which stale trials differ from the plan."""
    outdated = trials[stale(trials, plan)]
    return changed_in(zip(outdated["fingerprint"], wanted(outdated, plan), strict=True)) if len(outdated) else []
