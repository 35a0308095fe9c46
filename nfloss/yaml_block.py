"""Reads the `loss:` block of a training YAML in the document's format or in ours; writes the document's. Needs PyYAML."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nfloss.extensions import load_extension
from nfloss.numbers import NUMBER_NAMES, Numbers

ALIASES = {"near_field_threshold": "near_threshold", "near_field_weight": "near_weight"}
DOCUMENT_TYPE = "ssi-silog-nearfield"
SCHEDULES = {"linear": "9-2", "step": "9-3"}
SCHEDULE_NUMBERS = ("start_epoch", "end_epoch", "start_threshold", "end_threshold")
KEYS = ("type", "extensions", "fixes", "enable_near_field_weighting", "near_field_threshold_schedule", *ALIASES, *NUMBER_NAMES)


#: A file may be so large; what it says, with every alias written out, may have so many nodes, so deep in each other.
MOST_CHARACTERS, MOST_NODES, DEEPEST = 2_000_000, 200_000, 40


#: What PyYAML raises for what is not YAML; the constructors of dates and numbers raise errors of their own.
NOT_YAML = (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)


class Loader(yaml.SafeLoader):
    """A safe loader in which 1e-3 is a number (a string in YAML 1.1) and a key given twice is an error.

    What a few lines can make endless by aliases, or a few characters too deep to read, is an error too.
    """

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > DEEPEST:
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {DEEPEST} levels", problem_mark=mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None and written_out(node, {}) > MOST_NODES:
            problem = f"over {MOST_NODES:,} values where every alias is written out"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key, (key_node, _) in zip(keys, node.value, strict=True):
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} is given twice", problem_mark=key_node.start_mark)
        return super().construct_mapping(node, deep)


def written_out(node: yaml.Node, known: dict[int, int]) -> int:
    """How many nodes a node has with every alias written out. Raises MarkedYAMLError for a node within itself."""
    if id(node) not in known:
        known[id(node)] = 0  # as long as it is being counted
        inner = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
        scalar = isinstance(node, yaml.ScalarNode)
        known[id(node)] = 1 + (0 if scalar else sum(written_out(part, known) for part in inner))
    elif not known[id(node)]:
        raise yaml.MarkedYAMLError(problem="a value that contains itself", problem_mark=node.start_mark)
    return known[id(node)]


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*)(?:\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


@dataclass(frozen=True)
class LossBlock:
    """The content of a block: fixes by id or name, and numbers by name."""

    fixes: tuple[str, ...]
    numbers: dict[str, float]


def load_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises ValueError: missing, not readable, or not YAML; one line with file and position."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_CHARACTERS + 1)
        if len(text) > MOST_CHARACTERS:
            raise ValueError(f"over {MOST_CHARACTERS:,} characters")
        return yaml.load(text, Loader=Loader)  # a SafeLoader
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file in UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise ValueError(f"{path}: not valid YAML at {place}: {error.problem}") from None
    except NOT_YAML as error:
        raise ValueError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from None


def read_loss_block(path: Path) -> LossBlock:
    """The file's `loss:` block, or the whole file where it has no `loss:` key."""
    content = load_yaml(path)
    if isinstance(content, Mapping) and "loss" in content:
        content = content["loss"]
    if not isinstance(content, Mapping):
        raise ValueError(f"{path}: a mapping under `loss:` is needed, got {type(content).__name__}")
    for extension in strings(content.get("extensions", []), f"{path}: loss.extensions", "files or modules is needed"):
        load_extension(str(path.parent / extension) if extension.endswith(".py") else extension)  # beside the block
    return parse_loss_block(content, f"{path}: loss")


def parse_loss_block(block: Mapping[Any, Any], where: str) -> LossBlock:
    """The block's fixes and numbers; every error message begins with `where`."""
    for key in block:
        if key not in KEYS:
            raise ValueError(f"{where}: unknown key {key!r}{nearest(key, KEYS)}; known: {', '.join(KEYS)}")
    if block.get("type", DOCUMENT_TYPE) != DOCUMENT_TYPE:
        raise ValueError(f"{where}.type: {block['type']!r}; only {DOCUMENT_TYPE!r} is known")
    fixes = strings(block.get("fixes", []), f"{where}.fixes", "ids or names is needed, such as ['1-1', '5-2']")
    numbers = {ALIASES.get(key, key): real(block[key], f"{where}.{key}") for key in block if key in (*ALIASES, *NUMBER_NAMES)}
    weighting = block.get("enable_near_field_weighting", True)
    if not isinstance(weighting, bool):
        raise ValueError(f"{where}.enable_near_field_weighting: {weighting!r}; true or false is needed")
    if not weighting:
        numbers["near_weight"] = 1.0
    schedule = block.get("near_field_threshold_schedule")
    if schedule is None:
        return LossBlock(fixes, numbers)
    fix, schedule_numbers = read_schedule(schedule, f"{where}.near_field_threshold_schedule")
    return LossBlock((*fixes, fix), numbers | schedule_numbers)


def document_block(found: Mapping[str, Any]) -> str:
    """A loss (`fixes` by id, `numbers`, `extensions` if any) as a YAML block in the document's format; fixes that
    the format has no key for go into a `fixes:` list. `parse_loss_block` reads the result back."""
    numbers = {name: getattr(Numbers(), name) for name in ALIASES.values()} | found["numbers"]
    block: dict[str, Any] = {"type": DOCUMENT_TYPE, "enable_near_field_weighting": True}
    block |= {"extensions": found["extensions"]} if found.get("extensions") else {}
    block |= {key: numbers.pop(name) for key, name in ALIASES.items()}
    kinds = {fix: kind for kind, fix in SCHEDULES.items()}
    schedule = next((fix for fix in found["fixes"] if fix in kinds), None)
    if schedule:
        own = {name: numbers.pop(name) for name in SCHEDULE_NUMBERS if name in numbers}
        block["near_field_threshold_schedule"] = {"type": kinds[schedule], **own}
    rest = [fix for fix in found["fixes"] if fix != schedule]
    block |= ({"fixes": rest} if rest else {}) | numbers
    return yaml.safe_dump({"loss": block}, sort_keys=False).rstrip()


def read_schedule(schedule: Any, where: str) -> tuple[str, dict[str, float]]:
    """The document's threshold schedule as the id of its fix and its numbers."""
    if not isinstance(schedule, Mapping):
        raise ValueError(f"{where}: a mapping is needed, got {schedule!r}")
    known = ("type", *SCHEDULE_NUMBERS)
    for key in schedule:
        if key not in known:
            raise ValueError(f"{where}: unknown key {key!r}{nearest(key, known)}; known: {', '.join(known)}")
    kind = schedule.get("type", "linear")
    if kind not in SCHEDULES:
        raise ValueError(f"{where}.type: {kind!r}; {' or '.join(map(repr, SCHEDULES))} is needed")
    return SCHEDULES[kind], {key: real(schedule[key], f"{where}.{key}") for key in SCHEDULE_NUMBERS if key in schedule}


def strings(value: Any, where: str, needed: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{where}: a list of {needed}, got {value!r}")
    return tuple(value)


def real(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{where}: a number is needed, got {value!r}")
    return float(value)


def nearest(key: object, known: tuple[str, ...]) -> str:
    """` (did you mean ...?)` with the nearest known key, or an empty string."""
    found = difflib.get_close_matches(str(key), known, n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""
