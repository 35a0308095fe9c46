"""The loop of a search: tell Optuna the known values, ask for new cells, train them, repeat.

Nothing is kept in memory between rounds. A proposed cell is a running trial in the search's storage until its records have all
seeds; then its values are told. Running trials are trained before new ones are asked for. A search can therefore be killed at
any time and resumed, and no trial is told twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from runner.search.objectives import ObjectiveValues
from runner.search.searcher import Proposal, Searcher

T = TypeVar("T")


class CellTrainer(Protocol):
    """Trains cells; in tests, training is simulated."""

    def use_storage(self, action: Callable[[], T]) -> T:
        """Call `action`, and again while the storage cannot be reached."""
        ...

    def known_values(self) -> dict[str, ObjectiveValues]:
        """Key -> objective values of every cell whose records have all seeds."""
        ...

    def trainable(self, key: str) -> bool:
        """Whether to train the cell: not again in this run, after the machine has failed to train it."""
        ...

    def plan_changed(self) -> None:
        """Called after cells were proposed or told."""

    def train(self, batch: list[Proposal]) -> bool:
        """Train the cells with all seeds; returns whether the search may go on."""
        ...


def search_loop(searcher: Searcher, trainer: CellTrainer, trials: int, at_once: int) -> None:
    """Propose and train cells, `at_once` in a batch, until `trials` distinct ones are proposed and none is left to train."""

    def tell() -> Mapping[str, ObjectiveValues]:
        values = trainer.known_values()
        searcher.tell_known(values)
        return values

    def next_batch() -> list[Proposal]:
        batch = choose_batch(searcher, trainer, tell(), trials, at_once)
        trainer.plan_changed()
        return batch

    def conclude() -> None:
        tell()
        trainer.plan_changed()

    while (batch := trainer.use_storage(next_batch)) and trainer.train(batch):
        pass
    trainer.use_storage(conclude)


def choose_batch(
    searcher: Searcher, trainer: CellTrainer, values: Mapping[str, ObjectiveValues], trials: int, at_once: int
) -> list[Proposal]:
    """The next cells to train: those that an interrupted run has left, then new ones."""
    batch = [proposal for proposal in searcher.running() if trainer.trainable(proposal.point.key)][:at_once]
    while len(batch) < at_once and searcher.distinct() < trials:
        proposal = searcher.ask(values)
        if proposal is None:
            break
        if trainer.trainable(proposal.point.key):
            batch.append(proposal)
    return batch
