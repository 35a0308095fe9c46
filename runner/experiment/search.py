"""The schema of `design: {optuna: ...}`: what a search may vary, what it minimises, how it proposes.

Seeds are blocks, never searched: every cell is trained with all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from nfloss import ISSUES, find_fix
from nfloss.configuration import make_numbers
from nfloss.numbers import NUMBER_NAMES, ORDERED
from nfloss.registry import issue_of
from nfloss.yaml_block import nearest
from runner.schema import Section

Objective = Literal["near", "far", "wobble", "time_to_target"]


#: A batch is at most this share of the search: one that never looks back at what it has found is no search.
ROUNDS = 5


class Search(Section):
    """A search with Optuna."""

    trials: int = Field(60, ge=2, description="distinct cells to train, the baseline and the recommendation among them")
    fixes: Any = Field("all", description="all, document, a list of issues, or a list of fixes; per issue one of them or none")
    numbers: dict[str, list[float]] = Field(default_factory=dict, description="number of the loss: [low, high]")
    learning_rate: list[float] | None = Field(None, description="[low, high], on a few log-spaced levels")
    objectives: list[Objective] = Field(["near"], min_length=1, description="one, or several for a Pareto front")
    sampler: Literal["tpe", "nsga2"] = "tpe"
    sampler_seed: int = Field(0, ge=0, lt=2**31)
    at_once: int | None = Field(None, ge=1, description="cells asked and told together; default: what is trained together")
    storage: str | None = Field(None, description="default: optuna.journal in the study's folder; else a database's URL")
    prune: bool = Field(False, description="leave out the later seeds of a cell that is worse on the first (Wilcoxon)")
    warm_start: str | None = Field(None, description="folder of a finished study whose records are told first")

    @field_validator("fixes", mode="before")
    @classmethod
    def _known_fixes(cls, value: Any) -> Any:
        if isinstance(value, list) and value and len({type(item) for item in value}) == 1:
            if isinstance(value[0], int) and not isinstance(value[0], bool):
                for issue in value:
                    if issue not in ISSUES:
                        raise ValueError(f"there is no issue {issue}; the issues are {', '.join(map(str, ISSUES))}")
                return value
            if isinstance(value[0], str):
                return [find_fix(fix).id for fix in value]
        if value not in ("all", "document"):
            raise ValueError("all, document, a list of issues (numbers), or a list of fixes (strings) is needed")
        return value

    @field_validator("numbers")
    @classmethod
    def _known_numbers(cls, value: dict[str, list[float]]) -> dict[str, list[float]]:
        for name, given in value.items():
            if name not in NUMBER_NAMES:
                raise ValueError(f"unknown number {name!r}{nearest(name, NUMBER_NAMES)}; known: {', '.join(NUMBER_NAMES)}")
            if len(given) != 2 or given[0] >= given[1]:
                raise ValueError(f"{name}: {given}: [low, high] is needed")
        return value

    @field_validator("learning_rate")
    @classmethod
    def _rates(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and (len(value) != 2 or not 0 < value[0] < value[1]):
            raise ValueError(f"{value}: [low, high], both above 0, is needed")
        return value

    @field_validator("objectives")
    @classmethod
    def _different_objectives(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError(f"{value}: different objectives are needed")
        return value

    @model_validator(mode="after")
    def _one_ruler_to_prune_by(self) -> Search:
        if self.prune and self.objectives not in (["near"], ["far"]):
            raise ValueError(f"prune compares one final error, near or far; the objectives are {', '.join(self.objectives)}")
        return self

    def batch(self, size: int, workers: int) -> int:
        """Cells asked for together, where so many are trained in a group by so many processes."""
        return self.at_once or max(1, min(size * workers, -(-self.trials // ROUNDS)))

    @property
    def levels(self) -> dict[int, tuple[str, ...]]:
        """The fixes to choose from, for each issue that has any."""
        chosen = {number: [fix.id for fix in issue.fixes] for number, issue in sorted(ISSUES.items())}
        if self.fixes == "document":
            chosen = {n: [f.id for f in ISSUES[n].fixes if f.origin == "document"] for n in chosen}
        elif isinstance(self.fixes, list) and isinstance(self.fixes[0], int):
            chosen = {n: ids for n, ids in chosen.items() if n in self.fixes}
        elif isinstance(self.fixes, list):
            wanted = {fix: issue_of(find_fix(fix)).number for fix in self.fixes}
            chosen = {n: [fix for fix in ids if fix in wanted] for n, ids in chosen.items()}
        return {number: tuple(ids) for number, ids in chosen.items() if ids}

    def within(self, fixes: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the fixes that the search may choose."""
        known = {fix for ids in self.levels.values() for fix in ids}
        return tuple(fix for fix in fixes if fix in known)


LEAST_PROBES = 9  # eight after the first 5 %, or the wobble is not measured
#: Fewer seeds than this and no Wilcoxon test at 10 % can end a cell: 1/16 is the smallest p of four pairs, 1/8 of three.
LEAST_SEEDS_TO_PRUNE = 4


def check_search(search: Search, loss: Mapping[str, float], seeds: int, rate: float, probes: int) -> None:
    """Raises ValueError where the rest of the experiment does not go with the search."""
    usual = make_numbers(loss)
    for name, (low, high) in search.numbers.items():
        if not low <= getattr(usual, name) <= high:
            raise ValueError(
                f"design.optuna.numbers.{name}: [{low:g}, {high:g}] leaves out the baseline's {vars(usual)[name]:g}"
            )
        for end in (low, high):
            make_numbers({**loss, name: end})
    limits = {name: search.numbers.get(name, [value, value]) for name, value in vars(usual).items()}
    for small, large in ORDERED:
        if limits[small][1] >= limits[large][0]:
            raise ValueError(f"design.optuna.numbers: {small} and {large} may cross; {small} must stay below {large}")
    if search.learning_rate and not search.learning_rate[0] <= rate <= search.learning_rate[1]:
        raise ValueError(f"design.optuna.learning_rate: {search.learning_rate} leaves out training.learning_rate, {rate:g}")
    if search.prune and seeds < LEAST_SEEDS_TO_PRUNE:
        raise ValueError(f"design.optuna.prune needs {LEAST_SEEDS_TO_PRUNE} seeds or more; there are {seeds}")
    if "wobble" in search.objectives and probes < LEAST_PROBES:
        raise ValueError(f"design.optuna.objectives: wobble needs {LEAST_PROBES} evaluations or more; there are {probes}")
