"""Damaged records are moved aside, never deleted; their trials count as missing."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from runner.records.tables import KINDS, SUMS, checksums

DAMAGED = "damaged"


def set_aside_damaged(records: Path) -> tuple[str, ...]:
    """Move each group with a file that is cut off, changed or missing into `records`/damaged; returns the groups' names."""
    names = sorted(path.stem.removeprefix("trials-") for path in records.glob("trials-*.parquet"))
    damaged = tuple(name for name in names if not intact(records, name))
    for name in damaged:
        number = next(n for n in count(1) if not (records / DAMAGED / f"{name}.{n}").exists())
        (aside := records / DAMAGED / f"{name}.{number}").mkdir(parents=True)
        for path in existing_files(records, name):
            path.rename(aside / path.name)
    return damaged


def intact(records: Path, name: str) -> bool:
    """Whether a group has its checksums, and they are those of its other files."""
    sums = records / f"{name}{SUMS}"
    files = {path.name: path.read_bytes() for path in existing_files(records, name) if path != sums}
    return sums.exists() and sums.read_bytes() == checksums(files)


def existing_files(records: Path, name: str) -> list[Path]:
    names = [f"{name}{SUMS}", *(f"{kind}-{name}.parquet" for kind in KINDS)]
    return [path for file in names if (path := records / file).exists()]
