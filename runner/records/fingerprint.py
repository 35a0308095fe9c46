"""What a trial depended on besides the experiment's settings: the code of its words, of everything all trials share, and the
frames. A record whose fingerprint is no longer that of the code is trained again."""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
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
from runner.data.formats import MODULES
from runner.data.formats.files import PICTURES, every_file
from runner.data.settings import Data
from runner.data.splits import all_shots, home

#: Modules that every training runs through; the ten issues' own rooms are told apart by the words that are used.
SHARED_LOSS = (*("loss", "terms", "slots", "numbers", "near_field", "power_sums", "evaluation/*"),)
SHARED_RUNNER = (
    *("training", "row_adam", "models", "networks", "graphs", "rulers", "dataset", "data/*"),
    *("machine_code", "compiled", "lanes/*", "sums/*"),
)
#: And a network of the user's through these.
OWN_NETWORK = ("network_class", "own_networks")
#: What all readers run through; those of other formats do not matter.
SHARED_READERS = ("shots", "decode", "lines", "lists", "splits", "frames")
#: Their content seldom changes without their size; that of the lists and calibrations beside them does.
LARGE_FILES = (*PICTURES, ".npy", ".npz", ".pfm", ".hdf5")
DIGITS = 8


def fingerprint(configuration: Configuration, data: Data, network: str | None = None) -> str:
    """Parts with a hash each, "shared:1a2b3c4d frames:... network:... residual:...": the shared code, a folder's files, what
    reads them where they are not a plain folder, the user's network, and each word that is not the baseline's."""
    words = {slot: choice for slot, choice in configuration.choices.items() if choice != BASELINE[slot]}
    parts = {"shared": shared_code()}
    if data.folder and data.plain:
        parts["frames"] = frames_in(data.folder)
    elif data.folder:
        parts |= {"frames": frames_read(data), "reader": reader(data.format)}
    parts |= {"network": code_of_network(network)} if network else {}
    parts |= {slot: code_of(choice) for slot, choice in sorted(words.items())}
    return " ".join(f"{name}:{value}" for name, value in parts.items())


