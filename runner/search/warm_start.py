"""Start a search from the records of another study; and check that a shared storage is not used from two folders."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pandas as pd

from runner.experiment import Experiment
from runner.records import KINDS, Records, keys_and_seeds, read_table, read_trials, write_atomically, write_group
from runner.search.objectives import objective_values
from runner.search.searcher import Searcher
from runner.search.space import Point
from runner.search.storage import StorageError, safe_url
from runner.study import StudyError, check_code, read_study

MUST_MATCH = ("data", "training", "model", "loss")


def claim_storage(study: Any, folder: Path, url: str | None) -> None:
    """Raises StorageError where the storage has a search of this name whose records are in another folder."""
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
        raise StorageError(
            f"the storage {safe_url(url)} has a search {study.study_name!r} of another folder; choose another name"
        )


def warm_start(searcher: Searcher, experiment: Experiment, source: Path, folder: Path) -> None:
    """Copy the records of those cells of another study that the space contains, and add them as finished trials.

    Raises StudyError: the other study has other settings or code, or lacks some of the seeds."""
    settings = read_study(source)["experiment"]
    mine = experiment.model_dump(mode="json")
    different = [name for name in MUST_MATCH if settings.get(name) != mine[name]]
    if different:
        raise StudyError(
            f"{source}: cannot warm-start this search, its {', '.join(different)} differ: errors would not compare"
        )
    lacking = sorted(set(experiment.seeds) - set(settings["seeds"]))
    if lacking:
        raise StudyError(f"{source}: cannot warm-start this search, it lacks the seeds {', '.join(map(str, lacking))}")
    cells = known_cells(searcher, source)
    configurations = {key: point.configuration for key, (_, point) in cells.items()}
    check_code(source, configurations, experiment, "so that its errors would not compare")
    done = keys_and_seeds(read_trials(source / "records"))
    complete = {key: cell for key, cell in cells.items() if all((key, seed) in done for seed in experiment.seeds)}
    if not (folder / "records" / "trials-warm-start.parquet").exists():
        write_group(folder / "records", "warm-start", select_records(source / "records", list(complete), experiment.seeds))
    baseline = searcher.space.point((), {}).key
    values = objective_values(folder, experiment.seeds, searcher.search.objectives, baseline)
    for key, (cell, point) in complete.items():
        if key in values:
            searcher.add_finished(point, cell, values[key], str(source))


def known_cells(searcher: Searcher, source: Path) -> dict[str, tuple[str, Point]]:
    """Key -> (name, point) of the other study's trained cells that the space contains."""
    found: dict[str, tuple[str, Point]] = {}
    plan = read_table(source / "plan.parquet")
    for row in plan[plan["status"] == "trained"].to_dict("records"):
        fixes, numbers = tuple((row["fixes"] or "").split()), json.loads(row["numbers"] or "{}")
        if searcher.space.parameters(fixes, numbers) is not None:
            point = searcher.space.point(fixes, numbers)
            if point.key == row["key"]:
                found[point.key] = (str(row["cell"]), point)
    return found


def select_records(folder: Path, keys: list[str], seeds: list[int]) -> Records:
    """The rows of these cells and seeds from a folder of records."""
    tables = {}
    for name in KINDS:
        parts = [read_table(path) for path in sorted(folder.glob(f"{name}-*.parquet"))]
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"key": []})
        chosen = table["key"].isin(keys)
        if "seed" in table:
            chosen &= table["seed"].isin(seeds)
        tables[name] = table[chosen].reset_index(drop=True)
    return Records(**tables)
