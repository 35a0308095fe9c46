"""What another study has found, told to a search before it begins; and whose search a shared storage holds."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pandas as pd

from runner.experiment import Experiment
from runner.records.files import read_table, write_atomically
from runner.records.tables import KINDS, Records, keys_and_seeds, read_trials, write_group
from runner.search.objectives import objective_values
from runner.search.searcher import Searcher
from runner.search.space import Point
from runner.search.storage import StorageError, shown
from runner.study.folder import StudyError, check_code, read_study

SAME = ("data", "training", "model", "loss")


def claim_storage(study: Any, folder: Path, url: str | None) -> None:
    """Raises where the storage holds a search of this name that has its records in another folder: nobody would have both."""
    if url is None:
        return
    path = folder / "optuna.id"
    if not path.exists():
        write_atomically(path, lambda temporary: temporary.write_text(uuid.uuid4().hex, encoding="utf-8"))
    mine = path.read_text(encoding="utf-8")
    theirs = study.user_attrs.get("study id")
    if theirs is None:
        study.set_user_attr("study id", mine)
    elif theirs != mine:
        raise StorageError(f"the storage {shown(url)} has a search {study.study_name!r} of another folder; take another name")


def warm_start(searcher: Searcher, experiment: Experiment, source: Path, folder: Path) -> None:
    """Copy the records of the other study's cells that lie in the space, and tell them.

    Raises:
        StudyError: it was trained otherwise, or lacks the seeds.
    """
    settings = read_study(source)["experiment"]
    mine = experiment.model_dump(mode="json")
    others = [name for name in SAME if settings.get(name) != mine[name]]
    if others:
        raise StudyError(f"{source}: cannot warm-start this search, its {', '.join(others)} differ: errors would not compare")
    lacking = sorted(set(experiment.seeds) - set(settings["seeds"]))
    if lacking:
        raise StudyError(f"{source}: cannot warm-start this search, it has not the seeds {', '.join(map(str, lacking))}")
    cells = known_cells(searcher, source)
    check_code(
        source,
        {key: point.configuration for key, (_, point) in cells.items()},
        experiment,
        "so that its errors would not compare",
    )
    done = keys_and_seeds(read_trials(source / "records"))
    whole = {key: cell for key, cell in cells.items() if all((key, seed) in done for seed in experiment.seeds)}
    if not (folder / "records" / "trials-warm-start.parquet").exists():
        write_group(folder / "records", "warm-start", records_of(source / "records", list(whole), experiment.seeds))
    baseline = searcher.space.point((), {}).key
    values = objective_values(folder, experiment.seeds, searcher.search.objectives, baseline)
    for key, (cell, point) in whole.items():
        if key in values:
            searcher.add(point, cell, values[key], str(source))


def known_cells(searcher: Searcher, source: Path) -> dict[str, tuple[str, Point]]:
    """Key -> (cell, point) of the other study's trained cells that the space holds; a repeated cell is told once."""

    found: dict[str, tuple[str, Point]] = {}
    plan = read_table(source / "plan.parquet")
    for row in plan[plan["status"] == "trained"].to_dict("records"):
        fixes, numbers = tuple((row["fixes"] or "").split()), json.loads(row["numbers"] or "{}")
        if searcher.space.parameters(fixes, numbers) is not None:
            point = searcher.space.point(fixes, numbers)
            if point.key == row["key"]:
                found[point.key] = (str(row["cell"]), point)
    return found


def records_of(folder: Path, keys: list[str], seeds: list[int]) -> Records:
    """The rows of these cells and seeds from a folder of records."""
    tables = {}
    for name in KINDS:
        parts = [read_table(path) for path in sorted(folder.glob(f"{name}-*.parquet"))]
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"key": []})
        kept = table["key"].isin(keys)
        if "seed" in table:
            kept &= table["seed"].isin(seeds)
        tables[name] = table[kept].reset_index(drop=True)
    return Records(**tables)
