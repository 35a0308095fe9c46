"""From a study directory to tables: every piece checked, nothing computed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
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
PRODUCT = "cartesian"
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
    part: str = ""  # of a product that was stopped: what of it this is

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that every distinct training was planned with."""
        return tuple(int(seed) for seed in self.meta["experiment"]["seeds"])

    @property
    def seeds_in_words(self) -> str:
        """How many there are."""
        return seeds_in_words(len(self.seeds))

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


def seeds_in_words(count: int) -> str:
    """
    >>> seeds_in_words(1), seeds_in_words(5)
    ('1 seed', '5 seeds')
    """
    return f"{count} seed{'s' * (count != 1)}"


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
    trials, curves = _records(folder / "records", plan)
    name = str(meta.get("name", folder.name))
    study = Study(
        name=name,
        folder=folder,
        meta=meta,
        plan=plan,
        issues=_issues(folder / "issues.json"),
        audit=_json(folder / "audit.json"),
        symptoms=_table(folder / "symptoms.parquet", SYMPTOMS),
        trials=trials.drop(columns="part"),
        curves=curves,
        profiles=_more(folder / "records", "profiles", PROFILES, trials),
        samples=_more(folder / "records", "samples", SAMPLES, trials),
        definitions=_definitions(folder / "definitions.parquet"),
    )
    return _part(study)


def _definitions(path: Path) -> pd.DataFrame:
    return _table(path, DEFINITIONS) if path.exists() else _empty(DEFINITIONS)


def _part(study: Study) -> Study:
    """Of a whole product that was stopped, the configurations that have all their seeds: they are trained in balanced blocks,
    so that these are a fair part. Other designs stay as they are, and are refused where they are incomplete."""
    missing = missing_trials(study)
    if not missing or not (study.plan["design"] == PRODUCT).any():
        return study
    lacking = set(study.plan.set_index("cell")["key"][[cell for cell, _ in missing]])
    planned = study.plan[study.plan["key"].notna()]
    kept = study.plan[~study.plan["key"].isin(lacking)]
    count = f"{planned['key'].nunique() - len(lacking)} of {planned['key'].nunique()} configurations with all their seeds"
    trials, curves = (table[~table["key"].isin(lacking)] for table in (study.trials, study.curves))
    return replace(study, plan=kept, trials=trials, curves=curves, part=f"a balanced part: {count}")


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


def _records(folder: Path, plan: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All counted trials with the `part` they are from, and their curves; a curves file without its trials file is ignored, and
    so are trials of code or frames that are no longer the plan's."""
    import pandas as pd

    parts = sorted(folder.glob("trials-*.parquet"))
    if not parts:
        raise StudyError(f"{folder}: no trial has been recorded yet; run with --resume")
    trials = pd.concat([_table(part, TRIALS).assign(part=part.stem[7:]) for part in parts], ignore_index=True)
    trials = _once(trials[trials["status"].isin(COUNTED) & ~_outdated(trials, plan)], folder)
    files = [folder / f"curves-{part}.parquet" for part in trials["part"].unique()]
    if not files:
        raise StudyError(f"{folder}: every recorded trial crashed; run with --resume")
    curves = pd.concat([_table(file, CURVES).assign(part=file.stem[7:]) for file in files], ignore_index=True)
    curves = curves.merge(trials[["part", "key", "seed"]], on=["part", "key", "seed"])
    bare = len(trials) - len(curves[["key", "seed"]].drop_duplicates())
    if bare:
        raise StudyError(f"{folder}: {bare} trials have no curves; their curves file is damaged")
    trials = no_better_diverged(trials)
    return trials, curves.drop(columns="part").sort_values(["key", "seed", "step"], ignore_index=True)


def _outdated(trials: pd.DataFrame, plan: pd.DataFrame) -> pd.Series:
    """Which trials have another fingerprint than the plan has for their key; a record or plan without one is of before."""
    if "fingerprint" not in trials or "fingerprint" not in plan:
        return trials["key"].isna()
    now = plan.dropna(subset=["key"]).drop_duplicates("key").set_index("key")["fingerprint"]
    wanted = trials["key"].map(now)
    return trials["fingerprint"].notna() & wanted.notna() & (trials["fingerprint"] != wanted)


def _more(folder: Path, name: str, columns: tuple[str, ...], trials: pd.DataFrame) -> pd.DataFrame:
    """What the counted trials' groups kept besides."""
    import pandas as pd

    files = [file for part in trials["part"].unique() if (file := folder / f"{name}-{part}.parquet").exists()]
    if not files:
        return _empty(columns)
    found = pd.concat([_table(file, columns).assign(part=file.stem[len(name) + 1 :]) for file in files], ignore_index=True)
    by = [column for column in ("part", "key", "seed") if column in found]
    return found.merge(trials[by].drop_duplicates(), on=by).drop(columns="part")


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
    from pyarrow import ArrowException

    try:
        table = pd.read_parquet(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise StudyError(f"{path}: missing") from None
    except (ArrowException, OSError, ValueError, KeyError, TypeError) as error:  # the last two: a footer that was changed
        raise StudyError(f"{path}: not readable as parquet ({_first_line(error)})") from None
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
    except (yaml.YAMLError, ValueError, OSError) as error:  # YAML accepts dates and numbers that Python does not
        raise StudyError(f"{path}: not readable as YAML ({_first_line(error)})") from None
    seeds = _within(content, "experiment", "seeds")
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds):
        raise StudyError(f"{path}: lacks experiment.seeds, a list of whole numbers")
    counts = [_within(content, "experiment", "training", count) for count in ("steps", "epochs")]
    if not all(type(count) is int and count > 0 for count in counts):
        raise StudyError(f"{path}: lacks experiment.training's steps and epochs, whole numbers above 0")
    return dict(content)


def _within(content: Any, *names: str) -> Any:
    """What is under these names, each within the one before; None where one is not there."""
    for name in names:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def _json(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{path}: missing") from None
    except (ValueError, OSError) as error:  # not JSON, or not text at all
        raise StudyError(f"{path}: not readable as JSON ({_first_line(error)})") from None
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise StudyError(f"{path}: a list of entries is needed")
    return content


def _issues(path: Path) -> list[dict[str, Any]]:
    """The registry as the study had it. The numbers stand in the report's code."""
    issues = _json(path)
    for issue in issues:
        if type(issue.get("number")) is not int:
            raise StudyError(f"{path}: an issue's number is {issue.get('number')!r}; a whole number is needed")
    return issues


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
