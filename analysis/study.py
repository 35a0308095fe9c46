"""A study directory as tables, up to its last whole look; nothing is computed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.rulers import FINALS, PROBE, PROBE_NEAR, TRIVIALS
from analysis.study_files import (
    StudyError,
    empty_table,
    read_entries,
    read_issues,
    read_looked,
    read_parquet,
    read_settings,
)

if TYPE_CHECKING:
    import pandas as pd

PLAN = ("cell", "design", "fixes", "numbers", "key", "status", "same_as", "reason")
SYMPTOMS = ("issue", "fix", "key", "name", "unit", "cured", "value")
TRIALS = ("key", "seed", "status", "diverged_step", "steps", *FINALS, *TRIVIALS)
CURVES = ("key", "seed", "step", "epoch", PROBE_NEAR, PROBE, "loss")
PROFILES = ("key", "seed", "low", "high", "pixels", "abs_rel", "bias", "trivial_abs_rel")
SAMPLES = ("key", "sample", "metres")
DEFINITIONS = ("fix", "what", "x", "y")
PRODUCT = "cartesian"
COUNTED = ("finished", "diverged")  # a crashed trial is no result


@dataclass(frozen=True, eq=False)
class Study:
    """A study as the runner wrote it, in the columns of its records; errors are ratios, times are steps and seconds."""

    name: str
    folder: Path
    meta: dict[str, Any]
    plan: pd.DataFrame
    issues: list[dict[str, Any]]
    audit: list[dict[str, Any]]
    symptoms: pd.DataFrame
    trials: pd.DataFrame
    curves: pd.DataFrame
    profiles: pd.DataFrame  # error by depth, without diverged trials; may be empty
    samples: pd.DataFrame  # predictions of the first seed; may be empty
    definitions: pd.DataFrame  # weight and threshold curves; may be empty
    part: str = ""  # which part of an interrupted study this is
    looked: dict[int, list[str]] = field(default_factory=dict)  # number of seeds -> keys of what went on after that look
    whole: int = 0  # planned seeds, from the first, that the study has with everything that it needs of them
    missing: tuple[tuple[str, int], ...] = ()  # each (cell, seed) that is not there yet of the first look

    @cached_property
    def planned_seeds(self) -> tuple[int, ...]:
        return tuple(int(seed) for seed in self.meta["experiment"]["seeds"])

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of seeds at which the study is looked at; of a fixed number of seeds, that."""
        return tuple(self.meta["experiment"].get("looks") or (len(self.planned_seeds),))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the baseline; a fix may have fewer, from the first (`seeds_of`)."""
        return self.planned_seeds[: self.whole]

    @property
    def shared_seeds(self) -> tuple[int, ...]:
        """The seeds that every configuration has."""
        return self.seeds[: min(self._counts.values(), default=0)]

    @property
    def finished(self) -> bool:
        """Whether every planned seed is there, or nothing went on after a look."""
        return self.whole == self.looks[-1] or self.looked.get(self.whole) == []

    def seeds_of(self, *keys: str) -> tuple[int, ...]:
        """The planned seeds, from the first, that all of these configurations have."""
        return self.planned_seeds[: min(self._counts.get(key, 0) for key in keys)]

    @cached_property
    def _counts(self) -> dict[str, int]:
        """Key -> how many of the planned seeds, from the first, it has."""
        has = self.trials.groupby("key")["seed"].agg(lambda seeds: set(seeds.astype(int))) if len(self.trials) else {}
        return {str(key): sum(1 for _ in takewhile(seeds.__contains__, self.planned_seeds)) for key, seeds in has.items()}

    @property
    def from_scratch(self) -> bool:
        """Whether trainings began with random weights, and not with a trained network."""
        return self.meta["experiment"]["training"].get("start") != "neutral"

    @property
    def steps(self) -> int:
        """Optimiser steps of a training."""
        return int(self.meta["experiment"]["training"]["steps"])

    @property
    def passes(self) -> float | None:
        """How often a training sees each of its frames; None where their number was not recorded."""
        training, data = self.meta["experiment"]["training"], self.meta["experiment"].get("data") or {}
        frames = self.meta.get("train_frames") or (None if data.get("folder") else data.get("train"))
        return self.steps * training["batch"] / frames if frames and training.get("batch") else None

    @property
    def seeds_in_words(self) -> str:
        """Their number as text: "5 seeds", or "6 to 16 seeds" where fixes stopped as they were decided."""
        fewest = min((len(self.seeds_of(key)) for key in self._counts), default=0)
        return seeds_in_words(len(self.seeds), fewest)

    @cached_property
    def baseline(self) -> str:
        """Key of the loss without fixes. Raises StudyError: the plan has no baseline."""
        key = self.key_of(())
        if key is None:
            raise StudyError(
                f"{self.folder}: the plan has no cell without fixes (the baseline), so there is nothing to compare with"
            )
        return key

    def row_of(self, fixes: Iterable[str], numbers: str = "{}") -> dict[str, Any] | None:
        """The first cell of the plan with exactly these fixes and numbers, or None."""
        return self._rows.get((frozenset(fixes), numbers))

    @cached_property
    def _rows(self) -> dict[tuple[frozenset[str], str], dict[str, Any]]:
        """(fixes, numbers) -> the first cell of the plan that has them."""
        found = dict[tuple[frozenset[str], str], dict[str, Any]]()
        for row in self.plan.to_dict("records"):
            found.setdefault((frozenset(row["fixes"].split()), row["numbers"]), {str(k): v for k, v in row.items()})
        return found

    def key_of(self, fixes: Iterable[str], numbers: str = "{}") -> str | None:
        """Key of the configuration with these fixes; None if it was not planned or its fixes clash."""
        row = self.row_of(fixes, numbers)
        return row["key"] if row else None


def seeds_in_words(count: int, fewest: int | None = None) -> str:
    """
    >>> seeds_in_words(1), seeds_in_words(5), seeds_in_words(16, 6)
    ('1 seed', '5 seeds', '6 to 16 seeds')
    """
    return f"{fewest} to {count} seeds" if fewest is not None and fewest < count else f"{count} seed{'s' * (count != 1)}"


def load(study_dir: Path | str, seeds: int | None = None) -> Study:
    """Read a study directory, as far as it is complete: up to its last whole look; before the first, its whole seeds.

    Args:
        seeds: read no more than the first so many seeds.

    Raises:
        StudyError: a file is missing, unreadable, or lacks a column.
    """
    folder = Path(study_dir)
    if not folder.is_dir():
        raise StudyError(f"{folder}: no such study directory")
    meta = read_settings(folder / "study.yaml")
    plan = read_parquet(folder / "plan.parquet", PLAN)
    plan = plan.assign(fixes=plan["fixes"].fillna(""), numbers=plan["numbers"].fillna("{}"))
    plan = plan.astype({"key": object}).assign(key=lambda table: table["key"].where(table["key"].notna(), None))
    trials, curves = _records(folder / "records", plan)
    definitions = folder / "definitions.parquet"
    study = Study(
        name=str(meta.get("name", folder.name)),
        folder=folder,
        meta=meta,
        plan=plan,
        issues=read_issues(folder / "issues.json"),
        audit=read_entries(folder / "audit.json"),
        symptoms=read_parquet(folder / "symptoms.parquet", SYMPTOMS),
        trials=trials.drop(columns="part"),
        curves=curves,
        profiles=_optional(folder / "records", "profiles", PROFILES, trials),
        samples=_optional(folder / "records", "samples", SAMPLES, trials),
        definitions=read_parquet(definitions, DEFINITIONS) if definitions.exists() else empty_table(DEFINITIONS),
        looked=read_looked(folder / "looks.json"),
    )
    return _whole_seeds(_part(study), seeds)


def _whole_seeds(study: Study, most: int | None) -> Study:
    """The study without seeds that some of its configurations still lack, up to its last whole look."""
    keys, looks, end = dict.fromkeys(study.plan["key"].dropna()), study.looks, 0
    for before, at in pairwise((0, *looks)):
        going = list(keys) if before == 0 else [key for key in study.looked.get(before, []) if key in keys]
        if not going or (most is not None and end >= most):
            break
        there = len(study.seeds_of(*going))
        end = there if there < looks[0] or there >= at else before
        if there < at:
            break
    end = end if most is None else min(end, most)
    kept = set(study.planned_seeds[:end])
    cut = {name: _of_seeds(getattr(study, name), kept) for name in ("trials", "curves", "profiles")}
    looked = {at: going for at, going in study.looked.items() if at <= end}
    missing = tuple(missing_trials(study))  # before what is not whole is left out
    read = replace(study, **cut, looked=looked, whole=end, missing=missing)
    if study.part or read.finished:
        return read
    looked_at = f"looked at after {end} of at most {seeds_in_words(looks[-1])}"
    return replace(read, part=looked_at if end >= looks[0] else f"unfinished: {end} of {seeds_in_words(looks[0])} are there")


def _of_seeds(table: pd.DataFrame, seeds: set[int]) -> pd.DataFrame:
    return table[table["seed"].isin(seeds)] if "seed" in table else table


def _part(study: Study) -> Study:
    """An interrupted full factorial design, reduced to the configurations with all their seeds.

    Its configurations are trained in balanced blocks, so that the reduced design is balanced. Other designs are unchanged.
    """
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
    """Each (cell, seed) up to the first look that neither finished nor diverged; a crashed trial is missing."""
    done = set(zip(study.trials["key"], study.trials["seed"].astype(int), strict=True))
    planned = study.plan[study.plan["key"].notna()].drop_duplicates("key")
    return [
        (str(cell), seed)
        for cell, key in zip(planned["cell"], planned["key"], strict=True)
        for seed in study.planned_seeds[: study.looks[0]]
        if (key, seed) not in done
    ]


def require_a_seed(study: Study) -> None:
    """Raise a StudyError, which names missing trials and the remedy, unless one seed is there with every configuration."""
    if study.seeds:
        return
    missing = study.missing
    first = ", ".join(f"{cell} seed {seed}" for cell, seed in missing[:3])
    more = ", ..." if len(missing) > 3 else ""
    raise StudyError(
        f"{study.folder}: no seed is complete yet: {len(missing)} trials are missing ({first}{more}); run with --resume"
    )


def _records(folder: Path, plan: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All finished and diverged trials, with the `part` that has them, and their curves.

    A curves file without a trials file is ignored, and so are trials whose fingerprint differs from the plan's.
    """
    import pandas as pd

    parts = sorted(folder.glob("trials-*.parquet"))
    if not parts:
        raise StudyError(f"{folder}: no trial has been recorded yet; run with --resume")
    trials = pd.concat([read_parquet(part, TRIALS).assign(part=part.stem[7:]) for part in parts], ignore_index=True)
    trials = _once(trials[trials["status"].isin(COUNTED) & ~_outdated(trials, plan)], folder)
    files = [folder / f"curves-{part}.parquet" for part in trials["part"].unique()]
    if not files:
        raise StudyError(f"{folder}: every recorded trial crashed; run with --resume")
    curves = pd.concat([read_parquet(file, CURVES).assign(part=file.stem[7:]) for file in files], ignore_index=True)
    curves = curves.merge(trials[["part", "key", "seed"]], on=["part", "key", "seed"])
    bare = len(trials) - len(curves[["key", "seed"]].drop_duplicates())
    if bare:
        raise StudyError(f"{folder}: {bare} trials have no curves; their curves file is damaged")
    return trials, curves.drop(columns="part").sort_values(["key", "seed", "step"], ignore_index=True)


