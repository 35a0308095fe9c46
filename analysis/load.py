"""From a study directory to tables: every piece checked, nothing computed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

PLAN = ("cell", "design", "fixes", "numbers", "key", "status", "same_as", "reason")
SYMPTOMS = ("issue", "fix", "key", "name", "unit", "cured", "value")
TRIALS = ("key", "seed", "status", "diverged_step", "steps", "final_near_abs_rel", "final_far_abs_rel", "final_abs_rel")
CURVES = ("key", "seed", "step", "epoch", "probe_near_abs_rel", "loss")
PROFILES = ("key", "seed", "low", "high", "pixels", "abs_rel", "bias")
SAMPLES = ("key", "sample", "metres")
DEFINITIONS = ("fix", "what", "x", "y")
COUNTED = ("finished", "diverged")  # a crash is not a result


class StudyError(ValueError):
    """A study that cannot be read or judged; one line that says what is wrong and what to do."""


@dataclass(frozen=True, eq=False)
class Study:
    """One study as the runner wrote it. Tables: see the runner's records; errors are ratios, time is steps and seconds."""

    name: str
    folder: Path
    meta: dict[str, Any]
    plan: pd.DataFrame
    issues: list[dict[str, Any]]
    audit: list[dict[str, Any]]
    symptoms: pd.DataFrame
    trials: pd.DataFrame
    curves: pd.DataFrame
    profiles: pd.DataFrame  # error by depth, no rows for diverged trials; empty in a study that kept none
    samples: pd.DataFrame  # predictions of the first seed; empty likewise
    definitions: pd.DataFrame  # weight and threshold curves; empty likewise

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that every distinct training was planned with."""
        return tuple(int(seed) for seed in self.meta["experiment"]["seeds"])

    @property
    def baseline(self) -> str:
        """Key of the unfixed loss.

        Raises:
            StudyError: the plan has no baseline; nothing can be compared.
        """
        key = self.key_of(())
        if key is None:
            raise StudyError(
                f"{self.folder}: the plan has no cell without fixes (the baseline), so there is nothing to compare with"
            )
        return key

    def row_of(self, fixes: Iterable[str], numbers: str = "{}") -> dict[str, Any] | None:
        """The plan's first cell with exactly these fixes and numbers, or None."""
        wanted = frozenset(fixes)
        same = self.plan["fixes"].map(lambda text: frozenset(text.split()) == wanted).astype(bool)
        rows = self.plan[same & (self.plan["numbers"] == numbers)].to_dict("records")
        return {str(name): value for name, value in rows[0].items()} if rows else None

    def key_of(self, fixes: Iterable[str], numbers: str = "{}") -> str | None:
        """Key of the training that these fixes stand for; None where it was not planned or is a clash."""
        row = self.row_of(fixes, numbers)
        return row["key"] if row else None


def load(study_dir: Path | str) -> Study:
    """Read a study directory.

    Raises:
        StudyError: a piece is missing, unreadable, or lacks a column.
    """
    folder = Path(study_dir)
    if not folder.is_dir():
        raise StudyError(f"{folder}: no such study directory")
    meta = _yaml(folder / "study.yaml")
    plan = _table(folder / "plan.parquet", PLAN)
    plan = plan.assign(fixes=plan["fixes"].fillna(""), numbers=plan["numbers"].fillna("{}"))
    plan = plan.astype({"key": object}).assign(key=lambda table: table["key"].where(table["key"].notna(), None))
    trials, curves = _records(folder / "records")
    more = {name: _more(folder / "records", name, columns) for name, columns in (("profiles", PROFILES), ("samples", SAMPLES))}
    name = str(meta.get("name", folder.name))
    symptoms = _table(folder / "symptoms.parquet", SYMPTOMS)
    path = folder / "definitions.parquet"
    more["definitions"] = _table(path, DEFINITIONS) if path.exists() else _empty(DEFINITIONS)
    issues, audit = _json(folder / "issues.json"), _json(folder / "audit.json")
    return Study(name, folder, meta, plan, issues, audit, symptoms, trials, curves, **more)


def missing_trials(study: Study) -> list[tuple[str, int]]:
    """(cell, seed) that was planned and has neither finished nor diverged; a crash counts as missing."""
    done = set(zip(study.trials["key"], study.trials["seed"].astype(int), strict=True))
    planned = study.plan[study.plan["key"].notna()].drop_duplicates("key")
    return [
        (str(cell), seed)
        for cell, key in zip(planned["cell"], planned["key"], strict=True)
        for seed in study.seeds
        if (key, seed) not in done
    ]


