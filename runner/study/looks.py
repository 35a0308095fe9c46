"""The looks of a study: after which numbers of seeds its results were looked at, and which configurations went on.

They are in `looks.json`, of the study: a number of seeds -> keys of what is trained with more; none where all is decided.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from runner.records import write_bytes

NAME = "looks.json"
Looked = Mapping[int, Collection[str]]
#: Gives the keys of the fixes that are open by a study's first so many seeds.
Decide = Callable[[Path, int], Collection[str]]


def read_looks(folder: Path) -> dict[int, list[str]]:
    """What went on after each look; empty before the first."""
    try:
        return {int(at): list(keys) for at, keys in json.loads((folder / NAME).read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError):  # not there or damaged: a resumed run looks again
        return {}


def write_looks(folder: Path, looked: Looked) -> None:
    content = {str(at): sorted(keys) for at, keys in looked.items()}
    write_bytes(folder / NAME, (json.dumps(content, indent=1) + "\n").encode())


def looks_of(experiment: Mapping[str, Any]) -> tuple[int, ...]:
    """The numbers of seeds at which a study is looked at, from its `experiment` in study.yaml."""
    return tuple(experiment.get("looks") or (len(experiment["seeds"]),))


def wanted_trials(keys: Sequence[str], seeds: Sequence[int], looks: Sequence[int], looked: Looked) -> list[tuple[str, int]]:
    """(key, seed) of each trial that a study needs as far as it has been looked at: of every key up to the first look, then of
    those that go on."""
    wanted = [(key, seed) for seed in seeds[: looks[0]] for key in keys]
    for before, at in pairwise(looks):
        if not looked.get(before):
            break
        going = set(looked[before])
        wanted += [(key, seed) for seed in seeds[before:at] for key in keys if key in going]
    return wanted
