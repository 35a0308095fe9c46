"""The loop of a search: tell what is known, propose what is missing, train it, again. Neither Optuna nor training in here.

Records are the truth. A proposed cell is in the search's storage as running; once its records hold all seeds it is told; until
then it is trained first of all. So a search that is killed anywhere goes on where it stood, and nothing is told twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from runner.search.objectives import ObjectiveValues
from runner.search.space import Point

T = TypeVar("T")


@dataclass(frozen=True)
class Proposal:
    """A cell that has been asked for, and the number of its trial."""

    number: int
    cell: str
    point: Point


class Proposer(Protocol):
    """What proposes cells and remembers what they came to (runner/search/searcher.py)."""

    def tell_known(self, values: Mapping[str, ObjectiveValues]) -> None:
        """Tell every running trial whose cell's values are known."""

    def running(self) -> list[Proposal]:
        """The distinct cells that have been asked for and not been told."""
        ...

    def distinct(self) -> int:
        """How many distinct cells have been asked for."""
        ...

    def ask(self, values: Mapping[str, ObjectiveValues]) -> Proposal | None:
        """A cell that has not been asked for; None where the space holds no more."""
        ...


class Laboratory(Protocol):
    """Where cells are trained; in tests, where training is simulated."""

    def decide(self, what: Callable[[], T]) -> T:
        """Call it, again while the storage cannot be reached."""
        ...

    def values(self) -> dict[str, ObjectiveValues]:
        """Key -> objective values of every cell that is complete."""
        ...

    def trainable(self, key: str) -> bool:
        """Whether the cell may be trained: not after the machine has failed to."""
        ...

    def planned(self) -> None:
        """What has been asked for has changed."""

    def train(self, batch: list[Proposal]) -> bool:
        """Train the cells with all seeds; whether the search may go on."""
        ...


def search_loop(proposer: Proposer, laboratory: Laboratory, trials: int, at_once: int) -> None:
    """Until so many distinct cells have been asked for and nothing is left to train here."""

    def tell() -> Mapping[str, ObjectiveValues]:
        values = laboratory.values()
        proposer.tell_known(values)
        return values

    def next_batch() -> list[Proposal]:
        batch = choose(proposer, laboratory, tell(), trials, at_once)
        laboratory.planned()
        return batch

    def conclude() -> None:
        tell()
        laboratory.planned()

    while (batch := laboratory.decide(next_batch)) and laboratory.train(batch):
        pass
    laboratory.decide(conclude)


def choose(
    proposer: Proposer, laboratory: Laboratory, values: Mapping[str, ObjectiveValues], trials: int, at_once: int
) -> list[Proposal]:
    """What an interrupted run left first, then new cells."""
    batch = [proposal for proposal in proposer.running() if laboratory.trainable(proposal.point.key)][:at_once]
    while len(batch) < at_once and proposer.distinct() < trials:
        proposal = proposer.ask(values)
        if proposal is None:
            break
        if laboratory.trainable(proposal.point.key):
            batch.append(proposal)
    return batch
