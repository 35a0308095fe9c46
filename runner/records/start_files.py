"""Start networks on disk: a file for each seed, with its checksum beside it, as `sha256sum` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from runner.records.files import write_bytes
from runner.records.tables import SUMS, checksums


def start_file(folder: Path, seed: int) -> Path:
    return folder / f"seed{seed}.pt"


def write_start(folder: Path, seed: int, content: Mapping[str, Any]) -> None:
    """Write the start network of a seed, plain data and tensors; the checksum first: a file that has none is not there."""
    path, buffer = start_file(folder, seed), BytesIO()
    torch.save(dict(content), buffer)
    write_bytes(path.with_suffix(SUMS), checksums({path.name: buffer.getvalue()}))
    write_bytes(path, buffer.getvalue())


def read_start(folder: Path, seed: int, fingerprint: str) -> dict[str, Any] | None:
    """What `write_start` has written; None where there is nothing, or it is damaged, or of another fingerprint."""
    path = start_file(folder, seed)
    try:
        whole, sums = path.read_bytes(), path.with_suffix(SUMS).read_bytes()
    except FileNotFoundError:
        return None
    if sums != checksums({path.name: whole}):
        return None
    content: dict[str, Any] = torch.load(BytesIO(whole), map_location="cpu", weights_only=True)
    return content if content["fingerprint"] == fingerprint else None