def changed_parts(before: str, now: str) -> list[str]:
    """The names of the parts that differ."""
    one, other = (dict(part.split(":", 1) for part in text.split() if ":" in part) for text in (before, now))
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def changed_in(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The names of the parts in which any of the pairs differ."""
    return sorted({part for before, now in pairs for part in changed_parts(before, now)})


@cache
def shared_code() -> str:
    """Hash of the code that all trainings run, the baseline's words included."""
    loss = [path for name in SHARED_LOSS for path in sorted(Path(nfloss.__file__).parent.glob(f"{name}.py"))]
    rooms = loss + runner_rooms(SHARED_RUNNER)
    texts = [meaning_of_file(path) for path in rooms]
    return short("\n".join([*texts, *(code_of(choice) for choice in BASELINE.values())]))


def runner_rooms(patterns: Sequence[str]) -> list[Path]:
    return [path for pattern in patterns for path in sorted(Path(runner.__file__).parent.glob(f"{pattern}.py"))]


@cache
def code_of_network(reference: str) -> str:
    """Hash of the file that a user's class is in, of the files beside it that it imports, and of the code that runs it."""
    place = reference.rpartition(":")[0]
    origin = place if place.endswith(".py") else getattr(find_spec(place), "origin", None)
    texts = file_and_beside(Path(origin)) if origin and origin.endswith(".py") else [reference]
    return short("\n".join([*texts, *map(meaning_of_file, runner_rooms(OWN_NETWORK))]))


def file_and_beside(first: Path, text: str | None = None) -> list[str]:
    """The meaning of a file (or of the text that was read of it), and of the files beside it that it comes to import."""
    found, waiting = dict[Path, str](), [first]
    while waiting:
        path = waiting.pop()
        tree = ast.parse(text if text is not None and path == first else path.read_text(encoding="utf-8"))
        waiting += [other for other in imported_beside(path, tree) if other not in found]
        found[path] = meaning(tree)
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
    return meaning(ast.parse(path.read_text(encoding="utf-8")))


@cache
def code_of(choice: Choice) -> str:
    """Hash of a word: its functions, what of their own module they come to use (of a user's: all), and its plain values."""
    found: dict[str, str] = {}
    parts = vars(choice.function) if is_dataclass(choice.function) else {"function": choice.function}
    for name, part in parts.items():
        found |= (pieces if of_the_house(part) else own_file)(part) if callable(part) else {f"value of {name}": repr(part)}
    if choice.by_sums:
        found |= (pieces if of_the_house(choice.by_sums) else own_file)(choice.by_sums)
    return short("\n".join(f"{name} = {found[name]}" for name in sorted(found)))


def of_the_house(function: Any) -> bool:
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


def meaning(tree: ast.Module) -> str:
    """Code without comments, layout and docstrings: what can change a result.

    >>> meaning(ast.parse("def f(x):\\n    return x  # why")) == meaning(ast.parse("def f(x): return x"))
    True
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:] or [ast.Pass()]
    return tree_in_words(tree)


def tree_in_words(part: Any) -> str:
    """As `ast.dump` has it, less what is empty: each version of Python knows of more that may be left out, and a record is of
    the same code in all of them."""
    if isinstance(part, ast.AST):
        fields = [f"{name}={tree_in_words(value)}" for name, value in ast.iter_fields(part) if value not in (None, [])]
        return f"{type(part).__name__}({', '.join(fields)})"
    return f"[{', '.join(map(tree_in_words, part))}]" if isinstance(part, list) else repr(part)


@cache
def frames_in(folder: str) -> str:
    """Hash of the names and sizes of a folder's files."""
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return short("\n".join(f"{path.relative_to(folder)} {path.stat().st_size}" for path in files))


@cache
def frames_read(data: Data) -> str:
    """Hash of the names and sizes of the files that a reader reads, and of the content of lists, calibrations and the like."""
    folder = home(data)
    files = every_file(all_shots(data)) + [folder / listing for listing in data.lists]
    return short("\n".join(f"{os.path.relpath(path, folder)} {size_or_content(path)}" for path in files))


def size_or_content(path: Path) -> str:
    return str(path.stat().st_size) if path.suffix.lower() in LARGE_FILES else hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def reader(format: str) -> str:
    """Hash of the code that reads a format."""
    rooms = [Path(runner.__file__).parent / "readers" / f"{name}.py" for name in SHARED_READERS]
    rooms.append(Path(str(MODULES[format].__file__)))
    return short("\n".join(meaning(ast.parse(path.read_text(encoding="utf-8"))) for path in rooms))


def short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def wanted(trials: pd.DataFrame, plan: pd.DataFrame) -> pd.Series:
    """The fingerprint that the plan has for each trial's configuration; none where it has no such configuration."""
    now = plan.dropna(subset=["key"]).drop_duplicates("key").set_index("key")["fingerprint"]
    return trials["key"].map(now)


def stale(trials: pd.DataFrame, plan: pd.DataFrame) -> pd.Series:
    """Which trials have another fingerprint than the plan; a record or a plan without one is of before there were any."""
    if "fingerprint" not in trials or "fingerprint" not in plan:
        return pd.Series(False, index=trials.index)
    now = wanted(trials, plan)
    return trials["fingerprint"].notna() & now.notna() & (trials["fingerprint"] != now)


def what_changed(trials: pd.DataFrame, plan: pd.DataFrame) -> list[str]:
    """The parts of the fingerprint in which stale trials differ from the plan."""
    outdated = trials[stale(trials, plan)]
    if not len(outdated):
        return []
    return changed_in(zip(outdated["fingerprint"], wanted(outdated, plan), strict=True))
