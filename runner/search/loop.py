"""The loop of a search: settle what is known, ask for what is missing, train it, again. Neither Optuna nor training in here.

Records are the truth. A cell that has been asked for is in the search's storage as running; once its records hold all seeds
it is told; until then it is trained first of all. So a search that is killed anywhere goes
on where it stood, and nothing is told twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from runner.search.objectives import Worth
from runner.search.space import Point

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """A cell that has been asked for, and the number of its trial."""

    number: int
    cell: str
    point: Point


class Proposer(Protocol):
    """What proposes cells and remembers what they came to (runner/search/searcher.py)."""

    def settle(self, worths: Mapping[str, Worth]) -> None:
        """Tell every running trial whose cell's worth is known."""

    def running(self) -> list[Asked]:
        """The distinct cells that have been asked for and not been told."""
        ...

    def distinct(self) -> int:
        """How many distinct cells have been asked for."""
        ...

    def ask(self, worths: Mapping[str, Worth]) -> Asked | None:
        """A cell that has not been asked for; None where the space holds no more."""
        ...


class Laboratory(Protocol):
    """Where cells are trained, or are made believe to be."""

    def decide(self, what: Callable[[], T]) -> T:
        """Do it, once more where the storage was away."""
        ...

    def worths(self) -> dict[str, Worth]:
        """Key -> worth of every cell that is complete."""
        ...

    def trainable(self, key: str) -> bool:
        """Whether the cell may be trained: not after the machine has failed to."""
        ...

    def planned(self) -> None:
        """What has been asked for has changed."""

    def train(self, batch: list[Asked]) -> bool:
        """Train the cells with all seeds; whether the search may go on."""
        ...


def search_loop(proposer: Proposer, laboratory: Laboratory, trials: int, at_once: int) -> None:
    """Until so many distinct cells have been asked for and nothing is left to train here."""

    def settled() -> Mapping[str, Worth]:
        worths = laboratory.worths()
        proposer.settle(worths)
        return worths

    def next_batch() -> list[Asked]:
        batch = chosen(proposer, laboratory, settled(), trials, at_once)
        laboratory.planned()
        return batch

    def conclude() -> None:
        settled()
        laboratory.planned()

    while (batch := laboratory.decide(next_batch)) and laboratory.train(batch):
        pass
    laboratory.decide(conclude)


def chosen(proposer: Proposer, laboratory: Laboratory, worths: Mapping[str, Worth], trials: int, at_once: int) -> list[Asked]:
    """What an interrupted process left first, then new cells."""
    batch: list[Asked] = []
    for left in proposer.running():
        if len(batch) < at_once and laboratory.trainable(left.point.key):
            batch.append(left)
    while len(batch) < at_once and proposer.distinct() < trials:
        asked = proposer.ask(worths)
        if asked is None:
            break
        if laboratory.trainable(asked.point.key):
            batch.append(asked)
    return batch
