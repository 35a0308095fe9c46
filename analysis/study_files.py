"""Read one file of a study directory and check what it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MOST_CELLS = 20_000_000  # of a table


class StudyError(ValueError):
    """A study cannot be read or judged; the message is one line with the cause and the remedy."""


def read_parquet(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd
    from pyarrow import ArrowException, parquet

    with _reading(path, "parquet", ArrowException, KeyError, TypeError):  # the last two: a damaged footer
        size = parquet.read_metadata(path)
        if size.num_rows * size.num_columns > MOST_CELLS:  # a few bytes of parquet can stand for a value many times over
            raise ValueError(f"{size.num_rows:,} rows of {size.num_columns} columns")
        table = pd.read_parquet(path, page_checksum_verification=True)
    lacking = [column for column in columns if column not in table]
    if lacking:
        raise StudyError(f"{path}: lacks the columns {', '.join(lacking)}")
    return _floats(table)


def _floats(table: pd.DataFrame) -> pd.DataFrame:
    """The table with nullable measures as float64, so that parts with and without nulls can be joined."""
    measures = ("final_", "val_", "probe_", "diverged_step", "value")
    names = [name for name, kind in table.dtypes.items() if kind != "float64" and str(name).startswith(measures)]
    return table.astype(dict.fromkeys(names, "float64")) if names else table


def read_settings(path: Path) -> dict[str, Any]:
    import yaml

    if not path.exists():
        raise StudyError(f"{path}: missing; is this a study directory?")
    with _reading(path, "YAML", yaml.YAMLError):  # or a ValueError: YAML accepts dates and numbers that Python does not
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    seeds = within(content, "experiment", "seeds")
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds):
        raise StudyError(f"{path}: lacks experiment.seeds, a list of whole numbers")
    counts = [within(content, "experiment", "training", count) for count in ("steps", "epochs")]
    if not all(type(count) is int and count > 0 for count in counts):
        raise StudyError(f"{path}: lacks experiment.training's steps and epochs, whole numbers above 0")
    return dict(content)


def within(content: Any, *names: str) -> Any:
    """The value at this path of names; None if one is missing."""
    for name in names:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def read_entries(path: Path) -> list[dict[str, Any]]:
    with _reading(path, "JSON"):
        content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise StudyError(f"{path}: a list of entries is needed")
    return content


def read_issues(path: Path) -> list[dict[str, Any]]:
    """The issues of the study. Their numbers are checked, since they become part of the notebook's code."""
    issues = read_entries(path)
    for issue in issues:
        if type(issue.get("number")) is not int:
            raise StudyError(f"{path}: an issue's number is {issue.get('number')!r}; a whole number is needed")
    return issues


@contextmanager
def _reading(path: Path, kind: str, *errors: type[Exception], remedy: str = "") -> Iterator[None]:
    """Raise what reading a file raises, one of `errors` or what is no text of this kind, as a StudyError."""
    unreadable: tuple[type[Exception], ...] = (OSError, ValueError, *errors)
    try:
        yield
    except FileNotFoundError:
        raise StudyError(f"{path}: missing") from None
    except unreadable as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise StudyError(f"{path}: not readable as {kind} ({why}){remedy}") from None


def read_looked(path: Path) -> dict[int, list[str]]:
    """What went on after each look, as the runner wrote it; empty where the study was not looked at yet."""
    if not path.exists():
        return {}
    with _reading(path, "looks", AttributeError, TypeError, remedy="; continue the study with --resume"):
        return {int(at): [str(key) for key in keys] for at, keys in json.loads(path.read_text(encoding="utf-8")).items()}


def empty_table(columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({column: [] for column in columns})
