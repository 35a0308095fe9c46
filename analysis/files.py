"""Files of a report, whole or not at all: written beside their place and moved there, never through a link."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from uuid import uuid4

ABANDONED = 60.0  # seconds: what is being written takes less, so that two reports at once leave each other's files alone


def write_whole(path: Path, content: bytes | str) -> Path:
    """Write a file, replacing what is there; a link is replaced and not followed.

    Raises OSError: the disk is full, or the folder cannot be written to, in one line; what was there stays."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        temporary.unlink(missing_ok=True)
    return path


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes have left half written in a folder."""
    for path in folder.iterdir():
        if re.fullmatch(r"\..+\.[0-9a-f]{32}", path.name) and time.time() - path.lstat().st_mtime > ABANDONED:
            path.unlink(missing_ok=True)


def own_folder(path: Path) -> Path:
    """A folder for what is written, made where it is missing.

    Raises ValueError: a link stands there: what it points to is not the study's."""
    if path.is_symlink():
        raise ValueError(f"{path}: is a link; nothing is written through it: remove it")
    path.mkdir(parents=True, exist_ok=True)
    return path
