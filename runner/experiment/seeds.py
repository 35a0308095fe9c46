"""How many seeds a study has: a fixed number, or as many as it takes until every fix has its word, looked at a few times."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from runner.schema import Section

#: Numbers of seeds at which results are looked at, where an experiment does not say.
LOOKS = (6, 10, 16, 24)
FEWEST, MOST_SEEDS = 2, 10_000  # a single seed gives no interval


class UntilDecided(Section):
    """Seeds until every fix has its word: after each look, fixes that have theirs stop."""

    first: int | None = Field(None, ge=FEWEST, description="seeds before the first look; default: the first of `looks`")
    looks: list[int] = Field(default_factory=list, description=f"numbers of seeds at each look; default: {list(LOOKS)}")
    until: Literal["decided"] = "decided"

    @model_validator(mode="after")
    def _rising(self) -> UntilDecided:
        check_looks(self.all_looks)
        if self.first not in (None, self.all_looks[0]):
            raise ValueError(f"first is {self.first}, and the first of looks {self.looks[0]}: give one of them")
        return self

    @property
    def all_looks(self) -> list[int]:
        """The looks, those that are not given by `LOOKS`."""
        least = self.first or LOOKS[0]
        return self.looks or [least, *(n for n in LOOKS if n > least)]


def check_looks(looks: list[int]) -> None:
    """Raises ValueError unless these are rising numbers of seeds."""
    if looks[-1] > MOST_SEEDS:
        raise ValueError(f"looks {looks}: at most {MOST_SEEDS:,} seeds are allowed")
    if looks[0] < FEWEST or any(later <= earlier for earlier, later in pairwise(looks)):
        raise ValueError(f"looks {looks}: rising numbers of seeds, {FEWEST} at least, are needed, such as {list(LOOKS)}")


def looks_of(value: Any) -> list[int]:
    """The looks of the long form, {first, looks, until}. Raises ValueError: what is wrong with it, in a line."""
    try:
        return UntilDecided.model_validate(value).all_looks
    except ValidationError as error:
        wrong = [
            ".".join(map(str, e["loc"])) + ": " * bool(e["loc"]) + e["msg"].removeprefix("Value error, ")
            for e in error.errors()
        ]
        raise ValueError(f"{'; '.join(wrong)}; known here: {', '.join(UntilDecided.model_fields)}") from None