def _outdated(trials: pd.DataFrame, plan: pd.DataFrame) -> pd.Series:
    """Which trials have another fingerprint than the plan; none where trial or plan lack a fingerprint."""
    if "fingerprint" not in trials or "fingerprint" not in plan:
        return trials["key"].isna()
    now = plan.dropna(subset=["key"]).drop_duplicates("key").set_index("key")["fingerprint"]
    wanted = trials["key"].map(now)
    return trials["fingerprint"].notna() & wanted.notna() & (trials["fingerprint"] != wanted)


def _optional(folder: Path, name: str, columns: tuple[str, ...], trials: pd.DataFrame) -> pd.DataFrame:
    """An optional table of the records, for the given trials; empty if no group has it."""
    import pandas as pd

    files = [file for part in trials["part"].unique() if (file := folder / f"{name}-{part}.parquet").exists()]
    if not files:
        return empty_table(columns)
    found = pd.concat(
        [read_parquet(file, columns).assign(part=file.stem[len(name) + 1 :]) for file in files], ignore_index=True
    )
    by = [column for column in ("part", "key", "seed") if column in found]
    return found.merge(trials[by].drop_duplicates(), on=by).drop(columns="part")


def _once(trials: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """One row per (key, seed); a StudyError if a trial both finished and diverged, since diverged trials are never rerun."""
    for (key, seed), rows in trials[trials.duplicated(["key", "seed"], keep=False)].groupby(["key", "seed"]):
        if rows["status"].nunique() > 1:
            raise StudyError(f"{folder}: trial {key} seed {seed} is recorded both as finished and as diverged")
    return trials.drop_duplicates(["key", "seed"], ignore_index=True)
