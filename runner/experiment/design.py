"""The schema of `design:`: which configurations a study has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from nfloss.configuration import ClashError, Configuration, make_numbers
from nfloss.numbers import NUMBER_NAMES
from nfloss.other_losses import load_loss
from nfloss.registry import ISSUES, find_fix
from nfloss.slots import SLOTS
from nfloss.yaml_block import nearest
from runner.experiment.search import Search, Which
from runner.schema import Section


def check_numbers(value: dict[str, float]) -> dict[str, float]:
    """Return the numbers of the loss. Raises ValueError for an unknown name, or a value outside its limits."""
    for name in value:
        if name not in NUMBER_NAMES:
            raise ValueError(f"unknown number {name!r}{nearest(name, NUMBER_NAMES)}; known: {', '.join(NUMBER_NAMES)}")
    make_numbers(value)
    return value


def check_issues(value: Any) -> Any:
    """Return a list of issues, or what is no list. Raises ValueError for an unknown issue, a repeated one, or none."""
    issues = value if isinstance(value, list) else []
    for issue in issues:
        if issue not in ISSUES:
            raise ValueError(f"there is no issue {issue}; the issues are {', '.join(map(str, sorted(ISSUES)))}")
    if isinstance(value, list) and (len(set(issues)) < len(issues) or not issues):
        raise ValueError(f"{value}: a list of different issues is needed")
    return value


Issues = Annotated[Literal["all"] | list[int], AfterValidator(check_issues)]
LossNumbers = Annotated[
    dict[str, float], AfterValidator(check_numbers), Field(json_schema_extra={"propertyNames": {"enum": list(NUMBER_NAMES)}})
]


class Fractional(Section):
    """A fraction of the product of fixes, each of them on or off."""

    fixes: list[str] = Field(min_length=3)
    resolution: Literal[3, 4, 5] = Field(4, description="4: no fix is aliased with a pair; 5: no pair with another pair")

    @field_validator("fixes")
    @classmethod
    def _compatible(cls, value: list[str]) -> list[str]:
        ids = [find_fix(fix).id for fix in value]
        if len(set(ids)) < len(ids):
            raise ValueError(f"{value}: a list of different fixes is needed")
        try:
            Configuration.of(*ids)
        except ClashError as clash:
            raise ValueError(f"{clash}; the fixes of a fraction must not clash") from None
        return ids


class Covering(Section):
    """Cells in which every combination of `strength` issues' fixes appears."""

    issues: Issues = Field("all", description="all, or a list of issues")
    strength: Literal[2, 3] = 2


class Cartesian(Section):
    """A cartesian product over issues or slots, without the excluded combinations."""

    issues: Issues | None = Field(None, description="a factor per issue: one of its fixes, or none")
    slots: list[str] | None = Field(None, description="a factor per slot: one of the fixes that fill it, or none")
    exclude: list[list[str]] = Field(default_factory=list, description="combinations of fixes to leave out")

    @field_validator("slots")
    @classmethod
    def _known_slots(cls, value: list[str] | None) -> list[str] | None:
        for slot in value or []:
            if slot not in SLOTS:
                raise ValueError(f"there is no slot {slot!r}{nearest(slot, tuple(SLOTS))}; the slots are {', '.join(SLOTS)}")
        return value

    @field_validator("exclude")
    @classmethod
    def _known_fixes(cls, value: list[list[str]]) -> list[list[str]]:
        return [[find_fix(fix).id for fix in together] for together in value]

    @model_validator(mode="after")
    def _one_of_two(self) -> Cartesian:
        if (self.issues is None) == (self.slots is None):
            raise ValueError("give either issues or slots")
        return self


class ExplicitCell(Section):
    """A cell: its fixes, and its own numbers of the loss."""

    fixes: list[str] = Field(default_factory=list)
    numbers: LossNumbers = Field(default_factory=dict)


class Design(Section):
    """Which configurations are trained: any of these parts together. The baseline is always among them."""

    one_at_a_time: Which | list[str] | None = None
    leave_one_out: bool = False
    cumulative: bool = False
    pairs: Which | list[str] | None = Field(None, description="each fix alone, and each two of different issues")
    fractional: Fractional | None = None
    covering: Covering | None = None
    cartesian: Cartesian | None = Field(None, description="all, a list of issues, or {issues | slots, exclude}")
    near_weights: list[float] = Field(default_factory=list, description="the baseline at other near weights")
    losses: list[str] = Field(
        default_factory=list, description="other losses: path/to/file.py:function, or package.module:function"
    )
    explicit: dict[str, ExplicitCell] = Field(default_factory=dict, description="name: [fixes], or {fixes, numbers}")
    optuna: Search | None = Field(None, description="a search, without any other part")

    @field_validator("one_at_a_time", "pairs")
    @classmethod
    def _known_fixes(cls, value: Any) -> Any:
        for fix in value if isinstance(value, list) else []:
            find_fix(fix)
        return value

    @field_validator("cartesian", mode="before", json_schema_input_type=Literal["all"] | list[int] | Cartesian | None)
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"issues": value} if isinstance(value, str | list) else value

    @field_validator("explicit", mode="before", json_schema_input_type=dict[str, list[str] | ExplicitCell])
    @classmethod
    def _lists(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {name: {"fixes": cell} if isinstance(cell, list) else cell for name, cell in value.items()}

    @field_validator("explicit")
    @classmethod
    def _known_cells(cls, value: dict[str, ExplicitCell]) -> dict[str, ExplicitCell]:
        for name, cell in value.items():
            try:
                Configuration.of(*cell.fixes, **cell.numbers)
            except ClashError as clash:
                raise ValueError(f"{name}: {clash}") from None
        return value

    @field_validator("losses")
    @classmethod
    def _loaded(cls, value: list[str]) -> list[str]:
        names = [load_loss(reference).name for reference in value]
        if len(set(names)) < len(names):
            raise ValueError(f"{', '.join(names)}: functions of different names are needed")
        return value

    @model_validator(mode="after")
    def _not_empty(self) -> Design:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError(f"an empty design; give at least one of {', '.join(type(self).model_fields)}")
        others = [name for name in type(self).model_fields if name != "optuna" and getattr(self, name)]
        if self.optuna is not None and others:
            raise ValueError(
                f"optuna goes with no other part ({', '.join(others)}); warm_start uses the records of another study"
            )
        return self