def require_complete(study: Study) -> None:
    """Refuse an incomplete design: a mean over the trials that happen to exist is no comparison.

    Raises:
        StudyError: names how many trials are missing, the first few, and the remedy.
    """
    missing = missing_trials(study)
    if missing:
        first = ", ".join(f"{cell} seed {seed}" for cell, seed in missing[:3])
        more = ", ..." if len(missing) > 3 else ""
        raise StudyError(f"{study.folder}: {len(missing)} trials are missing ({first}{more}); run with --resume")


def _records(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All counted trials and their curves; a curves file without its trials file is ignored."""
    import pandas as pd

    parts = sorted(folder.glob("trials-*.parquet"))
    if not parts:
        raise StudyError(f"{folder}: no trial has been recorded yet; run with --resume")
    trials = pd.concat([_table(part, TRIALS).assign(part=part.stem[7:]) for part in parts], ignore_index=True)
    trials = _once(trials[trials["status"].isin(COUNTED)], folder)
    files = [folder / f"curves-{part}.parquet" for part in trials["part"].unique()]
    if not files:
        raise StudyError(f"{folder}: every recorded trial crashed; run with --resume")
    curves = pd.concat([_table(file, CURVES).assign(part=file.stem[7:]) for file in files], ignore_index=True)
    curves = curves.merge(trials[["part", "key", "seed"]], on=["part", "key", "seed"])
    bare = len(trials) - len(curves[["key", "seed"]].drop_duplicates())
    if bare:
        raise StudyError(f"{folder}: {bare} trials have no curves; their curves file is damaged")
    trials = no_better_diverged(trials)
    return trials.drop(columns="part"), curves.drop(columns="part").sort_values(["key", "seed", "step"], ignore_index=True)


def _more(folder: Path, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """What groups whose trials are there kept besides; each (key, ...) once."""
    import pandas as pd

    parts = [path.stem.removeprefix("trials-") for path in sorted(folder.glob("trials-*.parquet"))]
    files = [file for part in parts if (file := folder / f"{name}-{part}.parquet").exists()]
    found = pd.concat([_table(file, columns) for file in files], ignore_index=True) if files else _empty(columns)
    by = [column for column in ("key", "seed", "low", "sample") if column in columns]
    return found.drop_duplicates(by, ignore_index=True)


def _empty(columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({column: [] for column in columns})


def no_better_diverged(trials: pd.DataFrame) -> pd.DataFrame:
    """A diverged trial's final errors, recorded as the trivial predictor's, raised to the worst finished trial's where that
    is worse: saying one depth everywhere can beat a network that is bad far away, and diverging must never pay."""
    diverged = trials["status"] == "diverged"
    trials = trials.copy()
    for name in ("final_near_abs_rel", "final_far_abs_rel", "final_abs_rel") if diverged.any() else ():
        worst = trials.loc[~diverged, name].max()
        trials.loc[diverged, name] = trials.loc[diverged, name].clip(lower=worst)
    return trials


def _once(trials: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """One row per (key, seed); two rows that disagree on divergence are an error, since divergence is never re-run."""
    for (key, seed), rows in trials[trials.duplicated(["key", "seed"], keep=False)].groupby(["key", "seed"]):
        if rows["status"].nunique() > 1:
            raise StudyError(f"{folder}: trial {key} seed {seed} is recorded both as finished and as diverged")
    return trials.drop_duplicates(["key", "seed"], ignore_index=True)


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd
    from pyarrow import ArrowInvalid

    try:
        table = pd.read_parquet(path)
    except FileNotFoundError:
        raise StudyError(f"{path}: missing") from None
    except (ArrowInvalid, OSError) as error:
        raise StudyError(f"{path}: not readable as parquet ({str(error).splitlines()[0]})") from None
    lacking = [column for column in columns if column not in table]
    if lacking:
        raise StudyError(f"{path}: lacks the columns {', '.join(lacking)}")
    return _floats(table)


def _floats(table: pd.DataFrame) -> pd.DataFrame:
    """Nullable measures become float64 with NaN, so that parts with and without nulls join."""
    names = [name for name in table if str(name).startswith(("final_", "val_", "probe_", "diverged_step", "value"))]
    return table.astype(dict.fromkeys(names, "float64"))


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{path}: missing; is this a study directory?") from None
    except yaml.YAMLError as error:
        raise StudyError(f"{path}: not readable as YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(content, dict) or not content.get("experiment", {}).get("seeds"):
        raise StudyError(f"{path}: lacks experiment.seeds")
    return content


def _json(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{path}: missing") from None
    except json.JSONDecodeError as error:
        raise StudyError(f"{path}: not readable as JSON ({error})") from None
    return list(content)
