"""The schema of `design: {optuna: ...}`: what a search may vary, what it minimises, and how it proposes cells.

Seeds are never searched: every cell is trained with all of them.
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

Which = Literal["all", "document"]
Objective = Literal["near", "far", "wobble", "time_to_target"]

MIN_BATCHES = 5  # of a search by default: the cells of a batch are proposed without the results of one another
MIN_EVALUATIONS = 9  # for the wobble: eight after the first 5 % of steps
#: For a Wilcoxon test at 10 %: the smallest p of four pairs is 1/16, of three 1/8.
MIN_SEEDS_TO_PRUNE = 4


class Search(Section):
    """A search with Optuna."""

    trials: int = Field(60, ge=2, description="distinct cells to train, the baseline and the recommendation included")
    fixes: Any = Field("all", description="all, document, issues, or fixes; of each issue a cell has one fix or none")
    numbers: dict[str, list[float]] = Field(default_factory=dict, description="number of the loss: [low, high]")
    learning_rate: list[float] | None = Field(None, description="[low, high] of its peak; a few log-spaced levels are tried")
    objectives: list[Objective] = Field(["near"], min_length=1, description="one, or several for a Pareto front")
    sampler: Literal["tpe", "nsga2"] = "tpe"
    sampler_seed: int = Field(0, ge=0, lt=2**31)
    at_once: int | None = Field(None, ge=1, description="cells proposed together; default: as many as are trained together")
    storage: str | None = Field(None, description="URL of a database; default: optuna.journal in the study's folder")
    prune: bool = Field(False, description="stop a cell that is worse than the best on its first seeds (Wilcoxon)")
    warm_start: str | None = Field(None, description="folder of a finished study whose records the search starts from")

    @field_validator("fixes", mode="before", json_schema_input_type=Which | list[int] | list[str])
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
    def _prunable(self) -> Search:
        if self.prune and self.objectives not in (["near"], ["far"]):
            raise ValueError(f"prune compares one final error, near or far; the objectives are {', '.join(self.objectives)}")
        return self

    def batch(self, size: int, workers: int) -> int:
        """How many cells are proposed together, where `workers` processes train groups of `size` networks."""
        return self.at_once or max(1, min(size * workers, -(-self.trials // MIN_BATCHES)))

    @property
    def levels(self) -> dict[int, tuple[str, ...]]:
        """Issue -> the fixes to choose from; issues without any are left out."""
        chosen = {number: [fix.id for fix in issue.fixes] for number, issue in sorted(ISSUES.items())}
        if self.fixes == "document":
            chosen = {n: [f.id for f in ISSUES[n].fixes if f.origin == "document"] for n in chosen}
        elif isinstance(self.fixes, list) and isinstance(self.fixes[0], int):
            chosen = {n: ids for n, ids in chosen.items() if n in self.fixes}
        elif isinstance(self.fixes, list):
            wanted = {fix: issue_of(find_fix(fix)).number for fix in self.fixes}
            chosen = {n: [fix for fix in ids if fix in wanted] for n, ids in chosen.items()}
        return {number: tuple(ids) for number, ids in chosen.items() if ids}

    def allowed_fixes(self, fixes: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the fixes that the search may choose."""
        known = {fix for ids in self.levels.values() for fix in ids}
        return tuple(fix for fix in fixes if fix in known)


def check_search(search: Search, loss: Mapping[str, float], seeds: int, rate: float, evaluations: int) -> None:
    """Raises ValueError where the rest of the experiment contradicts the search."""
    baseline = make_numbers(loss)
    for name, (low, high) in search.numbers.items():
        if not low <= getattr(baseline, name) <= high:
            raise ValueError(
                f"design.optuna.numbers.{name}: [{low:g}, {high:g}] leaves out the baseline's {vars(baseline)[name]:g}"
            )
        for end in (low, high):
            make_numbers({**loss, name: end})
    limits = {name: search.numbers.get(name, [value, value]) for name, value in vars(baseline).items()}
    for small, large in ORDERED:
        if limits[small][1] >= limits[large][0]:
            raise ValueError(f"design.optuna.numbers: {small} and {large} may cross; {small} must stay below {large}")
    if search.learning_rate and not search.learning_rate[0] <= rate <= search.learning_rate[1]:
        raise ValueError(f"design.optuna.learning_rate: {search.learning_rate} leaves out training.learning_rate, {rate:g}")
    if search.prune and seeds < MIN_SEEDS_TO_PRUNE:
        raise ValueError(f"design.optuna.prune needs {MIN_SEEDS_TO_PRUNE} seeds or more; there are {seeds}")
    if "wobble" in search.objectives and evaluations < MIN_EVALUATIONS:
        raise ValueError(
            f"design.optuna.objectives: wobble needs {MIN_EVALUATIONS} evaluations or more; there are {evaluations}"
        )
