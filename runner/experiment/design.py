"""The schema of `design:`: which configurations a study has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from nfloss.configuration import ClashError, Configuration, make_numbers
from nfloss.numbers import NUMBER_NAMES
from nfloss.registry import ISSUES, find_fix
from nfloss.slots import SLOTS
from nfloss.yaml_block import nearest
from runner.experiment.search import Search
from runner.schema import Section

Which = Literal["all", "document"]


class Fractional(Section):
    """A fraction of the product of fixes that are on or off."""

    fixes: list[str] = Field(min_length=3)
    resolution: Literal[3, 4, 5] = Field(4, description="4: fixes apart from pairs of fixes; 5: pairs apart from pairs")

    @field_validator("fixes")
    @classmethod
    def _go_together(cls, value: list[str]) -> list[str]:
        ids = [find_fix(fix).id for fix in value]
        if len(set(ids)) < len(ids):
            raise ValueError(f"{value}: a list of different fixes is needed")
        try:
            Configuration.of(*ids)
        except ClashError as clash:
            raise ValueError(f"{clash}; a fraction needs fixes that go together") from None
        return ids


class Covering(Section):
    """Cells in which all combinations of so many issues' fixes appear."""

    issues: Literal["all"] | list[int] = "all"
    strength: Literal[2, 3] = 2

    @field_validator("issues")
    @classmethod
    def _known(cls, value: Any) -> Any:
        return known_issues(value)


class Product(Section):
    """A cartesian product with something left out, or over slots."""

    issues: Literal["all"] | list[int] | None = None
    slots: list[str] | None = Field(None, description="a factor per slot: the document's fixes that fill it, or none")
    exclude: list[list[str]] = Field(default_factory=list, description="combinations of fixes to leave out")

    @field_validator("issues")
    @classmethod
    def _known(cls, value: Any) -> Any:
        return known_issues(value)

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
    def _one_of_two(self) -> Product:
        if (self.issues is None) == (self.slots is None):
            raise ValueError("give either issues or slots")
        return self


class Explicit(Section):
    """One cell: its fixes, and numbers of the loss that it alone has."""

    fixes: list[str] = Field(default_factory=list)
    numbers: dict[str, float] = Field(default_factory=dict)

    @field_validator("numbers")
    @classmethod
    def _known_numbers(cls, value: dict[str, float]) -> dict[str, float]:
        return known_numbers(value)


def known_numbers(value: dict[str, float]) -> dict[str, float]:
    """Numbers of the loss, each within its limits."""
    for name in value:
        if name not in NUMBER_NAMES:
            raise ValueError(f"unknown number {name!r}{nearest(name, NUMBER_NAMES)}; known: {', '.join(NUMBER_NAMES)}")
    make_numbers(value)
    return value


def known_issues(value: Any) -> Any:
    """A list of different issues, or "all"."""
    issues = value if isinstance(value, list) else []
    for issue in issues:
        if issue not in ISSUES:
            raise ValueError(f"there is no issue {issue}; the issues are {', '.join(map(str, sorted(ISSUES)))}")
    if isinstance(value, list) and (len(set(issues)) < len(issues) or not issues):
        raise ValueError(f"{value}: a list of different issues is needed")
    return value


class Design(Section):
    """Which configurations: any of these together; the baseline is always among them."""

    one_at_a_time: Which | list[str] | None = None
    leave_one_out: bool = False
    cumulative: bool = False
    pairs: Which | list[str] | None = Field(None, description="each fix alone, and each two of them together")
    fractional: Fractional | None = None
    covering: Covering | None = None
    cartesian: Product | None = Field(None, description="all, a list of issues, or {issues | slots, exclude}")
    near_weights: list[float] = Field(default_factory=list, description="the baseline at other near weights")
    explicit: dict[str, Explicit] = Field(default_factory=dict, description="name: [fixes], or {fixes, numbers}")
    optuna: Search | None = Field(None, description="a search; goes with no other part")

    @field_validator("one_at_a_time", "pairs")
    @classmethod
    def _known_fixes(cls, value: Any) -> Any:
        for fix in value if isinstance(value, list) else []:
            find_fix(fix)
        return value

    @field_validator("cartesian", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"issues": value} if isinstance(value, str | list) else value

    @field_validator("explicit", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        """A list of fixes is a cell without numbers of its own."""
        if not isinstance(value, Mapping):
            return value
        return {name: {"fixes": cell} if isinstance(cell, list) else cell for name, cell in value.items()}

    @field_validator("explicit")
    @classmethod
    def _known_cells(cls, value: dict[str, Explicit]) -> dict[str, Explicit]:
        for name, cell in value.items():
            try:
                Configuration.of(*cell.fixes, **cell.numbers)
            except ClashError as clash:
                raise ValueError(f"{name}: {clash}") from None
        return value

    @model_validator(mode="after")
    def _not_empty(self) -> Design:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError(f"an empty design; give at least one of {', '.join(type(self).model_fields)}")
        others = [name for name in type(self).model_fields if name != "optuna" and getattr(self, name)]
        if self.optuna is not None and others:
            raise ValueError(
                f"optuna goes with no other part ({', '.join(others)}); warm_start takes in what another study found"
            )
        return self
