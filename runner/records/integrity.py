"""Records that are no longer what was written are set aside, never deleted, and what was in them counts as missing."""

from __future__ import annotations

from pathlib import Path

from runner.records.files import TableError, read_table
from runner.records.tables import KINDS, SUMS, checksums

ASIDE = "damaged"


def set_aside_damaged(records: Path) -> tuple[str, ...]:
    """Move each group with a file that is cut off, changed or missing into `records`/damaged; gives the groups' names."""
    names = sorted(path.stem.removeprefix("trials-") for path in records.glob("trials-*.parquet"))
    damaged = tuple(name for name in names if not whole(records, name))
    for name in damaged:
        aside = folder_for(records / ASIDE, name)
        for path in files_of(records, name):
            path.rename(aside / path.name)
    return damaged


def whole(records: Path, name: str) -> bool:
    """Whether every file of a group is as it was written."""
    sums = records / f"{name}{SUMS}"
    if not sums.exists():
        return readable(records, name)
    files = {path.name: path.read_bytes() for path in files_of(records, name) if path != sums}
    return sums.read_bytes() == checksums(files)


def readable(records: Path, name: str) -> bool:
    """Of a group from before there were checksums: whether its files can be read, and each of its trials has a curve."""
    try:
        tables = {path.name: read_table(path) for path in files_of(records, name)}
        return set(tables[f"trials-{name}.parquet"]["key"]) <= set(tables[f"curves-{name}.parquet"]["key"])
    except (TableError, KeyError):
        return False


def files_of(records: Path, name: str) -> list[Path]:
    """The files that a group has."""
    names = [f"{name}{SUMS}", *(f"{kind}-{name}.parquet" for kind in KINDS)]
    return [path for file in names if (path := records / file).exists()]


def folder_for(aside: Path, name: str) -> Path:
    """A new folder for a group: it may not be the first of its name."""
    number = 1
    while (folder := aside / f"{name}.{number}").exists():
        number += 1
    folder.mkdir(parents=True)
    return folder
